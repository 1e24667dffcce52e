"""``python -m demoire COMMAND``."""

import os
import sys

# Threads that wait for one another without spinning: four to five times faster where the cores are shared with other
# work. It must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from demoire.cli import main

if __name__ == "__main__":
    sys.exit(main())
