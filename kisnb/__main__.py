"""``python -m kisnb`` is the command ``kisnb``."""

import sys

from kisnb.cli import main

sys.exit(main())
