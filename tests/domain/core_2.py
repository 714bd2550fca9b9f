"""CORE 2 as text, one table a kind of bases, and the ways of standing in each of its statuses on day 50."""

from __future__ import annotations

import msgspec

from consent_service.domain.purposes import Purpose
from consent_service.domain.records import State
from consent_service.domain.values import Command, Status
from tests.builders import a_purpose, a_state, a_version, an_id, day

NOW = day(50)
LETTERS = dict(zip("UQDGNRWVXIO", Status, strict=True))
COLUMNS = [
    "request",
    "confirm",
    "grant",
    "refuse",
    "defer",
    "withdraw",
    "object",
    "lift-objection",
    "prefer",
    "revoke",
    "invalidate",
]

BASES = {
    "consent": "consent",
    "consent+li": "consent legitimate_interests",
    "li": "legitimate_interests",
    "other": "contract",
    "other+li": "legal_obligation legitimate_interests",
    "none": "",
}

#: `=` 200 standing, `9` 409 not-possible-now, `=a` 200 or, for another version than the requested, Q anew,
#: `=N` 200 or renewed (R8). 422: `c` not-consent-based, `w` not-withdrawable, `o` not-objectable, `l` no-legal-basis.
CORE_2 = {
    "consent": """
        request confirm grant refuse defer withdraw object lift prefer revoke invalidate
    U   Q       9       G     R      D     W        o      o    U      V      9
    Q   =a      G       G     R      =     W        o      o    Q      V      I
    D   Q       9       G     R      =     W        o      o    D      V      =
    G   =       =       =N    W      =     W        o      o    G      V      I
    N   =       =       =N    W      =     W        o      o    N      V      I
    R   Q       9       G     =      =     =        o      o    R      =      =
    W   Q       9       G     =      =     =        o      o    W      =      =
    V   Q       9       G     R      D     W        o      o    V      =      =
    X   Q       9       G     R      D     W        o      o    X      V      =
    I   Q       9       G     R      D     W        o      o    I      V      =
    O   Q       9       G     =      =     =        o      U    O      =      =
    """,
    "consent+li": """
        request confirm grant refuse defer withdraw object lift prefer revoke invalidate
    U   Q       9       G     R      D     W        O      9    U      V      9
    Q   =a      G       G     R      =     W        O      9    Q      V      I
    D   Q       9       G     R      =     W        O      9    D      V      =
    G   =       =       =N    W      =     W        O      9    G      V      I
    N   =       =       =N    W      =     W        O      9    N      V      I
    R   Q       9       G     =      =     =        O      9    R      =      =
    W   Q       9       G     =      =     =        O      9    W      =      =
    V   Q       9       G     R      D     W        O      9    V      =      =
    X   Q       9       G     R      D     W        O      9    X      V      =
    I   Q       9       G     R      D     W        O      9    I      V      =
    O   Q       9       G     =      =     =        =      U    O      =      =
    """,
    "li": """
        request confirm grant refuse defer withdraw object lift prefer revoke invalidate
    U   c       c       c     w      c     w        O      9    U      w      c
    Q   c       c       c     w      c     w        O      U    Q      w      c
    D   c       c       c     w      c     w        O      U    D      w      c
    G   c       c       c     w      c     w        O      U    G      w      c
    N   c       c       c     w      c     w        O      U    N      w      c
    R   c       c       c     w      c     w        O      U    R      w      c
    W   c       c       c     w      c     w        O      U    W      w      c
    V   c       c       c     w      c     w        O      U    V      w      c
    X   c       c       c     w      c     w        O      U    X      w      c
    I   c       c       c     w      c     w        O      U    I      w      c
    O   c       c       c     w      c     w        =      U    O      w      c
    """,
    "other": """
        request confirm grant refuse defer withdraw object lift prefer revoke invalidate
    U   c       c       c     w      c     w        o      o    U      w      c
    Q   c       c       c     w      c     w        o      o    Q      w      c
    D   c       c       c     w      c     w        o      o    D      w      c
    G   c       c       c     w      c     w        o      o    G      w      c
    N   c       c       c     w      c     w        o      o    N      w      c
    R   c       c       c     w      c     w        o      o    R      w      c
    W   c       c       c     w      c     w        o      o    W      w      c
    V   c       c       c     w      c     w        o      o    V      w      c
    X   c       c       c     w      c     w        o      o    X      w      c
    I   c       c       c     w      c     w        o      o    I      w      c
    O   c       c       c     w      c     w        o      U    O      w      c
    """,
    "none": """
        request confirm grant refuse defer withdraw object lift prefer revoke invalidate
    U   l       l       l     R      D     W        o      o    U      V      9
    Q   l       l       l     R      =     W        o      o    Q      V      I
    D   l       l       l     R      =     W        o      o    D      V      =
    G   l       l       l     W      =     W        o      o    G      V      I
    N   l       l       l     W      =     W        o      o    N      V      I
    R   l       l       l     =      =     =        o      o    R      =      =
    W   l       l       l     =      =     =        o      o    W      =      =
    V   l       l       l     R      D     W        o      o    V      =      =
    X   l       l       l     R      D     W        o      o    X      V      =
    I   l       l       l     R      D     W        o      o    I      V      =
    O   l       l       l     =      =     =        o      U    O      =      =
    """,
}
CORE_2["other+li"] = CORE_2["li"]
INTAKE = {"request", "confirm", "grant", "defer", "prefer", "lift-objection"}
REFUSALS = {
    "not-consent-based": "c",
    "not-withdrawable": "w",
    "not-objectable": "o",
    "no-legal-basis": "l",
    "not-possible-now": "9",
}
Cells = dict[str, dict[str, str]]
Situation = tuple[State | None, Purpose]


def cells(kind: str) -> Cells:
    rows = [line.split() for line in CORE_2[kind].strip().splitlines()[1:]]
    return {letter: dict(zip(COLUMNS, cell, strict=True)) for letter, *cell in rows}


def version_1_and_an_edited_2(kind: str, *, retired: bool = False, overtaken: bool = False) -> Purpose:
    first = a_version(1, legal_bases=BASES[kind])
    second = a_version(
        2,
        legal_bases=BASES[kind],
        change="material" if overtaken else "editorial",
        effective_from=day(40),
        retired=retired,
    )
    return a_purpose(first, second)


def situations(kind: str, letter: str, *, retired: bool = False) -> dict[str, Situation]:
    """All the ways of standing in that status on day 50, for version 1."""
    status = LETTERS[letter]
    edited = version_1_and_an_edited_2(kind, retired=retired)
    overtaken = version_1_and_an_edited_2(kind, retired=retired, overtaken=True)
    until = day(60) if letter in "QGN" else None
    stored = a_state(status, day(10), until=until, command=Command.REQUEST)
    if letter == "U":
        preferring = msgspec.structs.replace(
            stored, command=Command.PREFER, record_id=None, since=None, preferences_record_id=an_id(1000)
        )
        return {"no record": (None, edited), "preferences alone": (preferring, edited)}
    ways: dict[str, Situation] = {"stored": (stored, edited)}
    for name in ("requested", "given", "renewed"):
        if letter == "X":
            ways[f"{name}, passed"] = (a_state(name, day(10), until=day(45)), edited)
        if letter == "I":
            ways[f"{name}, overtaken"] = (a_state(name, day(10), until=day(60)), overtaken)
    return ways


def every_situation() -> list[tuple[str, str, str]]:
    return [(kind, letter, way) for kind in BASES for letter in LETTERS for way in situations(kind, letter)]
