"""Floor 7: all that knows IPython and ipywidgets."""
