"""What is said when the program was built without the vendor's client."""

from __future__ import annotations

import subprocess
import sys

import pytest

from providers.databento.client import require_client

WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "databento" else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]
from console.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
SERVE = ("--batch", "serve", "--provider", "databento", "--symbols", "ESU4", "--dataset", "GLBX.MDP3")
FETCH = ("--batch", "backfill", "estimate", "--provider", "databento", "--dataset", "GLBX.MDP3", "--symbols", "ESU4")


def test_where_it_is_nothing_is_said() -> None:
    """This environment has the client: nothing is raised, and it is not loaded for that."""
    require_client()


@pytest.mark.parametrize(
    "arguments",
    [
        SERVE,
        (*SERVE[:-2], "--simulated", "--duration", "5"),
        (*FETCH, "--start", "2026-01-05", "--end", "2026-01-06", "--price"),
        (*FETCH, "--start", "2026-01-05", "--end", "2026-01-06", "--simulated"),
    ],
)
def test_without_it_there_is_a_sentence_and_no_traceback(arguments: tuple[str, ...]) -> None:
    """Live data, history and practising say what the file lacks and what to do, whether there is a key or not."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode != 0
    assert "this file was built without Databento's client" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
