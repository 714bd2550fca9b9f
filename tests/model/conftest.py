"""One stage for all stories."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from consent_service.embedded import PostgresServer
from tests.model.stage import Stage, set_stage


@pytest.fixture(scope="module")
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with set_stage(postgres) as stage:
        yield stage
