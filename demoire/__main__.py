"""``python -m demoire COMMAND``."""

import sys

from demoire.allocator import prepare_process
from demoire.cli import main

prepare_process()  # in the processes that bench starts, too

if __name__ == "__main__":
    sys.exit(main())
