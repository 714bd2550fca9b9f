"""The table of who may do what to which table (R22, CORE 19)."""

from __future__ import annotations

#: s select, i insert, u update, d delete. Nobody else has anything; truncate, references and triggers nobody has.
PRIVILEGES = """
                    service  relay  sweeper  auditor
acknowledgements    si       -      -        s
audit               si       -      si       s
choices             si       -      -        s
controllers         siu      s      s        s
duties              siu      -      siu      s
filled_topics       -        siu    -        s
idempotency         siud     -      siud     s
identifier_hashes   sid      -      -        s
identifiers         sid      -      -        s
ledger_epoch        s        s      s        s
ledger_identity     s        s      -        s
notices             si       s      s        s
outbox              i        sd     si       s
purpose_drafts      siud     -      -        s
purpose_versions    si       s      s        s
purposes            si       s      s        s
record_details      sid      -      sid      s
records             si       s      si       s
relay_leases        -        su     -        s
relay_members       -        siud   -        s
schema_migrations   -        -      -        s
screens             si       -      -        s
sites               siu      -      -        s
states              siu      s      siu      s
stream_notices      si       s      si       s
subject_keys        sid      -      s        s
subjects            siu      s      siu      s
suppressions        sid      -      -        s
sweeper_lease       -        -      su       s
sweeps              -        -      siu      s
"""


def pairs(letter: str, *roles: str) -> list[tuple[str, str]]:
    """(role, table) wherever one of these roles has that privilege."""
    head, *lines = PRIVILEGES.strip("\n").splitlines()
    columns = {f"consent_{name}": place for place, name in enumerate(head.split(), 1)}
    rows = [line.split() for line in lines]
    return [(role, row[0]) for role in roles for row in rows if letter in row[columns[role]]]
