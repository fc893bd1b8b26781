"""The journal of an engine: who hears what, at which level, and that nothing a record holds stops who logs."""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from console.control_server import serve_control
from console.journal import (
    KEPT_LINES,
    KEPT_TRACES,
    Journal,
    close_journal,
    closing_journal,
    flush_journal,
    open_journal,
)
from console.journal_link import Repeater
from console.log_operations import log_operations
from console.logbook.file import LogFile
from console.logbook.sink import QUEUED_LINES
from console.plan import LogPlan
from core.errors import NotFoundError, UsageError
from ringbuf.control import ControlClient

LOG = logging.getLogger("ringside.test")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No journal outlives its test."""
    yield
    close_journal()


def _texts(journal: Journal) -> list[str]:
    return [line["text"] for line in journal.lines()]


def _file(directory: Path) -> str:
    flush_journal()
    path = directory / "ringside.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_a_closed_journal_leaves_no_trace(tmp_path: Path) -> None:
    """While it is open lines go to it and no further; afterwards the loggers are as they were, and the file stays."""
    logger = logging.getLogger("ringside")
    before = logger.level, logger.propagate, list(logger.handlers), logging.raiseExceptions
    with closing_journal():
        journal = open_journal(tmp_path, to_stderr=False, log=LogPlan(levels=(("test", "debug"),)))
        LOG.info("told")
        assert not logger.propagate
    assert (logger.level, logger.propagate, list(logger.handlers), logging.raiseExceptions) == before
    assert LOG.level == logging.NOTSET
    assert _texts(journal) == ["told"]
    assert "told" in _file(tmp_path)


def test_levels_are_by_part_and_the_screen_hears_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file and stderr have what the levels say; the journal has `info` and worse at least, and debug where it is
    asked for."""
    plan = LogPlan(level="error", levels=(("feed", "debug"), ("ringside.store", "warning")))
    journal = open_journal(tmp_path, to_stderr=True, log=plan)
    for part in ("feed", "feed.book", "store", "other"):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(f"ringside.{part}").log(level, "%s %s", part, logging.getLevelName(level).lower())
    written = [line.split(": ")[1] for line in _file(tmp_path).splitlines()]
    levels = ["debug", "info", "warning", "error"]
    assert written == [
        *(f"feed {level}" for level in levels), *(f"feed.book {level}" for level in levels),
        "store warning", "store error", "other error",
    ]  # fmt: skip
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == written
    assert [text for text in _texts(journal) if text.startswith("other")] == [
        "other info", "other warning", "other error",
    ]  # fmt: skip
    assert "feed debug" in _texts(journal)


def test_json_goes_to_stderr_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is one object, with the instance, the process and the fields of the call."""
    open_journal(tmp_path, to_stderr=True, log=LogPlan(format="json"), instance="alpha")
    LOG.warning("late by %d", 3, extra={"symbol": "BTCUSD"})
    last = [json.loads(text.splitlines()[-1]) for text in (_file(tmp_path), capsys.readouterr().err)]
    assert last[0] == last[1]
    assert (last[0]["text"], last[0]["symbol"], last[0]["instance"]) == ("late by 3", "BTCUSD", "alpha")


def test_secrets_reach_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the file, nor the terminal, nor the screen, nor the line that is asked for in full."""
    journal = open_journal(tmp_path, to_stderr=True, log=LogPlan(secrets=("correct-horse-battery",)))
    try:
        raise ValueError("correct-horse-battery")
    except ValueError:
        LOG.exception(
            "cannot reach redis://:swordfish77@h with %s", "correct-horse-battery", extra={"a": "token=zzzz9"}
        )
    told = _file(tmp_path) + capsys.readouterr().err + json.dumps([journal.lines(), journal.whole(1)])
    for secret in ("correct-horse", "swordfish77", "zzzz9"):
        assert secret not in told
    assert "Traceback" in told


def test_no_record_stops_who_logs(tmp_path: Path) -> None:
    """Arguments that do not fit, values that cannot be told and a file that is in the way: the next line is heard."""

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no")

    (tmp_path / "logs").write_text("in the way")
    journal = open_journal(tmp_path / "logs", to_stderr=False)
    LOG.info("%d", "x")
    LOG.info("one", extra={"mute": Mute()})
    flush_journal()
    LOG.info("two")
    texts = _texts(journal)
    assert texts[-1] == "two"
    assert sum("no log file in" in text for text in texts) == 1


