"""What the sweeper looks for: states that have ended by themselves, or soon will (R4, R17, CORE 4).

As role consent_sweeper. Every page begins behind the last row of the page before, so that what could not be done now
never stands in the way of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from consent_service.domain.records import State, SubjectFlags
from consent_service.storage.database import Connection
from consent_service.storage.states import state_from
from consent_service.storage.subjects import flags_from

#: No more rows than this are looked at to count what waits.
COUNTED_MAX = 100_000


class Place(msgspec.Struct, frozen=True):
    """Where a page in the order of `until` has ended."""

    until: datetime
    subject_id: UUID
    purpose: str


#: Before every row.
BEGINNING = Place(datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), "")


class Ending(msgspec.Struct, frozen=True):
    """A state that ends by itself at `place.until`."""

    controller: str
    place: Place
    state: State
    flags: SubjectFlags
    shard: int


class Sweep(msgspec.Struct, frozen=True):
    """How far the sweep after a material change has come. `left_behind` counts whom the present walk passed over.

    `key` is its controller, purpose and version.
    """

    key: tuple[str, str, int]
    started_at: datetime
    walk_began_at: datetime
    upto_subject: UUID
    left_behind: int
    swept: int
    finished_at: datetime | None

    @property
    def walk(self) -> tuple[str, str, int, datetime]:
        """What names the present walk."""
        return *self.key, self.walk_began_at


_CONTROLLERS = "select controller_names()"

_ENDED = """
    select controller, until, subject_id, purpose
    from states
    where until is not null
      and (until, subject_id, purpose) > ($1, $2, $3)
      and until <= $4
    order by until, subject_id, purpose
    limit $5
"""

_COUNT_ENDED = """
    select count(*)
    from (select 1 from states where until is not null and until <= $1 order by until limit $2) as ended
"""

_ENDING = """
    select states.controller, states.until, states.subject_id, states.purpose, subjects.erased_at,
           subjects.suppressed_at, subjects.restricted_at, subjects.shard, states.status, states.command,
           states.version, states.record_id, states.since, states.until, states.effective_at, states.preferences,
           states.preferences_record_id
    from states
    join subjects
        on subjects.controller = states.controller
       and subjects.subject_id = states.subject_id
    where states.until is not null
      and (states.until, states.subject_id, states.purpose) > ($1, $2, $3)
      and states.until <= $4
    order by states.until, states.subject_id, states.purpose
    limit $5
"""

# Of every subject with this purpose, so that a page is bounded by what it looks at, not by what it finds.
_WALK = """
    select subject_id, status in ('given', 'renewed', 'requested') and version < $4 as overtaken
    from states
    where controller = $1
      and purpose = $2
      and subject_id > $3
    order by subject_id
    limit $5
"""

_COUNT_OVERTAKEN = """
    select count(*) filter (where overtaken)
    from (
        select status in ('given', 'renewed', 'requested') and version < $4 as overtaken
        from states
        where controller = $1
          and purpose = $2
          and subject_id > $3
        order by subject_id
        limit $5) as walked
"""

_BEGIN_SWEEP = """
    insert into sweeps (controller, purpose, version, started_at, walk_began_at)
    values ($1, $2, $3, $4, $4)
    on conflict (controller, purpose, version) do nothing
"""

# What a later change overtakes as well is swept with it.
_END_EARLIER = """
    update sweeps
    set finished_at = $4
    where controller = $1
      and purpose = $2
      and version < $3
      and finished_at is null
"""

_READ_SWEEP = """
    select started_at, walk_began_at, upto_subject, left_behind, swept, finished_at
    from sweeps
    where controller = $1
      and purpose = $2
      and version = $3
"""

# A sweeper that was held up may come back when another is at the next walk already: only its own walk is its concern.
_ADVANCE = """
    update sweeps
    set upto_subject = greatest(upto_subject, $5),
        left_behind = left_behind + $6,
        swept = swept + $7
    where controller = $1
      and purpose = $2
      and version = $3
      and walk_began_at = $4
"""

_WALK_AGAIN = """
    update sweeps
    set upto_subject = '00000000-0000-0000-0000-000000000000',
        left_behind = 0,
        walk_began_at = $5
    where controller = $1
      and purpose = $2
      and version = $3
      and walk_began_at = $4
