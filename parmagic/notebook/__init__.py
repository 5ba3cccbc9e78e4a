"""Floor 6: all that knows IPython and ipywidgets."""
