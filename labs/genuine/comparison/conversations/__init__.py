"""The applications, one module per package. Each lists its own in APPLICATIONS."""
