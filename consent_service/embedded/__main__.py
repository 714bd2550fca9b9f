"""`python -m consent_service.embedded [CACHE_DIR]`: makes ready ahead what the first start needs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from consent_service.embedded.class_archive import make_class_archive
from consent_service.embedded.errors import EngineError
from consent_service.embedded.jars import default_cache_dir


def main(arguments: list[str]) -> int:
    """Exit code 1, and why, when a jar is missing or is not the one that jars.lock holds."""
    cache_dir = Path(arguments[0]) if arguments and arguments[0] else default_cache_dir()
    try:
        asyncio.run(make_class_archive(cache_dir, lambda message: print(message, file=sys.stderr)))  # noqa: T201
    except EngineError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
