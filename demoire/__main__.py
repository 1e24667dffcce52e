"""``python -m demoire COMMAND``."""

import os
import sys

# Threads that wait for one another without spinning: four to five times faster where the cores are shared with other
# work. It must be set before torch is imported, as the next.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Large pages for large tensors (Linux): a fifth less work for large tiles.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from demoire.cli import main

if __name__ == "__main__":
    sys.exit(main())
