"""``python -m sandtui``."""

import sys

from sandtui.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
