"""The applications, one module for each package; a module names its own in APPLICATIONS."""
