"""Real engines for those who have none: PostgreSQL 18 and Apache Kafka 4.1, from Python packages.

Known to the command line and to the tests' fixtures only. A setting with the address of another server
replaces either engine.
"""

from consent_service.embedded.engine import Engine, Progress
from consent_service.embedded.errors import (
    AlreadyRunning,
    EngineError,
    EngineFailed,
    EngineMissing,
    JarMismatch,
    JarUnavailable,
    PortTaken,
)
from consent_service.embedded.kafka import KafkaServer
from consent_service.embedded.postgres import PostgresServer

__all__ = [
    "AlreadyRunning",
    "Engine",
    "EngineError",
    "EngineFailed",
    "EngineMissing",
    "JarMismatch",
    "JarUnavailable",
    "KafkaServer",
    "PortTaken",
    "PostgresServer",
    "Progress",
]
