"""A real Apache Kafka in KRaft mode: one process that is broker and controller."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import shutil
import signal
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from consent_service.embedded.engine import Engine, Progress
from consent_service.embedded.errors import EngineError, EngineFailed
from consent_service.embedded.identity import run_to_end
from consent_service.embedded.jars import default_cache_dir, locked_jars, verified_jars
from consent_service.embedded.java import Java
from consent_service.embedded.ports import HOST, free_port

PROBE_PATIENCE_S = 2.0
METADATA_REQUEST = 3

SERVER_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "CLIENT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # One broker: nothing to replicate to, and few partitions keep the first consumer from waiting.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The default is half of our heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
    # With no replica, what a power cut may take is what was not flushed: a second's worth.
    "log.flush.interval.ms": "1000",
    "log.flush.scheduler.interval.ms": "1000",
    # After a kill -9 the controller refuses the broker until its old session ends; the default is 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}

LOG_SETTINGS = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class KafkaServer(Engine):
    """Apache Kafka with its data in a folder: `async with KafkaServer(folder) as kafka: kafka.bootstrap`."""

    name: ClassVar[str] = "Kafka"
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 10.0),)

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        cache_dir: Path | None = None,
        progress: Progress | None = None,
        doors: Mapping[int, int] | None = None,
    ) -> None:
        """`port` None: a free one. `cache_dir` holds the jars; None: the platform's per-user cache folder.

        `doors`: further ports to listen on, and which port clients that come in there are sent to: a proxy's.
        """
        super().__init__(data_dir, port, progress)
        self._doors = dict(doors or {})
        self._cache_dir = cache_dir or default_cache_dir()
        self._java: Java | None = None
        self._log_dir = self.data_dir / "log"
        self._properties = self.data_dir / "server.properties"

    @property
    def bootstrap(self) -> str:
        """host:port, as clients want it."""
        return f"{self.host}:{self.port}"

    async def _prepare(self) -> None:
        jars = await asyncio.to_thread(verified_jars, self._cache_dir, locked_jars(), self.progress)
        self._java = Java(jars, self.data_dir)
        (self.data_dir / "log4j2.properties").write_text(LOG_SETTINGS)
        if not self._log_dir.exists():
            self.progress(f"formatting Kafka's storage in {self._log_dir}")
            await asyncio.to_thread(self._format)

    def _format(self) -> None:
        # Made aside and renamed when whole, so that an interrupted start leaves no half storage.
        unfinished = self.data_dir / "log.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_properties(unfinished, free_port())
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        command = self._java_command("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}")
        formatted = run_to_end("same", [*command, "--config", str(self._properties)], self.data_dir)
        if formatted.returncode != 0:
            output = formatted.stdout + formatted.stderr
            raise EngineFailed("formatting Kafka's storage failed", Path("its output"), output)
        unfinished.rename(self._log_dir)

    def _command(self) -> list[str]:
        # The controller's port is nobody else's business: a free one at every start.
        self._write_properties(self._log_dir, free_port())
        return self._java_command("kafka.Kafka", str(self._properties))

    def _java_command(self, *arguments: str) -> list[str]:
        if self._java is None:
            raise EngineError(f"{self.name} has no Java before it starts")
        log_settings = f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}"
        return self._java.command(log_settings, *arguments, options=self._java_options())

    def _java_options(self) -> tuple[str, ...]:
        return ()

    def _write_properties(self, log_dir: Path, controller_port: int) -> None:
        listening = {"CLIENT": self.port, **{f"DOOR{port}": port for port in self._doors}}
        advertised = {"CLIENT": self.port, **{f"DOOR{port}": sent for port, sent in self._doors.items()}}
        properties = {
            **SERVER_PROPERTIES,
            "controller.quorum.voters": f"1@{HOST}:{controller_port}",
            "listeners": _listeners({**listening, "CONTROLLER": controller_port}),
            "advertised.listeners": _listeners(advertised),
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT" for name in (*listening, "CONTROLLER")
            ),
            "log.dirs": str(log_dir),
        }
        lines = (f"{name}={_escaped(value)}\n" for name, value in properties.items())
        self._properties.write_text("".join(lines))

    async def _answers(self) -> bool:
        # The list of brokers holds those that the controller lets serve; ours is the only one.
        try:
            async with asyncio.timeout(PROBE_PATIENCE_S):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(_metadata_request())
                    (length,) = struct.unpack(">i", await reader.readexactly(4))
                    return _broker_count(await reader.readexactly(length)) > 0
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False


def _listeners(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())


def _escaped(value: str) -> str:
    """A value of a Java properties file, which is read as Latin-1: JSON escapes backslashes and the rest alike."""
    return json.dumps(value)[1:-1]


def _metadata_request() -> bytes:
    """Metadata, version 7: int16 key, int16 version, int32 id, empty client; no topics, none to be made."""
    body = struct.pack(">hhih", METADATA_REQUEST, 7, 1, 0) + struct.pack(">i?", 0, False)
    return struct.pack(">i", len(body)) + body


def _broker_count(answer: bytes) -> int:
    """From a Metadata answer, version 7: int32 id, int32 throttle time, then the array of brokers."""
    count: int = struct.unpack_from(">i", answer, 8)[0]
    return count
