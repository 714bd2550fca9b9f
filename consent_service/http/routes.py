"""Every operation of the interface, in the order of its documentation."""

from __future__ import annotations

from consent_service.http import (
    c15t,
    changes,
    commands,
    notice,
    operators,
    permissions,
    propagation,
    purposes,
    recipients,
    records,
    states,
    subjects,
    visitors,
)
from consent_service.http.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *commands.OPERATIONS,
    *permissions.OPERATIONS,
    *subjects.OPERATIONS,
    *records.OPERATIONS,
    *propagation.OPERATIONS,
    *recipients.OPERATIONS,
    *purposes.OPERATIONS,
    *changes.OPERATIONS,
    *states.OPERATIONS,
    *notice.OPERATIONS,
    *visitors.OPERATIONS,
    *c15t.OPERATIONS,
    *operators.OPERATIONS,
)

#: The guard's table: what a token must carry for each (method, path template); None where none is asked for.
SCOPES_NEEDED: dict[tuple[str, str], str | None] = {
    (operation.method, operation.path): operation.scope for operation in OPERATIONS
}


def by_path() -> dict[str, list[Operation]]:
    """The operations of each path template."""
    paths: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, []).append(operation)
    return paths