"""

_FINISH = """
    update sweeps
    set finished_at = $5
    where controller = $1
      and purpose = $2
      and version = $3
      and walk_began_at = $4
      and left_behind = 0
    returning version
"""

_TAKE_LEASE = """
    update sweeper_lease
    set holder = $1,
        expires_at = clock_timestamp() + make_interval(secs => $2)
    where holder = $1
       or expires_at is null
       or expires_at < clock_timestamp()
    returning holder
"""

_GIVE_BACK_LEASE = "update sweeper_lease set holder = null, expires_at = null where holder = $1"


async def read_controllers(connection: Connection) -> list[str]:
    """Every controller's name: all that a sweeper may know before it names one."""
    return [row[0] for row in await connection.fetch(_CONTROLLERS)]


async def read_ended(
    connection: Connection, after: Place, now: datetime, rows_max: int
) -> list[tuple[str, Place]]:
    """A page of what has ended up to now, as (controller, place)."""
    rows = await connection.fetch(_ENDED, after.until, after.subject_id, after.purpose, now, rows_max)
    return [(row[0], Place(row[1], row[2], row[3])) for row in rows]


async def count_ended(connection: Connection, now: datetime) -> int:
    """How many have ended and are not told yet, at most COUNTED_MAX."""
    counted: int = await connection.fetchval(_COUNT_ENDED, now, COUNTED_MAX)
    return counted


async def read_ending(connection: Connection, after: Place, upto: datetime, rows_max: int) -> list[Ending]:
    """A page of what ends after that place, up to a moment."""
    rows = await connection.fetch(_ENDING, after.until, after.subject_id, after.purpose, upto, rows_max)
    return [
        Ending(
            controller=row[0],
            place=Place(row[1], row[2], row[3]),
            flags=flags_from(row[4], row[5], row[6]),
            shard=row[7],
            state=state_from(row[8:]),
        )
        for row in rows
    ]


async def walk(
    connection: Connection, controller: str, purpose: str, after: UUID, version: int, rows_max: int
) -> tuple[list[UUID], list[UUID]]:
    """The next subjects with a state for this purpose, and those of them whose consent is below the version."""
    rows = await connection.fetch(_WALK, controller, purpose, after, version, rows_max)
    return [row[0] for row in rows], [row[0] for row in rows if row[1]]


async def count_overtaken(
    connection: Connection, controller: str, purpose: str, after: UUID, version: int
) -> int:
    """How many the walk will find among the next COUNTED_MAX that it looks at."""
    counted: int = await connection.fetchval(
        _COUNT_OVERTAKEN, controller, purpose, after, version, COUNTED_MAX
    )
    return counted


async def begin_sweep(
    connection: Connection, controller: str, purpose: str, version: int, now: datetime
) -> Sweep:
    """Begin it, or find it where it was left; those after earlier changes end with that."""
    await connection.execute(_BEGIN_SWEEP, controller, purpose, version, now)
    await connection.execute(_END_EARLIER, controller, purpose, version, now)
    row = await connection.fetchrow(_READ_SWEEP, controller, purpose, version)
    assert row is not None
    return Sweep((controller, purpose, version), *row)


async def advance_sweep(
    connection: Connection, walk: Sequence[object], upto: UUID, left_behind: int, swept: int
) -> None:
    """Of a walk that is over nothing is kept."""
    await connection.execute(_ADVANCE, *walk, upto, left_behind, swept)


async def walk_again(connection: Connection, walk: Sequence[object], now: datetime) -> None:
    """Begin the next walk, where this one is not over yet."""
    await connection.execute(_WALK_AGAIN, *walk, now)


async def finish_sweep(connection: Connection, walk: Sequence[object], now: datetime) -> bool:
    """Whether it is finished: not where that walk is over, or has passed somebody over."""
    return await connection.fetchval(_FINISH, *walk, now) is not None


async def take_sweeper_lease(connection: Connection, holder: str, seconds: float) -> bool:
    """Whether this sweeper may work for so long: it did already, or nobody does."""
    return await connection.fetchval(_TAKE_LEASE, holder, seconds) is not None


async def give_back_sweeper_lease(connection: Connection, holder: str) -> None:
    await connection.execute(_GIVE_BACK_LEASE, holder)
