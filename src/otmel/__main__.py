"""``python -m otmel``: the command line, for ``torchrun -m otmel train …`` and where no script is on the path."""

import sys

from otmel.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
