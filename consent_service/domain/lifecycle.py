"""The lifecycle of consent as data: (kind of bases, status, command) -> what happens (CORE 2).

Read a row as: standing in this status, each command leads to this cell. A letter is the status that the new record
leads to; the other cells are named in `Cell`. `docs/LIFECYCLE.md` is drawn from this table.
The principle: a person's own no (refused, withdrawn, objected) gives way only to their own request, grant, confirm,
objection or its lifting.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from consent_service.domain.errors import (
    ConsentError,
    NoLegalBasis,
    NotConsentBased,
    NotObjectable,
    NotWithdrawable,
)
from consent_service.domain.purposes import BasesKind
from consent_service.domain.values import Command, Status


class Cell(StrEnum):
    """What a command does where it does not simply lead to a status."""

    STANDING = "="
    """Nothing new was said: 200 and the standing record."""
    NOT_NOW = "9"
    """Makes no sense in this status: 409, and the possible commands are named."""
    ASK_AGAIN = "=a"
    """A request: standing for the requested version, a new request for another."""
    GIVE = "Gb"
    """A grant: given, unless the version demands a confirmation first (R10)."""
    RENEW = "=N"
    """A grant on a grant: standing within 24 hours for the same version and preferences, else renewed (R8)."""
    KEEP = "p"
    """Preferences alone: the status stays (R11)."""


#: What a table holds: the status a record leads to, a cell of its own, or the refusal that the bases demand (422).
Outcome = Status | Cell | type[ConsentError]

LETTERS: dict[str, Status] = {
    "U": Status.UNKNOWN,
    "Q": Status.REQUESTED,
    "D": Status.DEFERRED,
    "G": Status.GIVEN,
    "N": Status.RENEWED,
    "R": Status.REFUSED,
    "W": Status.WITHDRAWN,
    "V": Status.REVOKED,
    "X": Status.EXPIRED,
    "I": Status.INVALIDATED,
    "O": Status.OBJECTED,
}

COLUMNS: tuple[Command, ...] = (
    Command.REQUEST,
    Command.CONFIRM,
    Command.GRANT,
    Command.REFUSE,
    Command.DEFER,
    Command.WITHDRAW,
    Command.OBJECT,
    Command.LIFT_OBJECTION,
    Command.PREFER,
    Command.REVOKE,
    Command.INVALIDATE,
)

#: The full table, where consent and legitimate interests stand side by side; the other kinds are cut from it.
_ROWS = """
     request confirm grant  refuse defer withdraw object lift prefer revoke invalidate
U    Q       9       Gb     R      D     W        O      9    p      V      9
Q    =a      G       Gb     R      =     W        O      9    p      V      I
D    Q       9       Gb     R      =     W        O      9    p      V      =
G    =       =       =N     W      =     W        O      9    p      V      I
N    =       =       =N     W      =     W        O      9    p      V      I
R    Q       9       Gb     =      =     =        O      9    p      =      =
W    Q       9       Gb     =      =     =        O      9    p      =      =
V    Q       9       Gb     R      D     W        O      9    p      =      =
X    Q       9       Gb     R      D     W        O      9    p      V      =
I    Q       9       Gb     R      D     W        O      9    p      V      =
O    Q       9       Gb     =      =     =        =      U    p      =      =
"""

Row = dict[Command, Outcome]
Table = dict[Status, Row]


def _read_rows() -> Table:
    table: Table = {}
    for line in _ROWS.strip().splitlines()[1:]:
        letter, *cells = line.split()
        table[LETTERS[letter]] = {
            command: LETTERS[cell] if cell in LETTERS else Cell(cell)
            for command, cell in zip(COLUMNS, cells, strict=True)
        }
    return table


def _with(table: Table, changes: Mapping[Command, Outcome]) -> Table:
    return {status: {**row, **changes} for status, row in table.items()}


def _lift_only_from_objected(table: Table, elsewhere: Outcome) -> Table:
    return _with(table, {Command.LIFT_OBJECTION: elsewhere}) | {
        Status.OBJECTED: table[Status.OBJECTED] | {Command.LIFT_OBJECTION: Status.UNKNOWN}
    }


def _interests(table: Table) -> Table:
    """Legitimate interests among the bases, no consent: whatever stands can be objected to and the objection lifted."""
    objectable = _with(
        table,
        dict.fromkeys(_CONSENTING, NotConsentBased)
        | dict.fromkeys(_WITHDRAWING, NotWithdrawable)
        | {Command.OBJECT: Status.OBJECTED, Command.LIFT_OBJECTION: Status.UNKNOWN},
    )
    return objectable | {
        Status.UNKNOWN: objectable[Status.UNKNOWN] | {Command.LIFT_OBJECTION: Cell.NOT_NOW},
        Status.OBJECTED: objectable[Status.OBJECTED] | {Command.OBJECT: Cell.STANDING},
    }


_CONSENTING = (Command.REQUEST, Command.CONFIRM, Command.GRANT, Command.DEFER, Command.INVALIDATE)
_WITHDRAWING = (Command.WITHDRAW, Command.REFUSE, Command.REVOKE)

_full = _read_rows()
_consent = _lift_only_from_objected(_with(_full, {Command.OBJECT: NotObjectable}), NotObjectable)
_li = _interests(_full)
_other = _lift_only_from_objected(_with(_li, {Command.OBJECT: NotObjectable}), NotObjectable)
_none = _with(_consent, dict.fromkeys((Command.GRANT, Command.REQUEST, Command.CONFIRM), NoLegalBasis))

LIFECYCLE: dict[BasesKind, Table] = {
    BasesKind.CONSENT: _consent,
    BasesKind.CONSENT_INTERESTS: _full,
    BasesKind.INTERESTS: _li,
    BasesKind.OTHER: _other,
    BasesKind.OTHER_INTERESTS: _li,
    BasesKind.NONE: _none,
}

#: Refused on a retired purpose (409); the protective commands go on as the purpose's kind has them (CORE 2).
INTAKE: frozenset[Command] = frozenset(
    {
        Command.REQUEST,
        Command.CONFIRM,
        Command.GRANT,
        Command.DEFER,
        Command.PREFER,
        Command.LIFT_OBJECTION,
    }
)


def possible_commands(kind: BasesKind, status: Status, *, confirmation: bool) -> tuple[Command, ...]:
    """The commands that would lead to a new record here; `grant` is left out where a confirmation must come first."""
    return tuple(
        command
        for command, outcome in LIFECYCLE[kind][status].items()
        if not isinstance(outcome, type)
        and outcome not in (Cell.STANDING, Cell.NOT_NOW)
        and not (confirmation and outcome is Cell.GIVE)
    )