def test_an_error_of_our_own_is_logged_with_its_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes on to who started the program, and stands in the file in full; one for the operator does not."""

    def run(directory: Path, error: Exception) -> None:
        with closing_journal():
            open_journal(directory, to_stderr=True)
            raise error

    with pytest.raises(ZeroDivisionError):
        run(tmp_path, ZeroDivisionError("of one"))
    assert "ZeroDivisionError: " in _file(tmp_path)
    assert "    | Traceback (most recent call last):" in _file(tmp_path)
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError):
        run(tmp_path / "other", UsageError("bad", "thing"))
    assert _file(tmp_path / "other") == ""


def _asked(journal: Journal, **request: Any) -> dict[str, Any]:
    return trio.run(log_operations(journal)["log"], request)


def test_pages_follow_one_another() -> None:
    """Page after page brings every line that is kept, once; levels leave lines out and still get to the end."""
    journal = open_journal(None, to_stderr=False)
    for number in range(KEPT_LINES + 700):
        LOG.log(logging.WARNING if number % 7 == 0 else logging.INFO, "line %d", number)
    heard, after = [], 0
    while True:
        page = _asked(journal, after=after, epoch_ns=journal.epoch_ns)
        heard += [line["text"] for line in page["lines"]]
        assert len(page["lines"]) <= 500
        after = page["looked_at"]
        if not page["more"]:
            break
    assert heard == [f"line {number}" for number in range(700, KEPT_LINES + 700)]
    assert page["first"] == 701
    assert _asked(journal, after=after)["lines"] == []
    assert len(_asked(journal, level="warning", limit=3)["lines"]) == 3
    assert len(_asked(journal, after=after, epoch_ns=journal.epoch_ns + 1)["lines"]) == 500, "another run begins anew"


def test_one_line_is_told_in_full() -> None:
    """With its fields, its traceback and all its text; one that is not kept is not found."""
    journal = open_journal(None, to_stderr=False)
    try:
        raise ValueError("why")
    except ValueError:
        LOG.exception("x" * 900, extra={"symbol": "BTCUSD"})
    (short,) = journal.lines()
    assert (len(short["text"]), short["more"]) == (500, True)
    whole = _asked(journal, sequence=1)["line"]
    assert (len(whole["text"]), whole["fields"]) == (900, {"symbol": "BTCUSD"})
    assert whole["trace"].endswith("ValueError: why")
    with pytest.raises(NotFoundError):
        _asked(journal, sequence=2)


def test_the_newest_tracebacks_are_kept() -> None:
    """After many errors every line is there and the last tracebacks, and nothing says that there is more of the
    others; so many are all that the journal holds."""
    journal = Journal()
    gc.collect()
    for number in range(200):
        journal.keep(attrs.evolve(_told(f"line {number}"), trace=_Trace(f"trace {number}")))
    wholes = [journal.whole(number) or {} for number in range(1, 201)]
    assert [whole["text"] for whole in wholes] == [f"line {number}" for number in range(200)]
    kept = [whole["trace"] for whole in wholes if whole["trace"]]
    assert kept == [f"trace {number}" for number in range(200 - KEPT_TRACES, 200)]
    assert [line.get("more", False) for line in journal.lines()] == [False] * (200 - KEPT_TRACES) + [
        True
    ] * KEPT_TRACES
    del wholes, kept
    assert sum(isinstance(one, _Trace) for one in gc.get_objects()) == KEPT_TRACES


class _Trace(str):
    # One that can be found again in memory.
    pass


@pytest.mark.parametrize(
    "request_", [{"after": -1}, {"after": "1"}, {"limit": True}, {"level": []}, {"sequence": 1.5}]
)
def test_bad_questions_are_refused(request_: dict[str, Any]) -> None:
    """What is no number and no level is refused in words."""
    with pytest.raises(UsageError):
        _asked(Journal(), **request_)


@pytest.mark.trio
async def test_what_a_child_logs_is_repeated_once(tmp_path: Path) -> None:
    """Over a real socket: at its own time and under its own name, on the screen and not in our file; a child that was
    started again is heard from its first line."""
    child = Journal()
    with closing_journal():
        journal = open_journal(tmp_path, to_stderr=False)
        repeater = Repeater("alpha.kraken")
        for _run in range(2):
            async with trio.open_nursery() as nursery:
                path = tmp_path / "child.sock"
                await nursery.start(serve_control, path, log_operations(child))
                client = ControlClient(path)
                for number in range(3):
                    child.keep(_told(f"line {number}"))
                    await trio.to_thread.run_sync(repeater.follow, client)
                    repeater.hear(child.newest())
                client.close()
                nursery.cancel_scope.cancel()
            child = Journal()
            child.epoch_ns += 1
    assert _texts(journal) == ["line 0", "line 1", "line 2"] * 2
    assert {line["ts_ns"] for line in journal.lines()} == {1_790_000_000_000_000_000}
    assert {line["pid"] for line in journal.lines()} == {77}
    assert _file(tmp_path) == ""


FULL_PIPE = """
import logging, sys
from pathlib import Path
import trio
from console.journal import closing_journal, flush_journal, open_journal
async def engine():
    beats = 0
    async def log():
        nonlocal logging_done
        for number in range(7000):
            logging.getLogger("ringside.feed").warning("line %d", number)
            if number % 100 == 0:
                await trio.sleep(0)
        logging_done = True
    logging_done = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log)
        while not logging_done or beats < 20:
            await trio.sleep(0.001)
            beats += 1
    print("beaten", len(journal.lines()), flush=True)
