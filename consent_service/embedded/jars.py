"""The broker's jars: named with their SHA-256 in jars.lock, downloaded once, checked at every start."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import resources
from pathlib import Path
from typing import NamedTuple, Self

import platformdirs

from consent_service.embedded.errors import EngineMissing, JarMismatch, JarUnavailable

DOWNLOADS_AT_ONCE = 8
TELL_EVERY = 10
SHA256_HEX_DIGITS = 64


class LockedJar(NamedTuple):
    """A line of jars.lock: `group:artifact:version sha256:hex`."""

    group: str
    artifact: str
    version: str
    sha256: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Raises ValueError on a line of another form."""
        coordinate, checksum = line.split()
        group, artifact, version = coordinate.split(":")
        algorithm, digest = checksum.split(":")
        if algorithm != "sha256" or len(digest) != SHA256_HEX_DIGITS:
            raise ValueError(f"{coordinate} has no SHA-256 beside it")
        return cls(group, artifact, version, digest)

    @property
    def line(self) -> str:
        """The form that `parse` reads."""
        return f"{self.group}:{self.artifact}:{self.version} sha256:{self.sha256}"

    @property
    def file_name(self) -> str:
        """The name that Maven gives the jar."""
        return f"{self.artifact}-{self.version}.jar"


def locked_jars(text: str | None = None) -> list[LockedJar]:
    """The jars of jars.lock, or of `text` in its form; blank lines and comments are passed over."""
    if text is None:
        text = resources.files(__package__).joinpath("jars.lock").read_text()
    lines = (line.strip() for line in text.splitlines())
    return [LockedJar.parse(line) for line in lines if line and not line.startswith("#")]


def default_cache_dir() -> Path:
    """The platform's per-user cache folder for this program."""
    return platformdirs.user_cache_path("consent-service")


def verified_jars(cache_dir: Path, jars: list[LockedJar], progress: Callable[[str], None]) -> list[Path]:
    """Paths of all the jars in the cache, each checked against its SHA-256; what is missing is downloaded.

    Raises JarMismatch, JarUnavailable; a downloaded file that does not match is not kept.
    """
    folder = cache_dir / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        _download(missing, folder, progress)
    for jar in jars:
        _verify(jar, folder / jar.file_name, "in the cache: delete it to have it downloaded again")
    return [folder / jar.file_name for jar in jars]


def sha256_of(file: Path) -> str:
    """Lower-case hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _verify(jar: LockedJar, file: Path, where: str) -> None:
    if (actual := sha256_of(file)) != jar.sha256:
        raise JarMismatch(str(file), where, jar.sha256, actual)


def _download(jars: list[LockedJar], folder: Path, progress: Callable[[str], None]) -> None:
    # Into a folder of its own first: what jgo wrote is a jar of ours only once it is whole and matches.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="download-") as arrivals:
        fetch = downloader(Path(arrivals))
        progress(f"downloading Apache Kafka: {len(jars)} jars, once")
        pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
        try:
            arriving = {pool.submit(fetch, jar.group, jar.artifact, jar.version): jar for jar in jars}
            for count, arrival in enumerate(as_completed(arriving), start=1):
                jar, file = arriving[arrival], arrival.result()
                _verify(jar, file, "as downloaded")
                file.replace(folder / jar.file_name)
                if count % TELL_EVERY == 0 or count == len(jars):
                    progress(f"downloading Apache Kafka: {count} of {len(jars)} jars")
        finally:
            pool.shutdown(cancel_futures=True)


def downloader(arrivals: Path) -> Callable[[str, str, str], Path]:
    """(group, artifact, version) -> the jar in `arrivals`, from the repositories that jgo is set up for."""
    # Imported when something is missing from the cache, which is once: the import alone takes a while.
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext, PythonResolver
    except ImportError:
        raise EngineMissing("jgo") from None

    # A mirror named in the user's own jgo settings comes first.
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    context = MavenContext(
        resolver=PythonResolver(), repo_cache=arrivals, local_repos=[], remote_repos=repositories, timeout=60
    )

    def download(group: str, artifact: str, version: str) -> Path:
        try:
            jar: Path = context.project(group, artifact).at_version(version).artifact().resolve()
        except (OSError, RuntimeError) as error:
            name = f"{group}:{artifact}:{version}"
            raise JarUnavailable(
                f"{name} could not be downloaded ({type(error).__name__}): {error}"
            ) from error
        return jar

    return download
