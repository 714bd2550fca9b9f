"""What stores on disk keep as bytes."""

from __future__ import annotations

import msgspec

from consent_client.model import Acknowledgement
from consent_client.recipient.store import Settled, Told

_told = msgspec.msgpack.Decoder(Told)
_word = msgspec.msgpack.Decoder(Acknowledgement | None)


def pack(content: Told | Acknowledgement | None) -> bytes:
    return msgspec.msgpack.encode(content)


def read_told(packed: bytes) -> Told:
    return _told.decode(packed)


def made_act(
    subject: str, purpose: str, partition: int, ledger_epoch: int, sequence: int, word: bytes
) -> Settled:
    """A row of the table `settled`."""
    return Settled(
        subject=subject,
        purpose=purpose,
        partition=partition,
        ledger_epoch=ledger_epoch,
        sequence=sequence,
        word=_word.decode(word),
    )
