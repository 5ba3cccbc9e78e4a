"""The panel: run a function over items, watch it and the pool, and mend both, by clicking.

::

    model     what there is to see and to do, as plain state: no widgets
    view      one panel in the notebook: its parts, each of which shows one thing of the model
    ticker    one thread that repaints the panels in turn, while there are any
    still     what stays in the notebook when a panel is closed, or where there are no widgets
"""
