"""Random stories: what callers send one after the other, about a few purposes and persons, while time goes on.

Times fall on the same few hours, so that endings, changes and facts often meet at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

#: What each purpose rests on at the beginning, whether it demands double opt-in, and the days until renewal.
PURPOSES: dict[str, tuple[frozenset[str], bool, int | None]] = {
    "newsletter": (frozenset({"consent"}), False, 5),
    "invitations": (frozenset({"consent"}), True, 10),
    "profiling": (frozenset({"consent", "legitimate_interests"}), False, 2),
    "statistics": (frozenset({"legitimate_interests"}), False, None),
    "payroll": (frozenset({"contract"}), False, None),
    "support": (frozenset({"contract", "legitimate_interests"}), False, None),
    "pixel": (frozenset(), False, None),
}
#: A purpose that is there once it is published.
COMING = "webinars"
BASES = tuple(bases for bases, _, _ in PURPOSES.values())
COMMANDS = (
    "request", "confirm", "grant", "refuse", "defer", "withdraw", "object", "lift-objection", "prefer", "revoke",
    "invalidate",
)  # fmt: skip
CHANNELS = ("api", "web", "email", "phone", "paper", "import")
PERSONS = 3


@dataclass(frozen=True)
class Saying:
    """One command. `purpose` is a place among the story's.

    `older` counts back from the current version (one to come where negative), `back` hours from now.
    """

    purpose: int
    command: str
    channel: str
    older: int | None
    back: float | None
    evidence: bool
    topic: str | None


@dataclass(frozen=True)
class Say:
    wait: int
    person: int
    saying: Saying
    key: str | None


@dataclass(frozen=True)
class Decide:
    wait: int
    person: int
    by_identifier: bool
    sayings: list[Saying]
    key: str | None


@dataclass(frozen=True)
class Repeat:
    """Send once more what came with an idempotency key, counted back."""

    wait: int
    older: int


@dataclass(frozen=True)
class Publish:
    """What is None stays as the latest version has it. `delay` in hours; `if_match` counts back from the latest."""

    wait: int
    purpose: int
    change: str | None
    bases: frozenset[str] | None
    double: bool | None
    retired: bool | None
    renew_days: int | None
    delay: int | None
    if_match: int | None


@dataclass(frozen=True)
class Look:
    """Read something, now or `as_of`: a moment of the story, counted back, a microsecond earlier if `just_before`;
    -1 is one to come, -2 one before everything."""

    wait: int
    person: int
    what: str
    purpose: int
    as_of: int | None
    just_before: bool
    limit: int


Step = Say | Decide | Repeat | Publish | Look


@dataclass(frozen=True)
class Story:
    purposes: tuple[str, ...]
    steps: list[Step]


waits = st.sampled_from((0, 0, 0, 1, 12, 12, 12, 24, 24, 36, 72, 240))
persons = st.sampled_from((*[0] * 7, 1, 1, 2))
places = st.sampled_from((*[0] * 8, 1, 1, 2))
keys = st.sampled_from((*[None] * 8, "a", "b"))
sayings = st.builds(
    Saying,
    purpose=places,
    command=st.sampled_from(
        (*COMMANDS, *["grant"] * 7, *["request", "confirm", "withdraw", "object", "lift-objection"])
    ),
    channel=st.sampled_from(CHANNELS),
    older=st.sampled_from((*[0] * 11, 1, 2, -1, None, None)),
    back=st.sampled_from((*[None] * 9, -1, -0.05, 0, 12, 24, 36, 48, 60, 108, 288)),
    evidence=st.sampled_from((True, True, True, True, False)),
    topic=st.sampled_from((*[None] * 6, "jobs", "news", "news", "cars")),
)
says = st.builds(Say, wait=waits, person=persons, saying=sayings, key=keys)
decides = st.builds(
    Decide,
    wait=waits,
    person=persons,
    by_identifier=st.booleans(),
    sayings=st.lists(sayings, min_size=1, max_size=3, unique_by=lambda saying: saying.purpose),
    key=keys,
)
repeats = st.builds(Repeat, wait=waits, older=st.sampled_from((0, 0, 1, 2)))
publishes = st.builds(
    Publish,
    wait=waits,
    purpose=places,
    change=st.sampled_from(("material", "material", "material", "editorial", "editorial", None)),
    bases=st.sampled_from((*[None] * 9, *BASES)),
    double=st.sampled_from((*[None] * 6, True, False)),
    retired=st.sampled_from((*[None] * 6, True, False, False)),
    renew_days=st.sampled_from((None, 2, 5, 10)),
    delay=st.sampled_from((None, None, None, -12, 0, 12, 48, 240)),
    if_match=st.sampled_from((None, None, None, 0, 1)),
)
looks = st.builds(
    Look,
    wait=waits,
    person=persons,
    what=st.sampled_from(("permission", "permissions", "subject", "history", "record", "purpose")),
    purpose=places,
    as_of=st.sampled_from((None, None, 0, 1, 2, 3, 5, 8, -1, -2)),
    just_before=st.booleans(),
    limit=st.integers(1, 4),
)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind = draw(st.integers(0, 19))
    if kind < 10:
        return draw(says)
    if kind < 13:
        return draw(decides)
    return draw(publishes) if kind < 15 else draw(repeats) if kind == 15 else draw(looks)


consenting = st.sampled_from(("newsletter", "newsletter", "invitations", "profiling"))
others = st.sampled_from(("statistics", "payroll", "support", "pixel", COMING))
stories = st.builds(
    Story,
    purposes=st.tuples(consenting, others, others).filter(lambda names: names[1] != names[2]),
    steps=st.lists(steps(), min_size=1, max_size=9)
    | st.lists(steps(), min_size=30)
    | st.lists(steps(), min_size=60, max_size=80),
)
