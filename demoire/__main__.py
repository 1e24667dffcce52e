"""``python -m demoire COMMAND``."""

import sys

from demoire.cli import main

if __name__ == "__main__":
    sys.exit(main())
