"""What the light commands load. The static import graph cannot see imports inside functions; a process can."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("textual", "databento", "pandas", "psycopg", "redis", "trio", "numpy")


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules a fresh `ringside` with these arguments has loaded when it ends."""
    script = (
        "import sys, contextlib, io\n"
        "from console.__main__ import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
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


def test_headless_commands_never_load_the_screen() -> None:
    """A batch command that does real work has no Textual in its process, nor the Databento client."""
    assert loaded_by("--batch", "db", "stats", "--json").isdisjoint({"textual", "databento", "pandas", "psycopg"})
