"""Whatever is not known for sure is no: old news, clocks that jump, messages that nobody understands (R33)."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import msgspec
import pytest
from consent_client.errors import NotUnderstood
from consent_client.gate import Answer, GateReason
from consent_client.gate.intake import EpochBegan
from consent_client.gate.packing import pack, unpack
from consent_client.wire.reading import read_state

from consent_service.domain.changes import published
from consent_service.domain.values import Reason, Status
from consent_service.events.wire.encode import encode_no_purpose
from tests.builders import a_purpose, a_version, day
from tests.clients.gate.laid import LIMIT, PURPOSES, STATES, Gate, Laid, a_gate, laid
from tests.events.samples import ANNA, BERIT, GOLDEN, a_state

SECOND = timedelta(seconds=1)
NEWSLETTER = published(a_purpose(), ledger_epoch=1)
MAILING = published(
    msgspec.structs.replace(a_purpose(a_version(legal_bases="legitimate_interests")), slug="utsendelse"),
    ledger_epoch=1,
)
WITHDRAWN = a_state(sequence=3, status=Status.WITHDRAWN, allowed=False, reason=Reason.WITHDRAWN)


def why(gate: Gate, purpose: str = "nyhetsbrev") -> str:
    answer = gate.answer(ANNA, purpose)
    assert gate.allows(ANNA, purpose) == answer.allowed
    return str(answer.reason)


def test_R33_before_everything_is_read_and_every_group_was_heard_it_is_not_ready() -> None:
    gate = Gate()
    gate.reads(NEWSLETTER, a_state())
    gate.hears(day(0))
    assert why(gate) == "not_ready"
    gate = Gate()
    gate.reads(NEWSLETTER, a_state())
    gate.complete()
    gate.hears(day(0), groups=range(7))
    assert why(gate) == "not_ready"

    gate.hears(day(0), groups=[7])

    assert why(gate) == "given"


def test_R33_silence_longer_than_the_limit_is_no_and_the_next_word_heals_it() -> None:
    gate = a_gate(NEWSLETTER, a_state())
    gate.times.passes(LIMIT)
    assert gate.freshness == LIMIT
    assert why(gate) == "given"
    gate.times.passes(timedelta(microseconds=1))
    assert why(gate) == "out_of_touch"

    gate.hears(day(0) + LIMIT)

    assert why(gate) == "given"


def test_R33_one_group_that_is_behind_makes_all_old() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    gate.hears(day(0), groups=[5], oldest_unpublished=LIMIT + SECOND)

    assert why(gate) == "out_of_touch"
    assert gate.freshness == LIMIT + SECOND


def test_R33_a_group_whose_topics_are_being_filled_is_not_up_to_date() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    gate.hears(day(0), groups=[2], oldest_unpublished=day(0) - day(-20454))

    assert why(gate) == "out_of_touch"


def test_R33_silence_is_counted_by_the_steady_clock_when_the_other_is_set_back() -> None:
    gate = a_gate(NEWSLETTER, a_state())
    gate.times.passes(LIMIT + SECOND)

    gate.times.jumps(-LIMIT)

    assert why(gate) == "out_of_touch"


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(hours=-1)])
def test_R33_who_disagrees_with_the_service_about_the_time_is_out_of_touch_until_they_agree(
    by: timedelta,
) -> None:
    gate = a_gate(NEWSLETTER, a_state())

    gate.times.jumps(by)
    gate.hears(day(0))
    assert why(gate) == "out_of_touch"
    gate.times.jumps(-by)
    gate.hears(day(0))

    assert why(gate) == "given"


def test_R33_a_consent_that_has_ended_is_not_given_again_by_a_clock_that_is_set_back() -> None:
    gate = a_gate(NEWSLETTER, a_state(until=day(1)), out_of_touch_after=timedelta(days=30))
    gate.times.passes(timedelta(days=1) - timedelta(microseconds=1))
    assert gate.answer(ANNA, "nyhetsbrev").until == day(1)
    assert why(gate) == "given"
    gate.times.passes(timedelta(microseconds=1))
    assert why(gate) == "expired"

    gate.times.jumps(timedelta(days=-1))
    assert why(gate) == "expired"


def test_R33_time_goes_on_from_the_latest_moment_seen_while_a_clock_is_behind() -> None:
    gate = a_gate(NEWSLETTER, a_state(until=day(2)), out_of_touch_after=timedelta(days=30))
    gate.times.passes(timedelta(days=1))
    gate.times.jumps(timedelta(days=-1))
    assert why(gate) == "given"

    gate.times.passes(timedelta(days=1))

    assert why(gate) == "expired"


def test_R27_what_is_older_than_what_is_known_changes_nothing() -> None:
    gate = a_gate(NEWSLETTER, a_state(), WITHDRAWN)

    gate.reads(a_state(), a_state(sequence=2))
    assert why(gate) == "withdrawn"
    gate.reads(a_state(sequence=4))
    assert why(gate) == "given"


def test_R29_a_tombstone_leaves_the_default_and_takes_back_a_no_about_the_person() -> None:
    no = a_state(purpose=None, sequence=9, allowed=False, status=None)
    gate = a_gate(MAILING, NEWSLETTER, a_state(), no)
    assert not gate.allows(ANNA, "utsendelse")

    gate.reads(Laid(STATES, b"ansettr/%b" % str(ANNA).encode(), None))
    gate.reads(Laid(STATES, b"ansettr/%b/nyhetsbrev" % str(ANNA).encode(), None))

    assert gate.allows(ANNA, "utsendelse")
    assert why(gate) == "no_record"
    assert len(gate) == 0


def test_a_purpose_that_is_gone_or_was_not_named_is_unknown() -> None:
    gate = a_gate(NEWSLETTER, MAILING, a_state(), purposes=["nyhetsbrev"])
    assert why(gate, "utsendelse") == "unknown_purpose"
    assert why(gate) == "given"

    gone = encode_no_purpose("ansettr", "nyhetsbrev", "consent")
    gate.reads(Laid(PURPOSES, gone.key, gone.value, gone.headers))

    assert why(gate) == "unknown_purpose"


def test_states_and_purposes_of_another_controller_under_the_same_prefix_are_nothing_to_it() -> None:
    other = msgspec.structs.replace(NEWSLETTER, controller="backerskeie")

    gate = a_gate(other, a_state(controller="backerskeie"), MAILING)

    assert why(gate) == "unknown_purpose"
    assert len(gate) == 0


@pytest.mark.parametrize(
    "damaged",
    [
        {"value": b"\xff\xff"},
        {"value": b""},
        {"headers": ()},
        {"headers": (("ce_type", b"consent.state.v1"),)},
        {"value": laid(a_state(subject_id=BERIT)).value},
        {"value": laid(a_state(controller="backerskeie")).value},
        {"value": laid(a_state(purpose="other")).value},
        {"value": laid(a_state(purpose=None)).value},
        # Words of a later release: STATUS 99, REASON 99.
        {"value": (laid(a_state(sequence=2)).value or b"") + b"\x30\x63"},
        {"value": (laid(a_state(sequence=2)).value or b"") + b"\x3a\x02\x10\x63"},
    ],
)
def test_R33_a_state_that_is_not_understood_is_no_for_its_person_alone_until_the_next(
    damaged: dict[str, object],
) -> None:
    gate = a_gate(NEWSLETTER, a_state(), a_state(subject_id=BERIT))

    gate.reads(msgspec.structs.replace(laid(a_state()), **damaged))

    assert why(gate) == "not_understood"
    assert gate.allows(BERIT, "nyhetsbrev")
    gate.reads(a_state(sequence=3))
    assert why(gate) == "given"


def test_R33_a_word_about_a_purpose_under_the_key_of_the_whole_person_is_a_no_about_the_person() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    gate.reads(msgspec.structs.replace(laid(a_state()), key=b"ansettr/%b" % str(ANNA).encode()))

    assert why(gate) == "not_understood"


WRITTEN = str(ANNA)


@pytest.mark.parametrize(
    "subject",
    [
        WRITTEN.upper(),
        WRITTEN[:9] + WRITTEN[10:14] + "-" + WRITTEN[14:],
        "_".join(WRITTEN.rsplit("0", 1)),
        " ".join(WRITTEN.rsplit("0", 1)),
        "g" + WRITTEN[1:],
        "-" * 36,
    ],
)
def test_R33_what_is_told_of_no_subject_as_the_service_writes_it_allows_nobody(subject: str) -> None:
    gate, plain = a_gate(NEWSLETTER), laid(a_state())
    told = {"key": plain.key, "value": plain.value}
    told = {name: (was or b"").replace(WRITTEN.encode(), subject.encode()) for name, was in told.items()}
    assert told["value"] != plain.value

    with contextlib.suppress(NotUnderstood):
        gate.reads(msgspec.structs.replace(plain, **told))

    assert not any(unpack(packed).allowed for packed in _pairs(gate))


def test_R33_a_key_with_half_a_subject_stops_the_reading() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    with pytest.raises(NotUnderstood):
        gate.reads(
            msgspec.structs.replace(laid(a_state(purpose=None)), key=b"ansettr/%b" % WRITTEN[:30].encode())
        )


@pytest.mark.parametrize("text", ["", "anna", "0198f3a2-7c11-7000-8000-0000_000a11a", "0198f3a2", "g" * 32])
def test_what_is_no_subject_id_is_refused(text: str) -> None:
    gate = a_gate(NEWSLETTER, a_state())

    with pytest.raises(ValueError, match=r"is a UUID|invalid literal"):
        gate.allows(text, "nyhetsbrev")


def test_a_subject_id_may_be_written_in_any_way_that_names_it() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    assert gate.allows(str(ANNA).upper(), "nyhetsbrev") and gate.allows(ANNA.hex, "nyhetsbrev")


def test_R33_a_purpose_that_is_not_understood_is_no_until_the_next() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    gate.reads(msgspec.structs.replace(laid(NEWSLETTER), value=b"\xff"))
    assert why(gate) == "not_understood"
    gate.reads(NEWSLETTER)
    assert why(gate) == "given"


@pytest.mark.parametrize("topic", [STATES, PURPOSES])
@pytest.mark.parametrize("key", [None, b"junk"])
def test_R33_a_message_of_which_nobody_can_tell_what_it_is_about_stops_the_reading(
    topic: str, key: bytes | None
) -> None:
    gate = a_gate(NEWSLETTER, a_state())

    with pytest.raises(NotUnderstood):
        gate.reads(Laid(topic, key, b"junk"))


def test_messages_of_a_kind_that_is_none_of_the_gates_are_skipped() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    for topic in (STATES, PURPOSES):
        gate.reads(Laid(topic, b"junk", b"junk", (("ce_type", b"consent.other.v1"),)))

    assert why(gate) == "given"


def test_R31_a_higher_ledger_epoch_has_everything_read_anew() -> None:
    gate = a_gate(NEWSLETTER, a_state())

    with pytest.raises(EpochBegan):
        gate.hears(day(0), ledger_epoch=2)


def test_R31_what_was_told_in_an_earlier_epoch_is_no_until_it_is_told_anew() -> None:
    gate = Gate()
    no = a_state(purpose=None, subject_id=BERIT, status=None, allowed=False)
    gate.reads(NEWSLETTER, a_state(), MAILING, no)
    gate.hears(day(0))
    gate.hears(day(0), ledger_epoch=2)
    gate.hears(day(0), groups=[1])
    gate.complete()

    assert why(gate) == "outdated"
    gate.reads(msgspec.structs.replace(NEWSLETTER, ledger_epoch=2))
    assert why(gate) == "outdated"
    gate.reads(a_state(ledger_epoch=2))
    assert why(gate) == "given"
    assert gate.answer(BERIT, "nyhetsbrev") == Answer(False, GateReason.OUTDATED)
    assert not gate.allows(BERIT, "nyhetsbrev")
    assert why(gate, "utsendelse") == "outdated"


def test_R31_a_heartbeat_of_an_earlier_epoch_tells_nothing() -> None:
    gate = a_gate(msgspec.structs.replace(NEWSLETTER, ledger_epoch=2), a_state(ledger_epoch=2))

    assert why(gate) == "not_ready"


@pytest.mark.parametrize("name", [name for name, event, _ in GOLDEN if "state of" in name])
def test_what_is_read_quickly_is_what_is_read_carefully(name: str) -> None:
    state = next(event for told, event, _ in GOLDEN if told == name)
    message = laid(state)  # type: ignore[arg-type]
    quick, careful = Gate(), Gate()

    quick.reads(message)
    careful.reads(msgspec.structs.replace(message, headers=(*message.headers, ("other", b""))))

    [found] = [*quick.knowledge.memory.persons.values(), *_pairs(quick)]
    assert [*careful.knowledge.memory.persons.values(), *_pairs(careful)] == [found]
    assert pack(unpack(found)) == found
    told = read_state(message)
    assert told is not None
    known = unpack(found)
    assert (known.status, known.reason, known.allowed) == (told.status, told.reason, told.allowed)
    assert (known.version, known.until) == (told.standing_version, told.until)
    assert (known.sequence, known.epoch) == (told.sequence, told.ledger_epoch)


def _pairs(gate: Gate) -> list[int]:
    return [packed for one in gate.knowledge.memory.pursued.values() for packed in one.pairs.values()]
