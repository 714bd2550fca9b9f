"""Catalogue files with anything wrong in them: every fault is told with a line of the file, and nothing else happens."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.domain.catalogue import CatalogueEntries
from consent_service.domain.purposes import NoticeText
from consent_service.usecases.catalogue_file import CatalogueFaults, read_catalogue
from tests.mutations import HARD, Raw, mutated, outcome, replaced, tree, write
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

SAMPLES = Path(__file__).resolve().parents[2] / "consent_service/samples"
#: What YAML knows beside JSON, and numbers that its parser cannot hold.
RAW = (
    "&a x",
    "*a",
    "&a [*a]",
    "!!python/object:os.system x",
    "! x",
    "!<",
    '"\\UFFFFFFFF"',
    '"\\ud800"',
    "'",
    "{? [a] : b}",
    "{a, b}",
    "a: b",
    "\n---\n",
    "\n%YAML 9.9\n",
    "@",
    "\t",
    "# none",
    "| x",
    "{? [slug] : x}",
    "2026-01-31T12:00:00+14:00",
)
#: Of the places of the sample, one in so many is tried with each hard value.
STEP = soak(40, 4)


def sample() -> Any:
    """A part of a file of ours, read in a few milliseconds: some of its controller, a site, its first purpose."""
    whole = yaml.safe_load((SAMPLES / "sonh.yaml").read_text(encoding="utf-8"))
    controller, purpose = whole["controller"], whole["purposes"][0]
    return {
        "controller": {
            **controller,
            "recipients": controller["recipients"][:1],
            "notes": controller["notes"][:1],
        },
        "sites": [{"key": "web", "origins": ["https://sonh.no"], "purposes": [purpose["slug"]]}],
        "purposes": [{**purpose, "policy_facts": {"months": 18, "heading": [False, {"from": "2018"}]}}],
    }


SAMPLE = sample()
ENTRIES = read_catalogue(yaml.safe_dump(SAMPLE), "file.yaml").entries
quick = settings(max_examples=soak(80, 1_600), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)
many = settings(max_examples=soak(300, 6_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)


def read(text: str | bytes) -> CatalogueEntries | None:
    """The entries, or nothing where the file is refused; a refusal names places of the file."""
    found = outcome(CatalogueFaults, read_catalogue, text, "file.yaml")
    if not isinstance(found, CatalogueFaults):
        return found.entries
    # YAML knows more line breaks than the line feed.
    lines = len((text.decode("latin-1") if isinstance(text, bytes) else text).splitlines()) + 1
    assert found.faults
    assert all(1 <= fault.line <= lines and fault.message for fault in found.faults)
    return None


def written(entries: CatalogueEntries) -> str:
    return yaml.safe_dump(msgspec.to_builtins(entries), allow_unicode=True, sort_keys=False)


@many
@given(
    st.text(max_size=80)
    | st.binary(max_size=80)
    | st.text("{}[]:,-?&*!|>'\"%@`#\n\t abc019\\xuU~.", max_size=80)
)
def test_any_text_is_refused_with_its_places(text: str | bytes) -> None:
    assert read(text) is None


def check(text: str) -> None:
    """The file is refused, or it says what its entries say when they are written out."""
    entries = read(text)
    if entries is not None:
        assert read(written(entries)) == entries


def test_a_hard_value_anywhere_is_refused_with_its_place_or_means_what_it_says() -> None:
    for number, hard in enumerate((*HARD, *(Raw(text) for text in RAW))):
        for changed in itertools.islice(replaced(tree(SAMPLE), hard), number % STEP, None, STEP):
            check(write(changed))


@quick
@given(mutated(SAMPLE))
def test_a_changed_file_is_refused_with_its_places_or_means_what_it_says(changed: Any) -> None:
    check(write(changed))


signs = st.sampled_from(" \n\t\u00a0\u2028\ufeff:#'\"-~|>&*!%@`{[,") | st.characters(
    exclude_categories=["Cc", "Cs"]
)
printable = st.text(signs, min_size=1, max_size=200).filter(str.strip)


@quick
@given(text=printable)
def test_an_editorial_text_is_taken_as_it_is_written(text: str) -> None:
    notices = {"nb": NoticeText(name="Navn", description=text)}
    purpose = msgspec.structs.replace(ENTRIES.purposes[0], notices=notices)
    asked = msgspec.structs.replace(ENTRIES, purposes=(purpose,))
    assert read(written(asked)) == asked


def laughs(levels: int) -> str:
    """Each name stands for ten of the one before: 10 to the power of `levels` texts, were they written out."""
    lines = ["a0: &a0 ha"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [2, 10, 100])
def test_references_do_not_multiply(levels: int) -> None:
    begun = time.perf_counter()
    with pytest.raises(CatalogueFaults) as refused:
        read_catalogue(laughs(levels), "file.yaml")
    assert any("References such as *a0 are not allowed" in fault.message for fault in refused.value.faults)
    assert len(refused.value.faults) < 13 * levels
    assert time.perf_counter() - begun < 5