with closing_journal():
    journal = open_journal(Path(sys.argv[1]), to_stderr=True)
    trio.run(engine)
    if sys.stdin.readline():
        flush_journal()
        logging.getLogger("ringside.feed").warning("after")
"""


def _full_pipe(directory: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", FULL_PIPE, str(directory)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def test_a_stderr_that_nobody_reads_stops_no_loop(tmp_path: Path) -> None:
    """The loop beats on while the pipe is full; once it is read, each line is there or counted, in order. The journal
    has them all, and so has the file."""
    with _full_pipe(tmp_path) as process:
        assert process.stdout is not None
        with _killed_when_late(process):
            assert process.stdout.readline() == f"beaten {KEPT_LINES}\n"
            _, said = process.communicate("go on\n")
    assert process.returncode == 0
    assert _accounted(said, "nobody read them") == _accounted(_file(tmp_path), "the disk was too slow") == 7000
    assert "lines were not written here: nobody read them" in said
    assert said.splitlines()[-1].endswith("after")


def _accounted(log: str, reason: str) -> int:
    # How many of the numbered lines stand there or are counted in their place, in order.
    reached = 0
    for line in log.splitlines():
        text = line.partition(": ")[2]
        left, _, why = text.partition(" lines were not written here: ")
        if why:
            assert why == reason
            reached += int(left.replace(",", ""))
        elif text != "after":
            assert text == f"line {reached}"
            reached += 1
    return reached


def test_a_stderr_that_nobody_reads_stops_no_end(tmp_path: Path) -> None:
    """A program with a full pipe ends by itself, and the file has what was logged."""
    with _full_pipe(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        with _killed_when_late(process):
            assert process.stdout.readline()
            process.stdin.close()
            assert process.wait() == 0
    assert _accounted(_file(tmp_path), "the disk was too slow") == 7000


@contextmanager
def _killed_when_late(process: subprocess.Popen[str]) -> Iterator[None]:
    timer = threading.Timer(60.0, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def test_a_disk_that_hangs_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a write to the file hangs, the journal has every line; then the file says how many it has not."""
    go, append = threading.Event(), LogFile.write

    def hang(file: LogFile, line: str) -> None:
        assert go.wait(60.0)
        append(file, line)

    monkeypatch.setattr(LogFile, "write", hang)
    journal = open_journal(tmp_path, to_stderr=False)
    for number in range(QUEUED_LINES + 900):
        LOG.info("line %d", number)
    assert _texts(journal)[-1] == f"line {QUEUED_LINES + 899}"
    go.set()
    flush_journal()
    LOG.info("after")
    *lines, told, last = (line.partition(": ")[2] for line in _file(tmp_path).splitlines())
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert told == f"{QUEUED_LINES + 900 - len(lines)} lines were not written here: the disk was too slow"
    assert last == "after"


def _told(text: str) -> Any:
    from console.logbook.entry import Entry

    return Entry(ts_ns=1_790_000_000_000_000_000, level="info", logger="ringside.kraken", text=text, pid=77)
