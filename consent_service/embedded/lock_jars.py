"""Writes jars.lock anew: `python -m consent_service.embedded.lock_jars` (part of `make lock`)."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Endpoint

from consent_service.embedded.jars import LockedJar, downloader, sha256_of

KAFKA = "4.1.2"
BROKER = f"org.apache.kafka:kafka_2.13:{KAFKA}"
# Kafka's own release adds this binding; without it the broker's warnings go nowhere. Taken by itself: what
# it needs the broker brings, and resolving both together would mix the versions that their makers chose.
LOG_BINDING = ("org.apache.logging.log4j", "log4j-slf4j-impl")
LOG_LIBRARY = "log4j-core"
NOT_NEEDED = frozenset(
    {
        "scala-reflect",  # used by the compiler's macros alone
        "commons-beanutils",  # these four serve parts of commons-validator that check XML rules;
        "commons-collections",  # Kafka only checks addresses
        "commons-digester",
        "commons-logging",
        "jackson-dataformat-csv",  # command-line tools
        "jackson-dataformat-yaml",  # log settings in YAML
        "snakeyaml",
        "jose4j",  # OAuth logins
    }
)
HEADER = """\
# The jars of Apache Kafka and what it needs at run time: Maven coordinates, SHA-256.
# Written by `make lock`; a jar with another checksum is refused.
"""


def main() -> None:
    """Resolves the broker and all it needs at run time, downloads the jars and writes their checksums."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(
            resolver=PythonResolver(),
            repo_cache=Path(folder),
            local_repos=[],
            remote_repos={"central": MAVEN_CENTRAL_URL},
            timeout=60,
        )
        roots = [
            context.create_dependency(replace(coordinate, scope="compile"))
            for coordinate in Endpoint.parse(BROKER).coordinates
        ]
        inputs, transitive = context.resolver.resolve(roots)
        versions = {
            (found.artifact.groupId, found.artifact.artifactId): found.artifact.version
            for found in (*inputs, *transitive)
            if found.scope in ("compile", "runtime") and found.artifact.artifactId not in NOT_NEEDED
        }
        versions[LOG_BINDING] = versions[LOG_BINDING[0], LOG_LIBRARY]
        wanted = sorted((*names, version) for names, version in versions.items())
        fetch = downloader(Path(folder))
        jars = [LockedJar(*coordinate, sha256_of(fetch(*coordinate))) for coordinate in wanted]
    target = Path(__file__).with_name("jars.lock")
    target.write_text(HEADER + "".join(f"{jar.line}\n" for jar in jars))
    sys.stdout.write(f"{target.name}: {len(jars)} jars\n")


if __name__ == "__main__":
    main()
