"""Random histories: commands with random times, versions published along the way, and the service's own sweep.

Times fall on half days, so that endings, changes and facts often meet at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from consent_service.domain.errors import ConsentError
from consent_service.domain.purposes import PurposeVersion
from consent_service.domain.records import Claim, Preferences, Verdict
from consent_service.domain.values import CALLER_COMMANDS, Cause, Channel, Command, Status
from tests.builders import MOMENT, Pair, a_claim, a_purpose, a_version, an_id, day

BASES = (
    "consent",
    "consent legitimate_interests",
    "legitimate_interests",
    "contract",
    "contract legitimate_interests",
    "",
)
CHANNELS = tuple(channel for channel in Channel if channel is not Channel.SYSTEM)


@dataclass(frozen=True)
class Say:
    """`older` counts back from the current version (one to come where negative), `back` half days from now."""

    wait: int
    command: Command
    channel: Channel
    older: int | None
    back: int | None
    evidence: bool
    topic: str | None


@dataclass(frozen=True)
class Publish:
    wait: int
    material: bool
    bases: str
    double_opt_in: bool
    retired: bool
    renew_after: int | None
    delay: int


@dataclass(frozen=True)
class Sweep:
    wait: int


Step = Say | Publish | Sweep
waits = st.sampled_from((0, 0, 1, 1, 1, 2, 2, 3, 7, 20))
bases = st.sampled_from((*[BASES[0]] * 6, *[BASES[1]] * 6, *BASES[2:]))
commands = st.sampled_from(
    (*[Command.GRANT] * 6, *[Command.REQUEST, Command.CONFIRM, Command.PREFER] * 2, *CALLER_COMMANDS)
)
sayings = st.builds(
    Say,
    wait=waits,
    command=commands,
    channel=st.sampled_from(CHANNELS),
    older=st.sampled_from((0, 0, 0, 0, 0, 0, 1, 2, -1, None)),
    back=st.sampled_from((None, None, None, -1, 0, 1, 2, 3, 4, 5, 9, 24)),
    evidence=st.sampled_from((True, True, True, True, True, False)),
    topic=st.sampled_from((None, None, None, None, "jobs", "news", "news", "cars")),
)
publications = st.builds(
    Publish,
    wait=waits,
    material=st.booleans(),
    bases=bases,
    double_opt_in=st.sampled_from((False, False, False, True)),
    retired=st.sampled_from((False, False, False, True)),
    renew_after=st.sampled_from((None, 2, 5, 10)),
    delay=st.sampled_from((0, 0, 1, 4, 20)),
)
sweeps = st.builds(Sweep, wait=waits)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind = draw(st.integers(0, 11))
    return draw(sayings) if kind < 10 else draw(publications) if kind == 10 else draw(sweeps)


histories = st.tuples(
    publications, st.lists(steps(), min_size=1, max_size=9) | st.lists(steps(), min_size=12)
)


class Play:
    """One history as it happens. `said` and `published` tell what the last step was."""

    def __init__(self, first: Publish) -> None:
        self.half_days = 0
        self.now = day(0)
        self.pair = Pair(a_purpose(self._version(1, replace(first, delay=-2000, retired=False))))
        self.refusal: ConsentError | None = None
        self.verdict: Verdict | None = None
        self.said: Claim | None = None
        self.published: PurposeVersion | None = None

    def takes(self, step: Step) -> None:
        """The step's command may be refused: then `refusal` holds why."""
        self.half_days += step.wait
        self.now = max(self.now + MOMENT, self._moment(0))
        self.refusal = self.verdict = self.said = self.published = None
        if isinstance(step, Publish):
            self._publish(step)
        elif isinstance(step, Sweep):
            self._sweep()
        else:
            self._say(step)

    def _moment(self, half_days: int) -> datetime:
        return day((self.half_days + half_days) / 2)

    def _version(self, number: int, step: Publish) -> PurposeVersion:
        return a_version(
            number,
            change="material" if step.material else "editorial",
            legal_bases=step.bases,
            double_opt_in=step.double_opt_in,
            retired=step.retired,
            renew_after=f"P{step.renew_after}D" if step.renew_after else None,
            confirm_within="P3D",
            effective_from=max(self.now, self._moment(step.delay)) if step.delay >= 0 else day(-1000),
        )

    def _publish(self, step: Publish) -> None:
        """Other bases cannot be published as editorial, and no version begins before its predecessor (R4, CORE 5)."""
        versions = self.pair.purpose.versions
        made = self._version(len(versions) + 1, step)
        if made.content.legal_bases != versions[-1].content.legal_bases:
            made = self._version(len(versions) + 1, replace(step, material=True))
        if made.effective_from >= versions[-1].effective_from:
            self.published = made
            self.pair.purpose = a_purpose(*versions, made)

    def _say(self, step: Say) -> None:
        purpose = self.pair.purpose
        wanted = purpose.current(self.now).number - (step.older or 0)
        version = None if step.older is None else max(1, min(wanted, len(purpose.versions)))
        self._judge(
            step.command,
            channel=step.channel,
            version=version,
            occurred_at=None if step.back is None else self._moment(-step.back),
            has_evidence=step.evidence,
            has_authority=step.evidence,
            preferences=None if step.topic is None else Preferences(topics=(step.topic,)),
        )

    def _sweep(self) -> None:
        """What the sweeper does: write down a consent that time or a new version has ended (CORE 2, 4)."""
        state, reads = self.pair.state, self.pair.reads(self.now)
        if state is None or state.status is reads.status:
            return
        expired = reads.status is Status.EXPIRED
        self._judge(
            Command.EXPIRE if expired else Command.INVALIDATE,
            channel=Channel.SYSTEM,
            occurred_at=reads.since,
            cause=None if expired else Cause.PURPOSE_CHANGED,
            has_authority=False,
        )

    def _judge(self, command: Command, **fields: Any) -> None:
        sequence = len(self.pair.facts) + 1
        self.said = a_claim(command, self.now, record_id=an_id(sequence), sequence=sequence, **fields)
        try:
            self.verdict = self.pair.hears(self.said)
        except ConsentError as refusal:
            self.refusal = refusal


A_WHILE = tuple(timedelta(days=days) for days in (0, 0.5, 3, 11))
