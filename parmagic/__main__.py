"""``python -m parmagic``: see `parmagic.notebook.launch`."""

import sys

from parmagic.notebook.launch import main

if __name__ == "__main__":
    sys.exit(main())
