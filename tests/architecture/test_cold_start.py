"""What the light commands load. The static import graph cannot see imports inside functions; a process can."""

from __future__ import annotations

import subprocess
import sys

import pytest

from console.batch.backfill import ACTIONS as BACKFILL_ACTIONS

HEAVY = ("textual", "databento", "pandas", "psycopg", "redis", "trio", "numpy")


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules a fresh `ringside` with these arguments has loaded when it ends."""
    return loaded_by_each(arguments)


def loaded_by_each(*commands: tuple[str, ...]) -> set[str]:
    """The top-level modules one fresh process has loaded that ran `ringside` with each of these arguments."""
    script = (
        "import sys, contextlib, io\n"
        "from console.__main__ import main\n"
        f"for arguments in {[list(command) for command in commands]!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "        main(arguments)\n"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--batch", "--help"),
        ("serve", "--help"),
        ("config", "show"),
        ("db", "--help"),
        ("db", "export", "--help"),
        ("symbol", "add", "--help"),
    ],
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Help and settings come up without the screen, the event loop, numpy or any client library."""
    assert loaded_by(*arguments).isdisjoint(HEAVY)


def test_help_of_fetching_loads_nothing_heavy() -> None:
    """What is fetched, from whom and what it costs can be read up on without numpy or any client library."""
    actions = [("backfill", name, "--help") for name in BACKFILL_ACTIONS]
    assert loaded_by_each(("fetch", "--help"), ("route", "--help"), *actions).isdisjoint(HEAVY)


def test_headless_commands_never_load_the_screen() -> None:
    """A batch command that does real work has no Textual in its process, nor the Databento client."""
    assert loaded_by("--batch", "db", "stats", "--json").isdisjoint({"textual", "databento", "pandas", "psycopg"})
