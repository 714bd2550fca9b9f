"""`make bench` in small: that it runs, and that what it keeps can be compared. What it measures is not judged here."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.first_tag import first_allowed_tag
from tests.chromium import MISSING, find_chromium

ROOT = Path(__file__).parents[2]
ENDS_S = 280.0
MEMBERS = {
    "name": str,
    "value": float,
    "unit": str,
    "ceiling_name": str,
    "ceiling": float,
    "ratio": float,
    "machine": str,
    "date": str,
}


async def bench(*arguments: str) -> tuple[int, str, str]:
    """`python -m benchmarks ARGUMENTS`: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(ENDS_S):
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


@pytest.mark.timeout(300)  # it starts engines of its own, with fsync on
async def test_figures_are_printed_and_kept_beside_their_ceilings(tmp_path: Path) -> None:
    """That of the first tag fails where the tag waits for a request, or the script is not out of the browser's cache."""
    results = tmp_path / "results.json"
    older: dict[str, Any] = {
        **dict.fromkeys(MEMBERS, "an older figure"),
        "name": "another",
        "value": 1.0,
        "ceiling": 2.0,
        "ratio": 0.5,
    }
    results.write_text(json.dumps([older, {**older, "name": "check_16"}]))
    asked = ["check_16", "check_16_p50", "check_16_p99", "recipient_throughput_1k"]
    if find_chromium() is not None:
        asked += ["first_allowed_tag", "first_allowed_tag_p95"]

    code, table, errors = await bench(
        *("check_16", "recipient_throughput_1k", "first_allowed_tag"),
        *("--seconds", "0.5", "--subjects", "500", "--results", str(results)),
    )

    assert code == 0, errors
    kept = json.loads(results.read_text())
    assert kept[0] == older
    assert [figure["name"] for figure in kept[1:]] == asked
    for figure in kept[1:]:
        assert {name: type(value) for name, value in figure.items()} == MEMBERS
        assert figure["name"] in table
        assert figure["value"] > 0
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["ceiling"], rel=0.01)
    if find_chromium() is not None:
        middle, slow = kept[-2:]
        assert 0 < middle["ceiling"] < middle["value"] <= slow["value"]


async def test_without_chromium_the_first_tags_figure_is_left_out_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nowhere"))
    stage: Any = None

    assert await first_allowed_tag(stage) == []

    assert f"first_allowed_tag is left out. {MISSING}" in capsys.readouterr().err


async def test_a_name_that_nothing_is_measured_for_is_refused_with_those_there_are(tmp_path: Path) -> None:
    code, _, errors = await bench("record_fast", "--results", str(tmp_path / "results.json"))

    assert code == 2
    assert "there is no figure record_fast" in errors
    assert "record_64" in errors
    assert not (tmp_path / "results.json").exists()
