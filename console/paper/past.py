"""A session on disk, of which only what is committed counts, be it over, killed or written at this moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from core.errors import ConsoleError, PermanentError
from core.sim.lines import Line, RingLine, decode_line
from core.sim.positions import Key
from core.sim.restoring import HINT, restored
from core.sim.state import DeskState, SessionHead, decode_head
from core.sim.tape import CONTEXT, END, TAPE, TRADE, Rows, Step, Steps, steps_of
from core.store.faults import storage_error

HEAD: Final = "session.json"
LEDGER: Final = "ledger.ndjson"
TAPE_FILE: Final = "tape.bin"
MOST_BEFORE: Final = 4
"""Looks no further back than so many sessions for how far a ring was read."""

_READING: Final = "reading the session"
_DAMAGED: Final = "damaged session"
_NO_STEP: Final = Step(kind=0, market=0, first=0, end=0, lines=0)


class Cursor(NamedTuple):
    """How far a ring was read: the ring by its file, its inode and the epoch of its producer, and the cursor."""

    ring: str
    inode: int
    epoch: int
    cursor: int


class Past:
    """The session in `folder`, as it stands when this is made: what the ledger and the tape both have of it.

    `steps` are the committed ones, `rows` and `lines` what belongs to them; `notes` say in words what was
    left out. A process that writes it is not disturbed, and its next step is not seen.

    Raises:
        PermanentError: a file is damaged otherwise than at its end; it says which and where.
        ConsoleError: a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.head: SessionHead = _read_head(folder / HEAD)
        # A step's lines are written before its rows: who reads the rows first finds all their lines.
        rows, torn_bytes = _read_rows(folder / TAPE_FILE)
        *raw, torn = _read(folder / LEDGER).split(b"\n")
        steps = self._steps_of(rows)
        lines, whole_lines = self._decoded(raw, steps)
        self.steps: Steps = steps[: steps.committed(whole_lines)]
        last = self.steps[-1] if self.steps else _NO_STEP
        self.lines: list[Line] = lines[: last.lines]
        self.rows: Rows = rows[: last.end]
        left_out = {
            "the last line of the ledger was not finished, bytes": len(torn),
            "the end of the ledger is damaged, lines": len(raw) - whole_lines,
            "the last step of the ledger was not finished, lines": whole_lines - len(self.lines),
            "the ledger is shorter than the tape, steps": len(steps) - len(self.steps),
            "the last step of the tape was not finished, rows": len(rows) - (steps[-1].end if steps else 0),
            "the last row of the tape was not finished, bytes": torn_bytes,
        }
        self.notes: tuple[str, ...] = tuple(f"{what} left out: {count}" for what, count in left_out.items() if count)

    def _steps_of(self, rows: Rows) -> Steps:
        try:
            steps = steps_of(rows)
        except ValueError as error:
            self._fail(TAPE_FILE, str(error), error)
        beyond = steps.market >= len(self.head.state.markets)
        if beyond.any():
            self._fail(TAPE_FILE, f"step {int(np.argmax(beyond)) + 1} is of a symbol that the session has not")
        return steps

    def _decoded(self, raw: Sequence[bytes], steps: Steps) -> tuple[list[Line], int]:
        # The lines that the tape may commit, and how many there are at all. What is no line at the very end was not
        # finished; when lines follow that are, something else happened to it.
        count = steps.committed(len(raw))
        lines: list[Line] = []
        for number in range(steps[count - 1].lines if count else 0):
            line = _line(raw[number])
            if line is None:
                if any(_line(one) is not None for one in raw[number + 1 :]):
                    self._fail(LEDGER, f"line {number + 1} is damaged")
                return lines, number
            lines.append(line)
        return lines, len(raw)

    def _fail(self, name: str, what: str, why: Exception | None = None) -> NoReturn:
        raise PermanentError(_DAMAGED, f"{self.folder / name}: {what}", hint=HINT) from why

    def state(self) -> DeskState:
        """What the desk was after the last committed step. Raises `PermanentError` when that does not add up."""
        try:
            return restored(self.head, self.lines, marks=self._marks())
        except PermanentError as error:
            subject = f"{self.folder / LEDGER}: {error.subject}"
            raise PermanentError(error.operation, subject, hint=error.hint or HINT) from error

    def cursors(self) -> dict[Key, Cursor]:
        """How far the ring of each symbol was read. Of a symbol of which this session had no trade that is what the
        one before it knows, and so on, `MOST_BEFORE` sessions back; what is not known is left out."""
        past, found, settled = self, dict[Key, Cursor](), set[Key]()
        for _ in range(MOST_BEFORE + 1):
            found = past._own_cursors(but=settled) | found
            settled.update(past._last_trades())
            if not past.head.resumed or settled.issuperset(one.instrument.key for one in past.head.state.markets):
                break
            try:
                past = Past(self.folder.parent / past.head.resumed)
            except ConsoleError:  # that it is gone is no reason not to go on
                break
        return found

    def _own_cursors(self, but: set[Key]) -> dict[Key, Cursor]:
        rings: dict[Key, tuple[int, RingLine]] = {}
        for number, line in enumerate(self.lines):
            if isinstance(line, RingLine):
                rings[line.venue, line.symbol] = number, line
        found = {}
        for key, last in self._last_trades().items():
            row = self.rows[last[-1]]
            if key not in but and key in rings and row["lines"] > rings[key][0]:  # else the row is of the ring before
                ring = rings[key][1]
                found[key] = Cursor(ring.ring, ring.inode, ring.epoch, int(row["cursor"]))
        return found

    def _marks(self) -> dict[Key, tuple[int, int]]:
        return {
            key: (int(self.rows["price_e9"][last[-1]]), int(self.rows["ts_ns"][last].max()))
            for key, last in self._last_trades().items()
        }

    def _last_trades(self) -> dict[Key, NDArray[np.int64]]:
        # Where the last row of each step of trades is, by symbol, for those that had trades.
        kinds = self.rows["kind"]
        ended = np.flatnonzero((kinds >= CONTEXT | END) & (kinds <= TRADE | END))
        markets = self.rows["market"][ended]
        mine = ((one.instrument.key, ended[markets == at]) for at, one in enumerate(self.head.state.markets))
        return {key: last for key, last in mine if len(last)}


