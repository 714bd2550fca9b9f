"""The house rules that a machine can hold: sizes, where the clock and the environment are read, what no file names.

Each rule gathers its offenders, so that a failure names them all.
"""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 350
FUNCTION_LINES_MAX = 60
GENERATED = ("consent_service/events/wire/pb/", "clients/python/consent_client/wire/pb/")
BINARY = {".png", ".ico", ".binpb", ".woff2", ".gz"}


@cache
def tracked() -> tuple[str, ...]:
    """The files that git has or would take, but for what is generated."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607  whichever is there
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return tuple(name for name in listed if not name.startswith(GENERATED) and (ROOT / name).is_file())


def python(folder: str = "") -> list[str]:
    return [name for name in tracked() if name.endswith(".py") and name.startswith(folder)]


def text(name: str) -> str:
    return (ROOT / name).read_text(errors="replace")


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(text(name))


def calls(name: str) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}


def test_there_is_something_to_look_at() -> None:
    assert len(python("consent_service/")) > 40
    assert len(python("tests/")) > 20


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    looked_at = [name for name in tracked() if name.endswith((".py", ".ts"))]

    assert [name for name in looked_at if len(text(name).splitlines()) > FILE_LINES_MAX] == []


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{name}:{node.name}"
        for name in python()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]

    assert long == []


def test_time_and_chance_come_from_their_own_places() -> None:
    """Rules and SQL get the moment and new ids as arguments; so a test decides what time it is."""
    own_places = {"consent_service/usecases/clock.py", "consent_service/storage/keyring.py"}
    forbidden = {"datetime.now", "datetime.utcnow", "time.time", "uuid4", "uuid.uuid4", "os.urandom"}
    looked_at = {
        name for room in ("domain", "storage", "usecases") for name in python(f"consent_service/{room}/")
    }

    assert [name for name in sorted(looked_at - own_places) if calls(name) & forbidden] == []


def test_the_environment_is_read_by_settings_and_the_command_line_alone() -> None:
    """Child processes are given an environment by whoever starts them."""
    allowed = ("consent_service/cli/", "consent_service/embedded/", "consent_service/storage/preparation.py")
    readers = [name for name in python("consent_service/") if "os.environ" in text(name)]

    assert [name for name in readers if not name.startswith(allowed)] == []


def test_only_the_command_line_prints() -> None:
    allowed = ("consent_service/cli/", "consent_service/embedded/")
    printing = [name for name in python("consent_service/") if "print" in calls(name)]

    assert [name for name in printing if not name.startswith(allowed)] == []


def test_sql_is_constant_text() -> None:
    statement = re.compile(
        r"\s*(select .* from|insert into|update .* set|delete from) ", re.IGNORECASE | re.DOTALL
    )
    formatted = [
        f"{name}:{node.lineno}"
        for name in python("consent_service/")
        for node in ast.walk(tree(name))
        if isinstance(node, ast.JoinedStr) and statement.match(ast.unparse(node)[2:])
    ]

    assert formatted == []


def test_nothing_sleeps_to_wait_in_tests() -> None:
    assert [name for name in python("tests/") if calls(name) & {"time.sleep", "sleep"}] == []


def test_pages_are_waited_for_with_functions() -> None:
    """An expression becomes code anew at each look, which a page's strict policy refuses from the second look on."""
    expression = re.compile(r"""wait_for_function\(\s*f?["'](?!(\(\w*\)|\w+) =>)""")

    assert [name for name in python("tests/browser/") if expression.search(text(name))] == []


def test_no_file_names_a_registry_or_a_machine() -> None:
    """Lock files carry names, versions and hashes only; no path of anybody's machine."""
    words = (
        "pypi" + ".org",
        "files.python" + "hosted",
        "registry.npm" + "js",
        "repo1.maven" + ".org",
        "--index-" + "url",
        "/" + "root/",
        "/" + "work/",
        "/" + "home/",
    )
    looked_at = [name for name in tracked() if Path(name).suffix not in BINARY]

    assert [f"{name}: {word}" for name in looked_at for word in words if word in text(name)] == []


def test_whoever_silences_a_rule_about_security_says_why() -> None:
    silenced = re.compile(r"# noqa: (?:\w+, )*S\d+\b(?P<why>.*)")
    mute = [
        f"{name}:{number}"
        for name in python()
        for number, line in enumerate(text(name).splitlines(), 1)
        if (found := silenced.search(line)) is not None and not re.search(r"\w{2}", found["why"])
    ]

    assert mute == []
