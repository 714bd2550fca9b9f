"""States and heartbeats read back: as they were, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from consent_service.domain.changes import ConsentState, Heartbeat
from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.domain.records import Preferences
from consent_service.domain.values import Reason, Status
from consent_service.events.wire.consume import read_state
from consent_service.events.wire.encode import encode_state
from consent_service.events.wire.heartbeats import is_heartbeat, read_heartbeat
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from tests.events.samples import (
    ANNA,
    GOLDEN,
    RECORD,
    Event,
    a_heartbeat,
    a_lost_state,
    a_merged_person,
    a_state,
)
from tests.events.wire import encoded, sent, tombstone, with_header, without_header

STATES = [case for case in GOLDEN if isinstance(case[1], ConsentState)]
HEARTBEATS = [case for case in GOLDEN if isinstance(case[1], Heartbeat)]

Read = Callable[[Any], Any]


def name_of(case: Any) -> str:
    return str(case[0])


def with_fields(event: Event, **fields: Any) -> Any:
    """Its message with other values in the protobuf than its headers and its key tell of."""
    message = encoded(event)
    value = getattr(pb, type(event).__name__).FromString(message.value)
    for name, told in fields.items():
        setattr(value, name, told)
    return sent(msgspec.structs.replace(message, value=value.SerializeToString()))


@pytest.mark.parametrize("case", STATES, ids=name_of)
def test_a_state_is_read_back_as_it_was(case: Any) -> None:
    assert read_state(sent(encoded(case[1]))) == case[1]


@pytest.mark.parametrize("case", HEARTBEATS, ids=name_of)
def test_R30_a_heartbeat_is_read_back_as_it_was(case: Any) -> None:
    assert read_heartbeat(sent(encoded(case[1]))) == case[1]


@pytest.mark.parametrize("group", range(SHARD_GROUPS))
def test_R30_every_group_has_a_voice_and_a_key_of_its_own(group: int) -> None:
    message = encoded(a_heartbeat(shard_group=group))

    assert message.key == f"heartbeat/{group}".encode()
    assert read_heartbeat(sent(message)).shard_group == group


def test_R30_of_all_messages_only_heartbeats_are_heartbeats() -> None:
    found = [case for case in GOLDEN if is_heartbeat(sent(encoded(case[1])))]

    assert found == HEARTBEATS != []
    assert not is_heartbeat(tombstone(encoded(a_state())))


def test_R27_the_headers_of_a_state_are_few() -> None:
    message = encode_state(a_state(), "hr.eu")

    assert dict(message.headers) == {
        "content-type": b"application/protobuf",
        "ce_specversion": b"1.0",
        "ce_id": f"{RECORD}/state".encode(),
        "ce_source": b"urn:consent-service:ansettr",
        "ce_type": b"consent.state.v1",
    }
    assert (message.topic, message.key) == ("hr.eu.state.v1", f"ansettr/{ANNA}/nyhetsbrev".encode())


def test_R26_a_state_lies_in_the_partition_of_its_subject_whatever_its_key() -> None:
    partitions = {encoded(state).partition(12) for state in (a_state(), a_merged_person())}

    assert partitions == {9}


def test_R29_a_state_about_the_whole_person_names_no_purpose_in_its_key() -> None:
    assert encoded(a_merged_person()).key == f"ansettr/{ANNA}".encode()


def test_a_state_without_a_record_has_an_id_of_its_own_in_each_epoch() -> None:
    lost = a_lost_state()
    ids = {
        dict(encoded(state).headers)["ce_id"].decode()
        for state in (lost, msgspec.structs.replace(lost, ledger_epoch=3))
    }

    assert ids == {f"{ANNA}/nyhetsbrev/2/state", f"{ANNA}/nyhetsbrev/3/state"}


def test_R29_a_tombstone_is_no_state() -> None:
    assert read_state(tombstone(encoded(a_state()))) is None


@pytest.mark.parametrize("status", Status)
def test_every_status_survives_the_wire(status: Status) -> None:
    assert read_state(sent(encoded(a_state(status=status)))) == a_state(status=status)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_survives_the_wire(reason: Reason) -> None:
    assert read_state(sent(encoded(a_state(reason=reason)))) == a_state(reason=reason)


def test_empty_preferences_are_not_absent_ones() -> None:
    state = a_state(preferences=Preferences())

    assert read_state(sent(encoded(state))) == state != a_state()


@pytest.mark.parametrize(("field", "number"), [("status", 99), ("reason", 99), ("reason", 0)])
def test_a_word_of_a_later_release_is_read_as_not_allowed(field: str, number: int) -> None:
    message = encoded(a_state())
    value = pb.ConsentState.FromString(message.value or b"")
    setattr(value.permission if field == "reason" else value, field, number)

    state = read_state(sent(msgspec.structs.replace(message, value=value.SerializeToString())))

    assert state is not None
    assert state.allowed is False
    assert getattr(state, field) is None


@pytest.mark.parametrize("oldest", ["0:00:00", "0:00:00.000001", "99 days, 0:00:00.999999"])
def test_R30_an_age_is_told_to_the_microsecond(oldest: str) -> None:
    days, _, clock = oldest.rpartition(" days, ")
    hours, minutes, seconds = clock.split(":")
    age = timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), microseconds=round(float(seconds) * 1e6)
    )

    assert read_heartbeat(sent(encoded(a_heartbeat(oldest_unpublished=age)))).oldest_unpublished == age


WRONG = """
state      content-type    application/json
state      ce_specversion  0.3
state      ce_type         consent.changed.v1
state      ce_type         consent.heartbeat.v1
state      ce_id           0198f3a2-7c12-7000-8000-000000000001
state      ce_source       urn:consent-service:coness
heartbeat  content-type    application/json
heartbeat  ce_specversion  0.3
heartbeat  ce_type         consent.state.v1
heartbeat  ce_id           heartbeat/4/20260102T000000.086400Z
heartbeat  ce_source       urn:consent-service:ansettr
"""
READERS: dict[str, tuple[Read, Event]] = {
    "state": (read_state, a_state()),
    "heartbeat": (read_heartbeat, a_heartbeat()),
}
REQUIRED = ("content-type", "ce_specversion", "ce_type", "ce_id", "ce_source")


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_a_header_that_does_not_fit_is_refused_by_name(line: str) -> None:
    kind, name, value = line.split()
    read, event = READERS[kind]

    with pytest.raises(NotUnderstood, match=f"header {name} does not fit"):
        read(with_header(encoded(event), name, value))


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("kind", READERS)
def test_a_header_that_is_missing_is_refused_by_name(kind: str, name: str) -> None:
    read, event = READERS[kind]

    with pytest.raises(NotUnderstood, match=f"header {name} is missing"):
        read(without_header(encoded(event), name))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("key", [b"x", str(ANNA).encode(), b"heartbeat/4", None])
def test_a_key_that_names_something_else_is_refused(kind: str, key: bytes | None) -> None:
    read, event = READERS[kind]
    message = encoded(event)

    with pytest.raises(NotUnderstood, match="the key does not name"):
        read(SimpleNamespace(key=key, value=message.value, headers=message.headers))


def test_the_key_of_another_purpose_or_of_the_person_is_refused() -> None:
    newsletter, person = encoded(a_state()), encoded(a_merged_person())

    for key, message in ((person.key, newsletter), (newsletter.key, person)):
        with pytest.raises(NotUnderstood, match="the key does not name"):
            read_state(SimpleNamespace(key=key, value=message.value, headers=message.headers))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("value", [b"\x00", b"\x1a\x03abc", b"\xff\xff"])
def test_a_value_that_is_something_else_is_refused(kind: str, value: bytes) -> None:
    read, event = READERS[kind]
    message = encoded(event)

    with pytest.raises(NotUnderstood, match=r"the value is no consent\.v1"):
        read(SimpleNamespace(key=message.key, value=value, headers=message.headers))


def test_values_that_protobuf_takes_and_time_does_not_are_refused() -> None:
    message = encoded(a_heartbeat())
    far = pb.Heartbeat.FromString(message.value or b"")
    far.at.seconds = 2**62
    long = pb.Heartbeat.FromString(message.value or b"")
    long.oldest_unpublished.seconds = 2**62
    for value in (far, long):
        with pytest.raises(NotUnderstood, match=r"no consent\.v1\.Heartbeat"):
            read_heartbeat(sent(msgspec.structs.replace(message, value=value.SerializeToString())))
    for fields in ({"subject_id": "anna"}, {"record_id": "1"}, {"merged_into": ""}):
        with pytest.raises(NotUnderstood, match=r"no consent\.v1\.ConsentState"):
            read_state(with_fields(a_state(), **fields))


def test_a_heartbeat_without_a_value_is_refused() -> None:
    message = encoded(a_heartbeat())

    with pytest.raises(NotUnderstood, match="no value"):
        read_heartbeat(SimpleNamespace(key=message.key, value=None, headers=message.headers))


def test_R30_shards_in_other_groups_than_ours_are_refused() -> None:
    with pytest.raises(NotUnderstood, match="other groups"):
        read_heartbeat(with_fields(a_heartbeat(), shard_groups=16))
