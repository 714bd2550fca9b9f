"""The purposes of one compacted topic laid beside the catalogue (R28, R31)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from consent_service.domain.changes import PurposePublished
from consent_service.events.checking.report import Fault, FaultKind, Report
from consent_service.events.wire.consume import read_purpose
from consent_service.events.wire.encode import encode
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.storage.outbox import Located, Pointer


class ComparedPurposes:
    """A purposes topic. First `reads` all of it, then `close` with what the catalogue has."""

    def __init__(self, topic: str, prefix: str, report: Report) -> None:
        self._topic = topic
        self._prefix = prefix
        self._report = report
        self._last: dict[str, Any] = {}

    def reads(self, message: Any, chosen: Collection[str] | None) -> None:
        """The next message that is no heartbeat; only the last under its key counts."""
        try:
            told = read_purpose(message)
        except NotUnderstood as error:
            self._fault(FaultKind.UNREADABLE, message, detail=str(error))
            return
        if chosen is None or told.controller in chosen:
            self._last[f"{told.controller}/{told.purpose}"] = message

    def close(
        self,
        standing: Mapping[Pointer, Located],
        *,
        waiting: Collection[tuple[str, str]],
        being_filled: bool,
        known_now: Collection[str],
    ) -> None:
        """`standing`: the latest versions before the topic was read; `waiting`: controllers and purposes of which
        something is in the outbox; `known_now`: the keys of all purposes that there are afterwards."""
        for pointer, located in standing.items():
            key = f"{pointer.controller}/{pointer.purpose}"
            event = located.event
            assert isinstance(event, PurposePublished)
            fault = self._compare(self._last.get(key), event)
            if fault is None:
                continue
            if (event.controller, event.purpose) in waiting:
                self._report.waiting_purposes += 1
            elif being_filled:
                self._report.being_filled += 1
            else:
                self._fault(fault, self._last.get(key), event.controller, event.purpose)
        for key, message in self._last.items():
            if message.value is not None and key not in known_now:
                self._fault(FaultKind.UNKNOWN_PURPOSE, message, *key.split("/"))

    def _compare(self, message: Any, event: PurposePublished) -> FaultKind | None:
        """What is wrong, if anything. A later version than the one expected was published meanwhile."""
        if message is None or message.value is None:
            return FaultKind.MISSING_PURPOSE
        told = _parsed(message.value)
        if told.version > event.version and told.ledger_epoch == event.ledger_epoch:
            return None
        if (told.version, told.ledger_epoch) != (event.version, event.ledger_epoch):
            return FaultKind.STALE_PURPOSE
        expected = _parsed(encode(event, self._prefix).value or b"")
        return None if told == expected else FaultKind.DIFFERENT_PURPOSE

    def _fault(
        self,
        kind: FaultKind,
        message: Any,
        controller: str | None = None,
        purpose: str | None = None,
        detail: str = "",
    ) -> None:
        self._report.tell(
            Fault(
                kind=kind,
                topic=self._topic,
                controller=controller,
                purpose=purpose,
                partition=None if message is None else message.partition,
                offset=None if message is None else message.offset,
                detail=detail,
            )
        )


def _parsed(value: bytes) -> pb.PurposePublished:
    """Whether it was told again is no difference."""
    message = pb.PurposePublished()
    message.ParseFromString(value)
    message.replayed = False
    return message
