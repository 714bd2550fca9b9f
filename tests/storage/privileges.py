"""The table of who may do what to which table (R22, CORE 19)."""

from __future__ import annotations

#: s select, i insert, u update, d delete. Nobody else has anything but the columns below; truncate, references and
#: triggers nobody has.
PRIVILEGES = """
                    service  relay  sweeper  keeper  auditor
acknowledgements    si       -      -        -       -
api_keys            s        -      -        -       -
audit               si       i      i        i       s
choices             si       -      -        -       -
controllers         siu      s      s        -       s
duties              siu      -      siu      -       -
filled_topics       -        siu    -        -       s
idempotency         siud     -      siu      -       -
identifier_hashes   sid      -      -        sid     -
identifiers         sid      -      -        s       -
key_holders         siud     -      siud     s       -
ledger_epoch        s        s      -        -       s
ledger_identity     s        s      -        -       -
notices             si       -      s        -       s
outbox              i        sd     i        -       s
purpose_drafts      siud     -      -        -       -
purpose_versions    si       s      s        -       s
purposes            si       -      -        -       -
record_details      sid      -      sid      -       s
records             si       s      si       -       s
relay_leases        -        su     -        -       -
relay_members       -        siud   -        -       -
schema_migrations   -        -      -        -       -
screens             si       -      -        -       -
sites               siu      -      -        -       -
states              siu      -      siu      -       s
stream_notices      si       s      si       -       -
subject_keys        sid      -      s        s       s
subjects            siu      s      su       -       s
suppressions        sid      -      -        s       -
sweeper_lease       -        -      su       -       -
sweeps              -        -      siu      -       -
"""

#: (role, table, column) that may be updated where the table as a whole may not.
COLUMNS = {
    # When an API key was used last is all of it that a service writes: it makes none, and revives none.
    ("consent_service", "api_keys", "last_used_at"),
    ("consent_keeper", "identifiers", "key_id"),
    ("consent_keeper", "identifiers", "sealed_value"),
    ("consent_keeper", "subject_keys", "key_id"),
    ("consent_keeper", "subject_keys", "sealed_key"),
}


def pairs(letter: str, *roles: str) -> list[tuple[str, str]]:
    """(role, table) wherever one of these roles has that privilege."""
    head, *lines = PRIVILEGES.strip("\n").splitlines()
    columns = {f"consent_{name}": place for place, name in enumerate(head.split(), 1)}
    rows = [line.split() for line in lines]
    return [(role, row[0]) for role in roles for row in rows if letter in row[columns[role]]]
