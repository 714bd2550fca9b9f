"""What a catalogue may say: every fault of a purpose's content or a controller, with where it lies.

Faults of form (lengths, characters) are InvalidRequest, everything else is InvalidValue (CORE 12).
Pointers are RFC 6901, from the checked thing's own root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from consent_service.domain.catalogue import ControllerEntry, PurposeEntry, plain
from consent_service.domain.durations import parse_duration
from consent_service.domain.errors import ConsentError, InvalidRequest, InvalidValue, SeveralRefusals
from consent_service.domain.languages import is_language_tag
from consent_service.domain.purposes import Confirmation, NoticeText, PurposeContent, Recipient, Transfer
from consent_service.domain.values import Basis, is_code, is_slug

#: Characters a text may have; `description` and `name` are what a banner shows.
TEXT_MAX = 2_000
TEXT_MAX_OF = {"description": 5_000, "name": 200}
ITEMS_MAX = 500
DEPTH_MAX = 12

STATED = ("explicit", "policy_wide", "inferred")
RECONSENT_ON = ("purpose_change",)

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SHORT_COUNTRY = re.compile(r"[A-Z]{2}|.{3,}")
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_SAFE_INTEGER = 2**53
_NO_TIME = timedelta()

Faults = Iterator[ConsentError]


def raise_faults(faults: Sequence[ConsentError]) -> None:
    """Raise the only fault, or all of them together, those of form first; nothing where there is none."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise SeveralRefusals(sorted(faults, key=lambda fault: not isinstance(fault, InvalidRequest)))


def check_content(content: PurposeContent) -> list[ConsentError]:
    """Every fault of what a version says (R1, R2, R5, CORE 14, 15), those of form alone if there are any."""
    return list(check_form(content)) or [
        *_check_bases(content),
        *_check_durations(content),
        *_check_notices(content),
        *_check_preferences(content),
        *_check_recipients(content.recipients),
        *_check_transfers(content.transfers),
        *_check_lists(content),
    ]


def check_purpose(entry: PurposeEntry) -> list[ConsentError]:
    """Every fault of a purpose's entry in a catalogue file."""
    return [*slug_faults(entry.slug, "/slug"), *check_content(entry)]


def check_controller(entry: ControllerEntry) -> list[ConsentError]:
    """Every fault of a controller's entry (R6, CORE 15)."""
    return list(check_form(entry)) or [
        *_check_controller_texts(entry),
        *_check_recipients(entry.recipients),
        *_check_transfers(entry.transfers),
        *(
            fault
            for place, note in enumerate(entry.notes)
            for number, kept in enumerate(note.retention)
            for fault in _duration(kept.duration, f"/notes/{place}/retention/{number}/duration")
        ),
    ]


def check_form(value: msgspec.Struct) -> Faults:
    """Lengths, characters and depth of every text and list."""
    try:
        bare = plain(value)
    except RecursionError:
        # Only the facts have no fixed form, and so no fixed depth.
        return iter([InvalidRequest("This is nested too deeply.", pointer="/policy_facts")])
    return _form(bare, "", "", DEPTH_MAX)