def _read_head(path: Path) -> SessionHead:
    raw = _read(path)
    try:
        return decode_head(raw)
    except (ValueError, RecursionError, ConsoleError) as error:
        raise PermanentError(_DAMAGED, f"{path}: {str(error)[:200]!a}", hint=HINT) from error


def _read_rows(path: Path) -> tuple[Rows, int]:
    # The rows that are whole, and how many bytes follow. Mapped, because a tape may be larger than memory; it only
    # ever grows.
    fd = _open(path)
    with os.fdopen(fd, "rb") as file:
        try:
            count, torn = divmod(os.fstat(fd).st_size, TAPE.itemsize)
            rows: Rows = np.memmap(file, TAPE, "r", shape=(count,)) if count else np.empty(0, TAPE)
        except (OSError, ValueError) as error:
            raise PermanentError(_READING, f"{path}: {str(error)[:200]!a}") from error
    return rows, torn


def _read(path: Path) -> bytes:
    fd = _open(path)
    with os.fdopen(fd, "rb") as file:
        try:
            return file.read()
        except OSError as error:
            raise storage_error(_READING, path, error) from error


def _open(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise storage_error(_READING, path, error) from error
    if not os.path.isfile(fd):  # noqa: PTH113 - what was opened, whatever bears the name by now
        os.close(fd)
        raise PermanentError(_READING, f"{path} is no file", hint=HINT)
    return fd


def _line(raw: bytes) -> Line | None:
    try:
        return decode_line(raw)
    except (ValueError, RecursionError):
        return None
