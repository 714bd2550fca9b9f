"""The script that sites load from here: its address tells its content, and any page may load it."""

from __future__ import annotations

import base64
import re
from hashlib import sha256, sha384
from pathlib import Path

import pytest

from consent_service.http import web_client
from consent_service.http.web_client import describe, make_script, read_scripts
from tests.http.conftest import Api

STATIC = Path(web_client.__file__).parent / "static" / "web"


async def test_the_tag_names_a_script_that_is_there_and_has_its_hash(api: Api) -> None:
    told = (await api.client.get("/web")).json()
    script = await api.client.get(told["src"])
    assert script.status_code == 200
    assert script.content == (STATIC / "consent.js").read_bytes()
    assert told["integrity"] == "sha384-" + base64.b64encode(sha384(script.content).digest()).decode()
    for attribute in (f'src="{told["src"]}"', f'integrity="{told["integrity"]}"', 'crossorigin="anonymous"'):
        assert attribute in told["tag"]


async def test_the_script_may_be_kept_for_ever_and_loaded_by_any_page(api: Api) -> None:
    told = (await api.client.get("/web")).json()
    for coding in ("br", "gzip", "identity"):
        script = await api.client.get(told["src"], headers={"accept-encoding": coding})
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["access-control-allow-origin"] == "*"
        assert script.headers["cross-origin-resource-policy"] == "cross-origin"
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["vary"] == "Accept-Encoding"
        assert script.headers.get("content-encoding", "identity") == coding
        seen = await api.client.get(
            told["src"], headers={"accept-encoding": coding, "if-none-match": script.headers["etag"]}
        )
        assert (seen.status_code, seen.content) == (304, b"")


async def test_each_coding_has_a_tag_of_its_own(api: Api) -> None:
    told = (await api.client.get("/web")).json()
    tags = {
        (await api.client.get(told["src"], headers={"accept-encoding": coding})).headers["etag"]
        for coding in ("br", "gzip", "identity")
    }
    assert len(tags) == 3


@pytest.mark.parametrize("digest", ["0" * 16, "consent", "..", "%2e%2e"])
async def test_another_digest_is_nothing(api: Api, digest: str) -> None:
    answer = await api.client.get(f"/web/{digest}/consent.js")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


def test_a_script_is_found_under_its_own_digest_alone() -> None:
    one, other = make_script(b"let one"), make_script(b"let other")
    assert one.path == f"/web/{sha256(b'let one').hexdigest()[:16]}/consent.js"
    assert one.path != other.path


def test_the_newest_is_told_and_earlier_ones_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that names the hash of an older one goes on working."""
    (tmp_path / "static" / "web" / "earlier").mkdir(parents=True)
    (tmp_path / "static" / "web" / "consent.js").write_bytes(b"new")
    (tmp_path / "static" / "web" / "earlier" / "0.1.0.js").write_bytes(b"old")
    monkeypatch.setattr(web_client, "files", lambda _: tmp_path)
    scripts = read_scripts()
    assert [script.content.body for script in scripts] == [b"new", b"old"]
    assert "web/" + sha256(b"new").hexdigest()[:16] in describe(scripts[0], "https://consent.example/").tag


async def test_the_tag_asks_the_service_by_its_public_address(api: Api) -> None:
    told = (await api.client.get("/web")).json()
    base = told["src"].partition("/web/")[0]
    assert re.search(rf'data-endpoint="{re.escape(base)}/site/v1/SITE"', told["tag"])
    assert base.startswith("http")
