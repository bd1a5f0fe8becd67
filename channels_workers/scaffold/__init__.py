"""The files that ``manage.py startworkers`` writes, from templates that ``deploy/`` shares."""
