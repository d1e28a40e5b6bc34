"""`python -m aiotracker`: the same as the command `aiotracker`."""

import sys

from aiotracker.cli import main

if __name__ == "__main__":
    sys.exit(main())
