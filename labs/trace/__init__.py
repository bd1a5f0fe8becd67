"""Shows the trace of one frame, through an interface server and a worker, as a tree."""
