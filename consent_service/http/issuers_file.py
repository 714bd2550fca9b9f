"""The issuers' file: a YAML list, read strictly, every fault told with its line and field (docs/OPERATIONS.md)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from consent_service.domain.durations import parse_duration
from consent_service.domain.errors import ConsentError, InvalidValue
from consent_service.domain.values import is_slug
from consent_service.http.documents import is_safe
from consent_service.http.issuers import Trust
from consent_service.usecases.strict_reading import FileFaults, read_strictly
from consent_service.usecases.strict_yaml import Fault

ISSUER_MAX = 1000


class Everything(StrEnum):
    ALL = "all"


class IssuerEntry(msgspec.Struct, frozen=True):
    """An item of the file, as it is written."""

    issuer: str
    controllers: tuple[str, ...] | Everything
    audience: str | None = None
    jwks: str | None = None
    token_age_max: str | None = None


def read_issuers(path: Path, *, audience: str, token_age_max_s: float | None) -> tuple[Trust, ...]:
    """What the file says, `audience` and `token_age_max_s` where an item says nothing. Raises FileFaults.

    A `jwks` path leads on from the file's folder.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FileFaults(str(path), [Fault(1, "", f"The file cannot be read: {error.strerror}.")]) from error
    entries, _ = read_strictly(text, str(path), tuple[IssuerEntry, ...], {IssuerEntry: _check})
    if not entries:
        raise FileFaults(str(path), [Fault(1, "", "The file names no issuer.")])
    return tuple(_trust(entry, path.parent, audience, token_age_max_s) for entry in entries)


def read_age(text: str) -> float:
    """An ISO 8601 duration in weeks, days, hours, minutes and seconds, as seconds. Raises ValueError."""
    duration = parse_duration(text)
    if duration.months:
        raise ValueError(f"an age counts in weeks, days, hours, minutes or seconds, not in months: {text!r}")
    if not duration.exact:
        raise ValueError(f"an age is more than nothing: {text!r}")
    return duration.exact.total_seconds()


def _check(entry: IssuerEntry) -> list[ConsentError]:
    return [InvalidValue(message, pointer=pointer) for pointer, message in _faults(entry)]


def _faults(entry: IssuerEntry) -> Iterator[tuple[str, str]]:
    if not 0 < len(entry.issuer) <= ISSUER_MAX or not entry.issuer.isprintable() or " " in entry.issuer:
        yield "/issuer", f"This must be the tokens' `iss`: 1 to {ISSUER_MAX} characters without blanks."
    elif entry.jwks is None and not _describes_itself(entry.issuer):
        yield (
            "/issuer",
            "Without `jwks` this must be an https URL without ? or #, where the issuer describes itself.",
        )
    if entry.audience == "":
        yield "/audience", "This is empty; leave it out to take what the settings say."
    yield from _controllers_faults(entry.controllers)
    if entry.jwks == "":
        yield "/jwks", "This is empty; leave it out to let the issuer say where its keys are."
    elif entry.jwks is not None and "://" in entry.jwks and not is_safe(entry.jwks):
        yield "/jwks", "This must be a path, or an https URL without a password."
    if entry.token_age_max is not None:
        try:
            read_age(entry.token_age_max)
        except ValueError as error:
            yield "/token_age_max", f"This is no age such as PT1H: {error}."


def _controllers_faults(controllers: tuple[str, ...] | Everything) -> Iterator[tuple[str, str]]:
    if controllers is Everything.ALL:
        return
    if not controllers:
        yield "/controllers", "This must name at least one controller, or be `all`."
    for number, controller in enumerate(controllers):
        if not is_slug(controller):
            yield f"/controllers/{number}", "A controller is named by lower-case letters, digits and hyphens."
        elif controller in controllers[:number]:
            yield f"/controllers/{number}", f"`{controller}` stands here twice."


def _describes_itself(issuer: str) -> bool:
    return is_safe(issuer) and "?" not in issuer and "#" not in issuer


def _trust(entry: IssuerEntry, folder: Path, audience: str, token_age_max_s: float | None) -> Trust:
    is_path = entry.jwks is not None and "://" not in entry.jwks
    return Trust(
        issuer=entry.issuer,
        audience=entry.audience or audience,
        controllers=None if entry.controllers is Everything.ALL else frozenset(entry.controllers),
        jwks=str(folder / entry.jwks) if is_path and entry.jwks else entry.jwks,
        token_age_max_s=read_age(entry.token_age_max) if entry.token_age_max else token_age_max_s,
    )
