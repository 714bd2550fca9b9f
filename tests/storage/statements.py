"""Every SQL constant of the storage room, with the roles that run it."""

from __future__ import annotations

import importlib
import pkgutil
import re

from consent_service import storage

STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\s")
#: Modules whose statements run as another role than consent_service; `preparation` belongs to superuser and owner.
ROLES = {
    "epochs": "consent_owner",
    "history": "consent_relay",
    "lateness": "consent_sweeper",
    "outbox": "consent_relay",
    "reconciliation": "consent_auditor",
    "relay_leases": "consent_relay",
    "relaying": "consent_relay",
    "rotation": "consent_keeper",
    "sweeping": "consent_sweeper",
    "verification": "consent_auditor",
}
#: Statements that other roles run too, or alone.
ALSO = {
    ("api_keys", "_FIND"): ("consent_service", "consent_owner"),
    ("api_keys", "_INSERT"): ("consent_owner",),
    ("api_keys", "_LIST"): ("consent_owner",),
    ("api_keys", "_REVOKE"): ("consent_owner",),
    ("audit", "_INSERT"): ("consent_service", "consent_owner", "consent_relay", "consent_keeper"),
    ("audit", "_PAGE"): ("consent_auditor",),
    ("audit", "_PAGE_OF_SUBJECT"): ("consent_auditor",),
    ("epochs", "_EPOCH"): ("consent_owner", "consent_service"),
    ("history", "_PREFIXES"): ("consent_relay", "consent_auditor", "consent_owner", "consent_service"),
    ("relaying", "_LEDGER_ID"): ("consent_relay", "consent_service"),
    ("sweeping", "_CONTROLLERS"): ("consent_sweeper", "consent_service", "consent_keeper"),
    **dict.fromkeys(
        [("key_holders", "_HOLD"), ("key_holders", "_BURY"), ("key_holders", "_LET_GO")],
        ("consent_service", "consent_sweeper"),
    ),
    ("key_holders", "_READ"): ("consent_service", "consent_sweeper", "consent_keeper"),
    ("subjects", "_FIND"): ("consent_service", "consent_keeper"),
    ("history", "_RECORDS"): ("consent_relay", "consent_auditor"),
    ("relaying", "_READ_FILLED"): ("consent_relay", "consent_auditor"),
    ("history", "_LATEST_VERSIONS"): ("consent_relay", "consent_auditor", "consent_owner"),
    ("history", "_STANDING"): ("consent_relay", "consent_auditor"),
    ("catalogue", "_REVISION"): ("consent_service", "consent_auditor"),
    ("catalogue", "_PURPOSES"): ("consent_service", "consent_auditor", "consent_owner", "consent_sweeper"),
    ("ledger", "_APPEND"): ("consent_service", "consent_sweeper"),
    ("ledger", "_REVISIONS"): ("consent_service", "consent_sweeper"),
    ("propagation", "_INSERT"): ("consent_service", "consent_sweeper"),
    ("notices", "_GIVE"): ("consent_service", "consent_sweeper"),
    ("notices", "_READ"): ("consent_relay",),
    ("outbox", "_BASES"): ("consent_relay", "consent_auditor"),
    ("outbox", "_CHANGES"): ("consent_relay", "consent_auditor"),
    ("outbox", "_PURPOSE"): ("consent_relay", "consent_auditor"),
    ("records", "_READ_FACTS"): ("consent_service", "consent_sweeper"),
    ("states", "_READ_PAIRS"): ("consent_service", "consent_sweeper"),
    ("subjects", "_LOCK"): ("consent_service", "consent_sweeper"),
}


def statements() -> list[tuple[str, str, str, str]]:
    """(module, name, role, SQL), found by looking, so that a new one is never forgotten."""
    found = []
    for module in pkgutil.iter_modules(storage.__path__):
        if module.name == "preparation":
            continue
        loaded = importlib.import_module(f"{storage.__name__}.{module.name}")
        for name, value in vars(loaded).items():
            if isinstance(value, str) and STATEMENT.match(value):
                default = (ROLES.get(module.name, "consent_service"),)
                found += [(module.name, name, role, value) for role in ALSO.get((module.name, name), default)]
    return found


def sql(module: str, name: str) -> str:
    loaded = importlib.import_module(f"{storage.__name__}.{module}")
    text: str = getattr(loaded, name)
    return text
