"""The broker's jars: only what jars.lock holds is used, wherever it came from."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_service.embedded import JarMismatch, JarUnavailable
from consent_service.embedded.jars import LockedJar, locked_jars, verified_jars

CONTENT = b"a very small jar"
JAR = LockedJar("example", "tiny", "1.0", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of example:tiny:1.0 in a Maven repository on this machine, the first that jgo asks."""
    root = tmp_path / "repository"
    folder = root / "example" / "tiny" / "1.0"
    folder.mkdir(parents=True)
    handler = functools.partial(QuietHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\nmirror = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        yield folder
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


def test_a_missing_jar_is_downloaded_once_and_kept(repository: Path, tmp_path: Path) -> None:
    (repository / "tiny-1.0.jar").write_bytes(CONTENT)
    told: list[str] = []
    [path] = verified_jars(tmp_path / "cache", [JAR], told.append)
    assert path.read_bytes() == CONTENT
    assert told == ["downloading Apache Kafka: 1 jars, once", "downloading Apache Kafka: 1 of 1 jars"]
    (repository / "tiny-1.0.jar").unlink()
    assert verified_jars(tmp_path / "cache", [JAR], told.append) == [path]
    assert len(told) == 2


def test_a_download_with_another_checksum_is_refused_and_not_kept(repository: Path, tmp_path: Path) -> None:
    (repository / "tiny-1.0.jar").write_bytes(CONTENT + b" and more")
    with pytest.raises(JarMismatch, match=rf"as downloaded(.|\n)*expected SHA-256 {JAR.sha256}"):
        verified_jars(tmp_path / "cache", [JAR], lambda message: None)
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_a_jar_changed_in_the_cache_is_refused(tmp_path: Path) -> None:
    jar = tmp_path / "jars" / JAR.file_name
    jar.parent.mkdir()
    jar.write_bytes(CONTENT + b" and more")
    with pytest.raises(JarMismatch, match="in the cache: delete it"):
        verified_jars(tmp_path, [JAR], lambda message: None)


def test_a_repository_out_of_reach_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text("[repositories]\nmirror = http://127.0.0.1:1\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    with pytest.raises(JarUnavailable, match=r"example:tiny:1\.0 could not be downloaded"):
        verified_jars(tmp_path / "cache", [JAR], lambda message: None)


def test_every_line_of_the_lock_names_one_version_and_its_checksum() -> None:
    jars = locked_jars()
    names = [(jar.group, jar.artifact) for jar in jars]
    assert len(set(names)) == len(names)
    [broker] = [jar for jar in jars if jar.artifact == "kafka_2.13"]
    assert broker.version.startswith("4.1.")
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {broker.version}


@pytest.mark.parametrize(
    "line",
    [
        "example:tiny:1.0",
        "example:tiny sha256:" + "0" * 64,
        "example:tiny:1.0 sha1:" + "0" * 40,
        "example:tiny:1.0 sha256:" + "0" * 63,
    ],
)
def test_a_line_of_another_form_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"sha256|SHA-256|unpack|hex"):
        locked_jars(line)
