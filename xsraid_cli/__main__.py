"""What `python -m xsraid_cli` runs."""

from __future__ import absolute_import

import sys

from xsraid_cli import main

if __name__ == "__main__":
    sys.exit(main.main())
