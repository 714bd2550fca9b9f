"""`python -m consent_service` is `consent-service`."""

from __future__ import annotations

import sys

try:
    from consent_service.cli.main import main

    sys.exit(main())
except KeyboardInterrupt:
    # Also while the modules are still being read.
    sys.exit(130)
