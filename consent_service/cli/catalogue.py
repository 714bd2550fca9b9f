"""`consent-service catalogue check` and `load`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from consent_service.cli.arguments import actor_of, add_why
from consent_service.domain.errors import SeveralRefusals
from consent_service.settings import Settings
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.catalogue_file import CatalogueFaults, CatalogueFile, read_catalogue
from consent_service.usecases.catalogue_plan import Action, Kind, PlannedChange, describe
from consent_service.usecases.strict_reading import tell

#: Whom the audit trail names for the sample that comes with the service.
ACTOR = "catalogue load"

_ONLY_READS = "`catalogue check` only reads files: it never writes to a database."
_NONE = "No file was loaded: all must be without faults."
_DRY = "A dry run never writes: the database is as it was."


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The two commands and their arguments."""
    parser = subparsers.add_parser("catalogue", help="check and load catalogue files")
    commands = parser.add_subparsers(dest="catalogue_command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="say what is wrong in catalogue files, without a database",
        description="Read catalogue files and name every fault by file, line and field. Needs no database.",
    )
    check.set_defaults(handler=run, needs_settings=False, dry_run=True, missing_only=False)
    load = commands.add_parser(
        "load",
        help="show what catalogue files change, then change it",
        description="Bring catalogue files into the database: new controllers, sites and purposes, and a new "
        "version of each purpose whose content differs. Loading a file again changes nothing. A site or purpose "
        "that a file does not name stays as it is; what a controller or site leaves out is taken away.",
    )
    load.add_argument("--dry-run", action="store_true", help="only show what would change")
    load.add_argument(
        "--missing-only",
        action="store_true",
        help="leave controllers that are there already as they are, whatever the files say",
    )
    add_why(load)
    load.set_defaults(handler=run, needs_settings=True)
    for command in (check, load):
        command.add_argument("files", nargs="*", type=Path, metavar="FILE", help="catalogue files (YAML)")
        command.add_argument("--sample", action="store_true", help="the sample catalogue of five firms")


def run(arguments: argparse.Namespace, settings: Settings | None) -> int:
    """Exit code 0 when every file is in order, and loaded; 1 when one is not; 2 without any file."""
    paths = [*arguments.files, *(sample_paths() if arguments.sample else ())]
    if not paths:
        print("consent-service: name at least one catalogue file, or --sample.", file=sys.stderr)
        return 2
    catalogues = read_files(paths)
    if catalogues is None:
        print(_ONLY_READS if settings is None else _DRY if arguments.dry_run else _NONE, file=sys.stderr)
        return 1
    if settings is None:
        for file in catalogues:
            print(f"{file.name}: no fault in {_contents(file)}.")
        print(f"Checked {_files(len(catalogues))}, without faults. {_ONLY_READS} Load with `catalogue load`.")
        return 0
    return asyncio.run(_load(arguments, settings, catalogues))


def sample_paths() -> list[Path]:
    """The catalogue files that ship with the service, by name."""
    folder = Path(str(files("consent_service") / "samples"))
    return sorted(folder.glob("*.yaml"))


def read_files(paths: Sequence[Path]) -> list[CatalogueFile] | None:
    """Every file's catalogue; None, with all faults told on the error stream, where one is not in order."""
    catalogues: list[CatalogueFile] = []
    for path in paths:
        try:
            catalogues.append(read_catalogue(path.read_bytes(), str(path)))
        except CatalogueFaults as faults:
            print(faults, file=sys.stderr)
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
    if len(catalogues) < len(paths):
        faulty = len(paths) - len(catalogues)
        print(f"Checked {_files(len(paths))}, {faulty} of them with faults: see above.", file=sys.stderr)
        return None
    return catalogues


async def _load(
    arguments: argparse.Namespace, settings: Settings, catalogues: Sequence[CatalogueFile]
) -> int:
    async with open_database(
        settings.database_url,
        connections_max=1,
        statement_timeout_s=settings.statement_timeout_s,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-catalogue",
    ) as database:
        catalogue = Catalogue(database)
        if arguments.missing_only:
            known = [file for file in catalogues if await catalogue.knows(file.entries.controller.slug)]
            for file in known:
                print(f"{file.name}: {file.entries.controller.slug} is there already and stays as it is.")
            catalogues = [file for file in catalogues if file not in known]
        return await _load_files(
            catalogue,
            catalogues,
            actor=actor_of(arguments),
            reason=arguments.reason,
            dry_run=arguments.dry_run,
        )


async def _load_files(
    catalogue: Catalogue,
    catalogues: Sequence[CatalogueFile],
    *,
    actor: str,
    reason: str | None,
    dry_run: bool,
) -> int:
    """Show, then load, one file after the other; stop at the first that is refused. Exit code as `run`'s."""
    total: Counter[str] = Counter()
    for number, file in enumerate(catalogues, 1):
        step = f"[{number}/{len(catalogues)}] " if len(catalogues) > 1 else ""
        print(f"{step}{file.name}: {file.entries.controller.legal_name}", flush=True)
        changes = await catalogue.plan(file.entries)
        _show(changes)
        refusals = [refusal for change in changes for refusal in change.refusals]
        if not refusals and not dry_run:
            try:
                changes = await catalogue.load(file.entries, actor, reason)
            except SeveralRefusals as refused:
                refusals = refused.refusals
        if refusals:
            for refusal in refusals:
                print(tell(file.name, file.fault(refusal)), file=sys.stderr)
            before = f"{'Accepted' if dry_run else 'Loaded'} before it: {_told(total)}. " if total else ""
            refused_now = (
                f"{file.name} would be refused."
                if dry_run
                else f"{file.name} is refused: nothing of it is loaded."
            )
            print(f"{before}{refused_now}{f' {_DRY}' * dry_run}")
            return 1
        total.update(_counted(changes))
    counts = f": {_told(total)}" if total else ""
    print(f"{'Would load' if dry_run else 'Loaded'} {_files(len(catalogues))}{counts}.{f' {_DRY}' * dry_run}")
    return 0


def _show(changes: Sequence[PlannedChange]) -> None:
    """A line for each change; what stays as it is is only counted."""
    told = [change for change in changes if change.action is not Action.UNCHANGED]
    width = max((len(change.name) for change in told), default=0)
    for change in told:
        print(f"  {change.kind:<10}  {change.name:<{width}}  {describe(change)}")
    if unchanged := len(changes) - len(told):
        print(f"  {unchanged} unchanged")


def _counted(changes: Sequence[PlannedChange]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for change in changes:
        if change.kind is Kind.PURPOSE and change.action is Action.CHANGED:
            counts["new version"] += 1
        else:
            counts[f"{change.action} {change.kind}"] += 1
    return counts


def _told(total: Counter[str]) -> str:
    return ", ".join(_number_of(word, number) for word, number in total.items())


def _files(number: int) -> str:
    return _number_of("file", number)


def _number_of(word: str, number: int) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"


def _contents(file: CatalogueFile) -> str:
    entries = file.entries
    return f"{entries.controller.legal_name}, sites: {len(entries.sites)}, purposes: {len(entries.purposes)}"
