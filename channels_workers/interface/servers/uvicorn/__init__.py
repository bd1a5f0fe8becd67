"""Every use of parts that uvicorn does not promise."""
