"""What `consent-service keys` says of how it stands: which rows are under which key, and what follows from it."""

from __future__ import annotations

from consent_service.cli.events import count
from consent_service.usecases.key_survey import HASHES, LOOKUP_TABLES, SEALED_TABLES, SUPPRESSIONS, Survey
from consent_service.usecases.rotation import Fault


def is_wanting(survey: Survey) -> bool:
    """Whether a key is missing from the settings."""
    strangers = survey.strangers(LOOKUP_TABLES)
    return bool(
        survey.unopenable or survey.lost or any(survey.under((SUPPRESSIONS,), one) for one in strangers)
    )


def table(survey: Survey) -> list[str]:
    """Each key with the rows that are under it, those in use first, those that the settings do not name last."""
    lines: list[str] = []
    for title, tables, ids in (
        ("Look-up keys", LOOKUP_TABLES, survey.lookup_ids),
        ("Sealing keys", SEALED_TABLES, survey.sealing_ids),
    ):
        lines.append(title)
        notes = [(ids[0], "in use"), *((one, "") for one in ids[1:])]
        notes += [(one, "not in the settings") for one in survey.strangers(tables)]
        for key_id, note in notes:
            rows = [(name, survey.under((name,), key_id)) for name in tables]
            told = ", ".join(f"{number:,} {name}" for name, number in rows if number) or "nothing"
            lines.append(f"  {key_id + (note and f' ({note})'):<32} {told}")
    alive = [
        f"  {one.holder:<32} {' '.join(one.lookup_ids)} / {' '.join(one.sealing_ids)}"
        for one in survey.holders
    ]
    return [*lines, "Processes that are alive, and their keys", *(alive or ["  none"])]


def advice(survey: Survey) -> list[str]:
    """What is missing, what is to be done, and which keys the settings may do without."""
    lookup_id, sealing_id = survey.lookup_ids[0], survey.sealing_ids[0]
    said: list[str] = []
    if survey.unopenable:
        missing = " and ".join(survey.strangers(SEALED_TABLES))
        said.append(f"MISSING: bring back {missing}; nothing else opens {count(survey.unopenable, 'row')}.")
    if survey.lost:
        said.append(
            f"MISSING: {count(survey.lost, 'identifier')} found by no key of the settings. Bring the key back, or "
            "rotate: what can be opened is hashed anew."
        )
    for one in (*survey.strangers(LOOKUP_TABLES), *survey.lookup_ids[1:]):
        if suppressed := survey.under((SUPPRESSIONS,), one):
            word = "keep" if one in survey.lookup_ids else "MISSING: bring back"
            said.append(
                f"{word} {one}: {count(suppressed, 'suppression')} found by it alone, with no value to hash anew."
            )
    if survey.due:
        said.append(f"{count(survey.due, 'row')} to bring under {lookup_id} and {sealing_id}: `keys rotate`.")
    else:
        said.append(f"Everything is under {lookup_id} and {sealing_id}.")
    if survey.unaware:
        said.append(f"Before that, give {lookup_id} and {sealing_id} to: {', '.join(survey.unaware)}.")
    elif survey.behind:
        said.append(f"Rows come in under other keys from: {', '.join(survey.behind)}.")
    if survey.removable:
        said.append(f"May be removed from every process: {', '.join(survey.removable)}.")
    forgettable = [(one, survey.under((HASHES,), one)) for one in survey.strangers((HASHES,))]
    said += [f"`keys forget {one}` deletes its {count(rows, 'hash', 'hashes')}." for one, rows in forgettable]
    return said


def line_of(fault: Fault) -> str:
    """Controller, person and identifier, then why it could not be rotated."""
    identifier = f" identifier {fault.place.identifier_id}" if fault.place.identifier_id.int else ""
    return f"{fault.controller} {fault.place.subject_id}{identifier}: {fault.what} ({fault.detail})"
