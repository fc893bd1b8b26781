"""Processes of the engine's own: what they said last, and what they died of."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from console.childprocess import ChildError, ChildProcess, Said, last_object
from core.errors import TransientError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that a child runs."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "told_child.py"


async def run(module: Path, body: str) -> Said:
    """Run a child that does this; what it said."""
    module.write_text(f"import os, sys\n{body}\n", encoding="utf-8")
    heard: list[Said] = []
    child = ChildProcess(module.stem, subject="a test", heard=heard.append)
    try:
        with trio.fail_after(30):
            await child.run(b"plan\n", trio.sleep_forever)
    finally:
        assert child.pid == 0
    return heard[0]


@pytest.mark.trio
async def test_what_a_child_says_last_is_heard_whole(module: Path) -> None:
    """It gets its plan on its input, and as much as it likes is read of it after it has ended."""
    said = await run(
        module, """print('noise'); print('{"report": "%s"}' % (sys.stdin.readline().strip() * 50_000))"""
    )
    assert last_object(said["stdout"]) == {"report": "plan" * 50_000}


@pytest.mark.trio
async def test_how_a_child_died_is_said(module: Path) -> None:
    """By which signal; or with the last words of its traceback, those of a group included."""
    with pytest.raises(TransientError, match="for a test was killed by signal 9"):
        await run(module, "os.kill(os.getpid(), 9)")
    with pytest.raises(TransientError, match="ended with 1: MemoryError"):
        await run(module, "raise BaseExceptionGroup('several', [MemoryError()])")


@pytest.mark.trio
async def test_an_error_for_good_has_its_exit_code(module: Path) -> None:
    """One that may be retried is transient, whatever the code."""
    error = '{"operation": "o", "subject": "s", "hint": "h", "category": "usage", "exit_code": 2, "retryable": %s}'
    with pytest.raises(ChildError) as caught:
        await run(module, f"""print('{{"error": {error % "false"}}}'); sys.exit(2)""")
    assert (caught.value.exit_code, caught.value.category, str(caught.value)) == (2, "usage", "o: s (h)")
    with pytest.raises(TransientError, match="ended with 2: s"):
        await run(module, f"""print('{{"error": {error % "true"}}}'); sys.exit(2)""")
