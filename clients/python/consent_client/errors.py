"""Everything that this package raises by itself."""

from __future__ import annotations


class ConsentError(Exception):
    """The root of all others."""


class NotUnderstood(ConsentError):
    """A message or an answer is not one that this release understands; says why, without its content."""


class Unavailable(ConsentError):
    """The service or Kafka is away, full or slow, also after trying again; the cause says more."""


UNEXPLAINED = "unknown"


class Refused(ConsentError):
    """The service said no. `type` is the problem's slug (/problems/<slug>), `detail` what to do about it.

    Where it was no problem document that said so, `type` is UNEXPLAINED: nothing is known of what was asked for.
    """

    def __init__(self, status: int, type: str, detail: str, errors: tuple[tuple[str, str], ...] = ()) -> None:  # noqa: A002
        super().__init__(f"{status} {type}: {detail}")
        self.status = status
        self.type = type
        self.detail = detail
        self.errors = errors
        """(pointer, detail) of each bad field."""


class NoLongerKept(Refused):
    """The place is older than what the stream keeps, or of another stream: begin anew with `states()`."""


class Closed(ConsentError):
    """The client was closed before; make another."""
