"""The audit of the locks, against a database of our own and a package that nobody else has."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_service.embedded.ports import HOST, free_port
from tests.packaging import audit
from tests.packaging.audit import NOT_ASKED, SOUND, WEAK
from tests.packaging.compose import ROOT

WEAKNESS = "GHSA-aaaa-bbbb-cccc"


class Database(http.server.ThreadingHTTPServer):
    """As OSV's: `weak` are the packages that have a weakness, `asked` those that it was asked about."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.weak: set[str] = set()
        self.asked: dict[str, str] = {}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        self.server.asked |= {one["package"]["name"]: one["version"] for one in queries}
        known = {"vulns": [{"id": WEAKNESS, "modified": "2026-01-31T12:00:00Z"}]}
        self._tell(
            {"results": [known if one["package"]["name"] in self.server.weak else {} for one in queries]}
        )

    def do_GET(self) -> None:
        self._tell({"id": WEAKNESS, "modified": "2026-01-31T12:00:00Z", "summary": "It lets anybody in."})

    def _tell(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """One package, whose wheel lies beside."""
    wheel = tmp_path / "a_door-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr(
            "a_door-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: a-door\nVersion: 1.2\n"
        )
        packed.writestr(
            "a_door-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr("a_door-1.2.dist-info/RECORD", "")
    held = tmp_path / "requirements.lock"
    held.write_text(
        f"a-door==1.2 ; python_full_version >= '3.11' \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    return held


def audited(lock: Path, port: int) -> int:
    beside = ["--no-index", "--find-links", str(lock.parent), "--cache-dir", str(lock.parent / "cache")]
    return audit.audit(lock, [*beside, "--service-url", f"http://{HOST}:{port}/"])


def test_a_weakness_of_what_is_locked_is_told_and_fails(
    lock: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    assert audited(lock, database.server_port) == SOUND
    assert database.asked == {"a-door": "1.2"}

    database.weak.add("a-door")
    assert audited(lock, database.server_port) == WEAK
    assert WEAKNESS in capfd.readouterr().out


def test_where_nobody_can_be_asked_it_says_so_and_fails(
    lock: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert audited(lock, free_port()) == NOT_ASKED
    assert "requirements.lock was NOT audited. This needs a network" in capfd.readouterr().err


def test_every_package_of_the_locks_is_asked_about() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        asked = audit._script(text)
        names = [line.partition("==")[0] for line in text.splitlines() if "==" in line]
        assert len(names) > 30
        assert all(f'"{name}==' in asked for name in names)
