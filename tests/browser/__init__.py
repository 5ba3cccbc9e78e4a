"""Tests in a real JupyterLab: a package, so that pytest ends server and browser after the last."""
