"""Command line of the accounting test: ``python -m tests.torture [--seeds 1-20]``."""

import sys

from tests.torture.command import main

sys.exit(main(sys.argv[1:]))
