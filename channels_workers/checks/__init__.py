"""System checks for common mistakes in a project, each with a hint that fixes it."""
