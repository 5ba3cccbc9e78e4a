"""Floor 1: all that a worker process imports. No IPython, no ipywidgets, no numpy."""
