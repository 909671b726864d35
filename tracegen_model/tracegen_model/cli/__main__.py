"""``python -m tracegen_model.cli``."""

import sys

from tracegen_model.cli.main import main

sys.exit(main())
