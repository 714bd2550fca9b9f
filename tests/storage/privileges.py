"""The table of who may do what to which table (R22, CORE 19)."""

from __future__ import annotations

#: s select, i insert, u update, d delete. Nobody else has anything; truncate, references and triggers nobody has.
PRIVILEGES = """
                    service  relay  sweeper  auditor
acknowledgements    si       -      -        -
audit               i        -      i        s
choices             si       -      -        -
controllers         siu      s      s        s
duties              siu      -      siu      -
filled_topics       -        siu    -        s
idempotency         siud     -      siu      -
identifier_hashes   sid      -      -        -
identifiers         sid      -      -        -
ledger_epoch        s        s      -        s
ledger_identity     s        s      -        -
notices             si       -      s        s
outbox              i        sd     i        s
purpose_drafts      siud     -      -        -
purpose_versions    si       s      s        s
purposes            si       -      -        -
record_details      sid      -      sid      s
records             si       s      si       s
relay_leases        -        su     -        -
relay_members       -        siud   -        -
schema_migrations   -        -      -        -
sites               siu      -      -        -
states              siu      -      siu      s
stream_notices      si       s      si       -
subject_keys        sid      -      s        s
subjects            siu      s      su       s
suppressions        sid      -      -        -
sweeper_lease       -        -      su       -
sweeps              -        -      siu      -
"""


def pairs(letter: str, *roles: str) -> list[tuple[str, str]]:
    """(role, table) wherever one of these roles has that privilege."""
    head, *lines = PRIVILEGES.strip("\n").splitlines()
    columns = {f"consent_{name}": place for place, name in enumerate(head.split(), 1)}
    rows = [line.split() for line in lines]
    return [(role, row[0]) for role in roles for row in rows if letter in row[columns[role]]]
