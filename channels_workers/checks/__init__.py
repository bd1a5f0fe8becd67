"""System checks: what is commonly wrong in a project, each with its cure."""
