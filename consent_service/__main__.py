"""`python -m consent_service` is `consent-service`."""

from __future__ import annotations

import sys

from consent_service.cli.main import main

sys.exit(main())
