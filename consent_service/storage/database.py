"""Connections, transactions bound to controllers, and the one translation of database faults into domain errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import msgspec

from consent_service.domain.errors import InvalidValue, Overloaded, Unavailable
from consent_service.domain.values import is_slug

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

#: Another transaction has the row, and keeps it.
LOCKED = asyncpg.LockNotAvailableError

#: A statement took longer than it may.
TIMED_OUT = asyncpg.QueryCanceledError

#: What another transaction did at the same moment, or what took too long together: the same work again, or a
#: smaller part of it, will do (R23).
RETRYABLE = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    TIMED_OUT,
    LOCKED,
)

#: How long a caller waits for a connection of the pool.
ACQUIRE_S = 5.0
#: How many callers may wait for one.
WAITING_MAX = 1000
#: How long connections may take to close in good order.
CLOSE_S = 2.0

_NO_ANSWER = "The database does not answer now; nothing was recorded. Try again."

#: The database is away, full or slow: 503 with Retry-After, never a wrong answer.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
)


class CommitUnknown(Unavailable):
    """The connection was lost while committing: the work stands, or it does not."""


class Database:
    """A bounded pool as one role. Every transaction names the controllers it may see (R22).

    At most `waiting_max` callers wait for a connection, each at most ACQUIRE_S: then Overloaded or Unavailable. Never
    ask for a connection while holding one.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], waiting_max: int = WAITING_MAX) -> None:
        self._pool = pool
        self._waiting_max = waiting_max
        self._waiting = 0

    @asynccontextmanager
    async def transaction(
        self,
        controllers: Collection[str],
        *,
        read_only: bool = False,
        retried: bool = False,
        lock_timeout_s: float | None = None,
    ) -> AsyncIterator[Connection]:
        """One transaction that sees the rows of these controllers alone; commits unless the block raises.

        Raises Unavailable when the database is away, CommitUnknown when it went away in the last step. Whoever does
        the work again says `retried` and is given what is RETRYABLE; for all others that is Unavailable too.
        """
        begin = _begin(controllers, read_only=read_only, lock_timeout_s=lock_timeout_s)
        async with self.session() as connection:
            try:
                await connection.execute(begin)
                try:
                    yield connection
                except BaseException as error:
                    await _roll_back(connection, error)
                    raise
                await _commit(connection)
            except RETRYABLE as error:
                if retried:
                    raise
                raise Unavailable(_NO_ANSWER) from error
            except AWAY as error:
                _give_up(connection, error)
                raise Unavailable(_NO_ANSWER) from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection outside any controller's list: for roles whose policies see every row (relay, auditor)."""
        if self._waiting >= self._waiting_max:
            raise Overloaded("Too many requests wait for the database. Try again.")
        self._waiting += 1
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_S)
        except (*AWAY, asyncpg.PostgresError) as error:
            # Whatever keeps us from connecting (full, starting, stopping, a wrong password) may be over soon.
            raise Unavailable(_NO_ANSWER) from error
        finally:
            self._waiting -= 1
        try:
            yield connection
        except RETRYABLE:
            raise
        except AWAY as error:
            _give_up(connection, error)
            raise Unavailable(_NO_ANSWER) from error
        except asyncio.CancelledError as error:
            _give_up(connection, error)
            raise
        finally:
            await self._pool.release(connection)

    async def answers(self) -> bool:
        """Whether the database answers at this moment (R25)."""
        try:
            async with self._pool.acquire(timeout=2) as connection:
                await connection.fetchval("select 1", timeout=2)
        except (*AWAY, asyncpg.PostgresError):
            return False
        return True


async def _commit(connection: Connection) -> None:
    try:
        await connection.execute("commit")
    except AWAY as error:
        _give_up(connection, error)
        raise CommitUnknown(
            "The database went away while it recorded; whether it did is not known. Ask, or send the same again "
            "with the same Idempotency-Key."
        ) from error


def _give_up(connection: Connection, error: BaseException) -> None:
    """End a connection whose answer is still owed: to ask it for anything more would take as long again."""
    if isinstance(error, (TimeoutError, asyncio.CancelledError)):
        _end(connection)


async def _roll_back(connection: Connection, error: BaseException) -> None:
    """End the transaction, or else the connection: none goes back to the pool with a transaction open."""
    if isinstance(error, (TimeoutError, asyncio.CancelledError)):
        _end(connection)
        return
    try:
        if not connection.is_closed():
            await connection.execute("rollback")
    except BaseException:
        _end(connection)
        raise


def _end(connection: Connection) -> None:
    """Nothing happens where it has ended: then it has left the pool too, and cannot be asked anything."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _leave_as_it_is(_: Connection) -> None:
    """Nothing outlives a transaction here, so a connection needs no cleaning between two uses."""


def _begin(controllers: Collection[str], *, read_only: bool, lock_timeout_s: float | None) -> str:
    """`set local` takes no parameter, and `set_config` is not propagated on Citus: slugs only, quoted here alone."""
    for controller in controllers:
        if not is_slug(controller):
            raise InvalidValue("A controller is named by a slug.")
    mode = "begin read only" if read_only else "begin"
    listed = ",".join(sorted(controllers))
    begin = mode + "; set local consent.controllers = '" + listed + "'"
    if lock_timeout_s is None:
        return begin
    return begin + "; set local lock_timeout = " + str(int(lock_timeout_s * 1000))


@asynccontextmanager
async def open_database(
    url: str,
    *,
    connections_max: int,
    statement_timeout_s: float,
    lock_timeout_s: float,
    name: str,
    synchronous_commit: bool = True,
    transactions_are_short: bool = False,
) -> AsyncIterator[Database]:
    """A pool on this URL. Does not wait for the database: connections are made when they are needed.

    With `transactions_are_short` none may take longer than one answer. Without `synchronous_commit` the last moments
    may be lost when the server dies: for what is done again then.
    """
    # Here nobody waits longer for an answer. So where the server hears nothing for as long in a transaction it has lost
    # its client, and must not keep persons locked for it. A client lost between the two halves of a statement that it
    # prepares is not idle for the server: there the limit on the whole transaction ends it.
    answer_s = statement_timeout_s + 5
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        timeout=5,
        command_timeout=answer_s,
        max_inactive_connection_lifetime=300,
        init=_set_up,
        reset=_leave_as_it_is,
        server_settings={
            "application_name": name,
            "timezone": "UTC",
            # Rows are in memory or on flash. With the default of 4 a batch joined to a large table becomes a scan.
            "random_page_cost": "1.1",
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "lock_timeout": str(int(lock_timeout_s * 1000)),
            **({} if synchronous_commit else {"synchronous_commit": "off"}),
            "idle_in_transaction_session_timeout": str(int(answer_s * 1000)),
            **({"transaction_timeout": str(int(answer_s * 1000))} if transactions_are_short else {}),
        },
    )
    await pool
    try:
        yield Database(pool)
    finally:
        # Closing says goodbye to the server and waits for its answer; one that is frozen gives none.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await pool.close()


async def _set_up(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """JSON travels as bytes that msgspec reads and writes."""
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary"
    )
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + msgspec.json.encode(value, order="sorted")


def _decode_jsonb(data: bytes) -> bytes:
    """The raw JSON text; the caller decodes it into its own type."""
    return data[1:]