def escape(key: str) -> str:
    """A key as a step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _form(value: Any, pointer: str, field: str, depth: int) -> Faults:
    if isinstance(value, str):
        longest = TEXT_MAX_OF.get(field, TEXT_MAX)
        if len(value) > longest:
            yield InvalidRequest(
                f"This text has {len(value)} characters; at most {longest} are allowed.", pointer=pointer
            )
        if _UNPRINTABLE.search(value):
            yield InvalidRequest("This text has a character that cannot be shown.", pointer=pointer)
    elif isinstance(value, dict | list):
        if depth == 0:
            yield InvalidRequest("This is nested too deeply.", pointer=pointer)
            return
        if len(value) > ITEMS_MAX:
            yield InvalidRequest(
                f"There are {len(value)} items; at most {ITEMS_MAX} are allowed.", pointer=pointer
            )
        if isinstance(value, list):
            for place, item in enumerate(value):
                yield from _form(item, f"{pointer}/{place}", field, depth - 1)
            return
        for key, item in value.items():
            yield from _form(key, pointer, "name", depth - 1)
            yield from _form(item, f"{pointer}/{escape(key)}", key, depth - 1)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) >= _SAFE_INTEGER):
        yield InvalidRequest("A number must be whole and below 2^53; write others as text.", pointer=pointer)


def _check_bases(content: PurposeContent) -> Faults:
    stated = {one.basis for one in content.stated_bases}
    reason = content.legal_bases_reason
    if stated and stated != set(content.legal_bases) and not (reason or "").strip():
        yield InvalidValue(
            "`legal_bases` are not the bases that the policy states (`stated_bases`): say why.",
            pointer="/legal_bases_reason",
        )
    elif reason is not None:
        yield from filled_faults(reason, "/legal_bases_reason")
    yield from unique_faults(content.legal_bases, "/legal_bases")
    for place, one in enumerate(content.stated_bases):
        if one.stated not in STATED:
            yield InvalidValue(
                f"Must be one of {', '.join(STATED)}.", pointer=f"/stated_bases/{place}/stated"
            )
    for name in ("withdrawable", "objectable"):
        right = getattr(content.stated_rights, name)
        if isinstance(right, str) and right != "implied":
            yield InvalidValue("Must be true, false, implied or null.", pointer=f"/stated_rights/{name}")
    if content.confirmation is Confirmation.DOUBLE_OPT_IN and Basis.CONSENT not in content.legal_bases:
        yield InvalidValue(
            "Only a consent can be confirmed: `consent` is not among the legal bases.",
            pointer="/confirmation",
        )


def _check_durations(content: PurposeContent) -> Faults:
    yield from _duration(content.confirm_within, "/confirm_within", positive=True)
    yield from _duration(content.renew_after, "/renew_after", positive=True)
    yield from _duration(content.ask_again_after.refused, "/ask_again_after/refused")
    yield from _duration(content.ask_again_after.deferred, "/ask_again_after/deferred")
    for place, kept in enumerate(content.retention):
        yield from _duration(kept.duration, f"/retention/{place}/duration")
        yield from filled_faults(kept.trigger, f"/retention/{place}/trigger")
    for place, cookie in enumerate(content.cookies):
        yield from filled_faults(cookie.name, f"/cookies/{place}/name")
        yield from filled_faults(cookie.provider, f"/cookies/{place}/provider")
        if cookie.lifetime != "session":
            yield from _duration(cookie.lifetime, f"/cookies/{place}/lifetime")


def _check_notices(content: PurposeContent) -> Faults:
    if Basis.CONSENT in content.legal_bases and not content.notices:
        yield InvalidValue(
            "A purpose that rests on consent needs a notice in at least one language.", pointer="/notices"
        )
    offered = {*content.preferences.channels, *content.preferences.topics, *content.preferences.frequencies}
    seen: set[str] = set()
    for language, notice in content.notices.items():
        if language.lower() in seen:
            yield InvalidValue("This language has a notice already.", pointer=f"/notices/{escape(language)}")
        seen.add(language.lower())
        yield from _check_notice(language, notice, offered)


def _check_notice(language: str, notice: NoticeText, offered: set[str]) -> Faults:
    pointer = f"/notices/{escape(language)}"
    if not is_language_tag(language):
        yield InvalidValue("Notices are named by language tags such as nb, nn, en or se.", pointer=pointer)
    yield from filled_faults(notice.name, f"{pointer}/name")
    yield from filled_faults(notice.description, f"{pointer}/description")
    for code, label in notice.labels.items():
        if code not in offered:
            yield InvalidValue(
                "This labels a code that `preferences` does not offer.",
                pointer=f"{pointer}/labels/{escape(code)}",
            )
        yield from filled_faults(label, f"{pointer}/labels/{escape(code)}")


def _check_preferences(content: PurposeContent) -> Faults:
    for name in ("channels", "topics", "frequencies"):
        codes: tuple[str, ...] = getattr(content.preferences, name)
        for place, code in enumerate(codes):
            if not is_code(code):
                yield InvalidValue(
                    "A code has 1 to 40 of a-z, 0-9 and -; what people read is its label in the notices.",
                    pointer=f"/preferences/{name}/{place}",
                )
        yield from unique_faults(codes, f"/preferences/{name}")


def _check_recipients(recipients: Sequence[Recipient]) -> Faults:
    yield from unique_faults([one.slug for one in recipients], "/recipients", "/slug")
    for place, one in enumerate(recipients):
        pointer = f"/recipients/{place}"
        yield from slug_faults(one.slug, f"{pointer}/slug")
        yield from filled_faults(one.name, f"{pointer}/name")
        yield from filled_faults(one.role, f"{pointer}/role")
        if one.country is not None:
            yield from _country(one.country, f"{pointer}/country")
        yield from _duration(one.deadline, f"{pointer}/deadline", positive=True)


def _check_transfers(transfers: Sequence[Transfer]) -> Faults:
    for place, one in enumerate(transfers):
        yield from _country(one.country, f"/transfers/{place}/country")


def _check_lists(content: PurposeContent) -> Faults:
    for name in ("data_categories", "data_subjects", "sources"):
        items: tuple[str, ...] = getattr(content, name)
        yield from unique_faults(items, f"/{name}")
        for place, item in enumerate(items):
            yield from filled_faults(item, f"/{name}/{place}")


def _check_controller_texts(entry: ControllerEntry) -> Faults:
    yield from slug_faults(entry.slug, "/slug")
    yield from filled_faults(entry.legal_name, "/legal_name")
    if entry.policy_date is not None:
        yield from _date(entry.policy_date, "/policy_date")
    if entry.reconsent_on is not None and entry.reconsent_on not in RECONSENT_ON:
        yield InvalidValue(f"Must be {' or '.join(RECONSENT_ON)}.", pointer="/reconsent_on")
    for place, contact in enumerate(entry.contacts):
        yield from filled_faults(contact.type, f"/contacts/{place}/type")
        yield from filled_faults(contact.value, f"/contacts/{place}/value")
    for place, note in enumerate(entry.notes):
        yield from filled_faults(note.topic, f"/notes/{place}/topic")
        yield from filled_faults(note.text, f"/notes/{place}/text")


def _duration(text: str | None, pointer: str, *, positive: bool = False) -> Faults:
    if text is None:
        return
    try:
        duration = parse_duration(text)
    except ValueError:
        yield InvalidValue(
            "Must be an ISO 8601 duration such as P3Y (years), P6M (months), P7D (days) or PT1H (hours).",
            pointer=pointer,
        )
        return
    if positive and duration.months == 0 and duration.exact == _NO_TIME:
        yield InvalidValue("Must be longer than no time at all.", pointer=pointer)


def _date(text: str, pointer: str) -> Faults:
    """A day, or only a month where the policy bears no more."""
    try:
        if _DATE.fullmatch(text) is None:
            raise ValueError(text)
        date.fromisoformat(f"{text}-01"[:10])
    except ValueError:
        yield InvalidValue("Must be a date such as 2026-01-31, or a month such as 2026-01.", pointer=pointer)


def _country(text: str, pointer: str) -> Faults:
    if _SHORT_COUNTRY.fullmatch(text.strip()) is None:
        yield InvalidValue(
            "Must be a country code of two capital letters such as NO, or an area in words.", pointer=pointer
        )


def slug_faults(text: str, pointer: str) -> Faults:
    if not is_slug(text):
        yield InvalidValue(
            "A slug has 1 to 64 of a-z, 0-9 and -, and does not begin with -.", pointer=pointer
        )


def filled_faults(text: str, pointer: str) -> Faults:
    if not text.strip():
        yield InvalidValue("This text is empty.", pointer=pointer)


def unique_faults(items: Iterable[str], pointer: str, inner: str = "") -> Faults:
    seen: set[str] = set()
    for place, item in enumerate(items):
        if item in seen:
            yield InvalidValue(f"`{item}` stands here twice.", pointer=f"{pointer}/{place}{inner}")
        seen.add(item)
