"""The embedded Kafka: durable, quick, gone with its owner, back after anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consent_service.embedded import AlreadyRunning, EngineError, EngineFailed, KafkaServer, PortTaken
from consent_service.embedded.folder import living, until
from tests.embedded.orphans import owner_of


async def make_topic(server: KafkaServer, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def send(server: KafkaServer, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=server.bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def first(server: KafkaServer, topic: str, group: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=server.bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            value: bytes | None = (await consumer.getone()).value
            return value
    finally:
        await consumer.stop()


async def test_what_was_acknowledged_survives_kill_stop_and_start(
    tmp_path: Path, cache_dir: Path | None
) -> None:
    server = KafkaServer(tmp_path, cache_dir=cache_dir)
    async with server:
        port = server.port
        await make_topic(server, "kept")
        await send(server, "kept", b"first")
        await server.kill()
        await server.restart()
        assert server.port == port
        assert await first(server, "kept", "after-kill") == b"first"
    assert not server.running
    async with KafkaServer(tmp_path, cache_dir=cache_dir) as again:
        assert await first(again, "kept", "after-stop") == b"first"


async def test_a_topic_is_never_made_by_asking_for_it(kafka: KafkaServer) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics(["never-made"])
        assert "never-made" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_the_engine_ends_with_an_owner_that_was_killed(tmp_path: Path, cache_dir: Path | None) -> None:
    with owner_of("kafka", tmp_path, cache_dir) as owner:
        engine = psutil.Process(owner.engine_pid)
        with pytest.raises(AlreadyRunning, match=f"process {owner.process.pid}"):
            await KafkaServer(tmp_path, cache_dir=cache_dir).start()
        owner.kill()
        assert await until(lambda: not living(engine), 10)


async def test_a_taken_port_is_said(kafka: KafkaServer, tmp_path: Path, cache_dir: Path | None) -> None:
    with pytest.raises(PortTaken, match=f"Kafka cannot use port {kafka.port}"):
        await KafkaServer(tmp_path, port=kafka.port, cache_dir=cache_dir).start()


async def test_storage_that_kafka_cannot_read_is_told_with_the_end_of_its_log(
    tmp_path: Path, cache_dir: Path | None
) -> None:
    log = tmp_path / "log"
    log.mkdir()
    (log / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    with pytest.raises(EngineFailed, match=r"Kafka ended while starting(.|\n)*node.id"):
        await KafkaServer(tmp_path, cache_dir=cache_dir).start()


async def test_it_starts_with_its_warnings_in_a_file_of_its_own(kafka: KafkaServer) -> None:
    assert kafka.log_file.parent == kafka.data_dir
    assert "WARN" in kafka.log_file.read_text()


async def test_it_uses_the_class_archive_that_was_made_ahead(kafka: KafkaServer) -> None:
    command = psutil.Process(kafka.pid).cmdline()
    named = [part.partition("=")[2] for part in command if part.startswith("-XX:SharedArchiveFile=")]
    if not named:
        pytest.skip("no class archive was made: python -m consent_service.embedded makes it")
    assert named[0] in {place.path for place in psutil.Process(kafka.pid).memory_maps()}


def test_its_address_is_unknown_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no port before it starts"):
        _ = KafkaServer(tmp_path).bootstrap
