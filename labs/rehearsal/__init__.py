"""A rehearsal of a deployment on Heroku, on this machine; ``python -m labs.rehearsal``."""
