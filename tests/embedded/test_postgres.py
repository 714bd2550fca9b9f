"""The embedded PostgreSQL: durable, closed to strangers, gone with its owner, back after anything."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest

from consent_service.embedded import AlreadyRunning, EngineError, EngineFailed, PortTaken, PostgresServer
from consent_service.embedded.folder import living, until
from tests.embedded.orphans import owner_of


async def ask(server: PostgresServer, question: str, url: str | None = None) -> object:
    connection = await asyncpg.connect(url or server.url())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_what_is_written_survives_a_stop_and_a_start(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False) as server:
        assert str(await ask(server, "select version()")).startswith("PostgreSQL 18.")
        await ask(server, "create table kept as select 42 as answer")
    async with PostgresServer(tmp_path, fsync=False) as again:
        assert await ask(again, "select answer from kept") == 42


async def test_what_was_committed_survives_kill_minus_9_on_the_same_port(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path) as server:
        assert await ask(server, "show fsync") == "on"
        port, family = server.port, psutil.Process(server.pid).children()
        await ask(server, "create table kept as select 42 as answer")
        await server.kill()
        assert not server.running
        assert family
        assert not [member for member in family if living(member)]
        await server.restart()
        assert server.port == port
        assert await ask(server, "select answer from kept") == 42


async def test_nobody_gets_in_without_the_password(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False) as server:
        wrong = f"postgresql://postgres:guess@127.0.0.1:{server.port}/postgres"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(server, "select 1", wrong)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(server, "select 1", server.socket_url().replace(server.password(), "guess"))
        assert await ask(server, "show password_encryption") == "scram-sha-256"
        assert await ask(server, "show listen_addresses") == "127.0.0.1"
    kept = tmp_path / "passwords.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


async def test_the_socket_works_also_where_the_folder_has_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-name-" * 9)
    async with PostgresServer(folder, fsync=False) as server:
        place = server.socket_directory
        assert await ask(server, "select 'here'", server.socket_url()) == "here"
        assert not place.is_relative_to(folder)
    assert not place.exists()


async def test_a_role_keeps_the_password_made_for_it(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False) as server:
        made = server.password("reader")
        await ask(server, f"create role reader login password '{made}'")
    async with PostgresServer(tmp_path, fsync=False) as again:
        assert await ask(again, "select current_user", again.url("reader")) == "reader"


async def test_a_second_start_on_the_same_folder_names_the_process_that_has_it(tmp_path: Path) -> None:
    with owner_of("postgres", tmp_path) as owner:
        with pytest.raises(AlreadyRunning, match=f"process {owner.process.pid}") as refusal:
            await PostgresServer(tmp_path).start()
        assert refusal.value.pid == owner.process.pid


async def test_the_engine_ends_with_an_owner_that_was_killed_and_its_folder_is_free_again(
    tmp_path: Path,
) -> None:
    with owner_of("postgres", tmp_path) as owner:
        engine = psutil.Process(owner.engine_pid)
        owner.kill()
        assert await until(lambda: not living(engine), 10)
        async with PostgresServer(tmp_path, fsync=False) as server:
            assert await ask(server, "select 1") == 1


async def test_an_orphan_that_does_not_end_by_itself_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.embedded.folder.ORPHAN_PATIENCE_S", 0.5)
    with owner_of("postgres", tmp_path) as owner:
        psutil.Process(owner.engine_pid).suspend()
        owner.kill()
        async with PostgresServer(tmp_path, fsync=False) as server:
            assert await ask(server, "select 1") == 1


async def test_a_taken_port_is_said_and_the_folder_stays_free(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path / "first", fsync=False) as first:
        second = PostgresServer(tmp_path / "second", port=first.port, fsync=False)
        with pytest.raises(PortTaken, match=f"port {first.port} on 127.0.0.1") as refusal:
            await second.start()
        assert refusal.value.port == first.port
    async with second:
        assert await ask(second, "select 1") == 1


async def test_a_server_that_ends_while_starting_tells_the_end_of_its_log(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False):
        pass
    with (tmp_path / "cluster" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    server = PostgresServer(tmp_path, fsync=False)
    with pytest.raises(EngineFailed, match='unrecognized configuration parameter "no_such_setting"'):
        await server.start()
    assert not server.running


async def test_a_cluster_of_another_version_is_refused(tmp_path: Path) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(EngineError, match="made by PostgreSQL 17"):
        await PostgresServer(tmp_path).start()


async def test_a_first_start_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    half = tmp_path / "cluster.unfinished"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    async with PostgresServer(tmp_path, fsync=False) as server:
        assert await ask(server, "select 1") == 1
    assert not half.exists()


async def test_a_paused_server_answers_nothing_and_goes_on_when_resumed(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False) as server:
        connection = await asyncpg.connect(server.url())
        server.pause()
        with pytest.raises(TimeoutError):
            await connection.fetchval("select 1", timeout=0.2)
        server.resume()
        await connection.close()
        assert await ask(server, "select 2") == 2
        server.pause()
        async with asyncio.timeout(8):
            await server.stop()
    assert not server.running


async def test_an_engine_that_dies_by_itself_is_noticed(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False) as server:
        assert server.pid is not None
        os.kill(server.pid, 9)
        assert await server.wait() == -9
        assert server.pid is None


async def test_values_of_failing_statements_stay_out_of_the_log(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path, fsync=False) as server:
        await ask(server, "create table people (email text primary key)")
        await ask(server, "insert into people values ('kari@example.no')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await ask(server, "insert into people values ('kari@example.no')")
        logged = server.log_file.read_text
        assert await until(lambda: "people_pkey" in logged(), 5)
        assert "kari" not in logged()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
async def test_root_runs_it_as_nobody_where_namespaces_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PostgresServer(tmp_path, fsync=False)
    programs = server.program("postgres").parents
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in programs):
        pytest.skip("the test would open folders above the checkout to other users")
    async with server:
        await ask(server, "create table kept as select 42 as answer")
    monkeypatch.setattr("consent_service.embedded.postgres.unprivileged", lambda program: "nobody")
    async with server:
        assert psutil.Process(server.pid).username() == "nobody"
        assert await ask(server, "select answer from kept", server.socket_url()) == 42
    monkeypatch.undo()
    async with server:
        assert await ask(server, "select answer from kept") == 42
