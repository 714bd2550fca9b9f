"""`python -m consent_client.watch`."""

import sys

from consent_client.watch.command import main

if __name__ == "__main__":
    sys.exit(main())
