"""All that knows IPython and ipywidgets."""
