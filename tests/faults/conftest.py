"""A stage for each test, on the engines that all tests share; those that break engines bring their own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.embedded import KafkaServer, PostgresServer
from tests.faults.stage import Stage, set_stage

#: How far a long run has come is seen where pytest shows logs (`make soak`), without what the libraries say.
logging.getLogger("tests.faults").setLevel(logging.INFO)


@pytest.fixture
async def stage(postgres: PostgresServer, kafka: KafkaServer, tmp_path: Path) -> AsyncIterator[Stage]:
    async with set_stage(postgres, kafka.bootstrap, tmp_path) as stage:
        yield stage
