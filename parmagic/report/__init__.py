"""Floor 4: a job as plain data, and how it looks.

``Report`` holds numbers and strings only; ``html`` and ``text`` turn it into what a notebook
or a terminal shows. Pure functions: nothing here prints, displays or knows of IPython.
"""
