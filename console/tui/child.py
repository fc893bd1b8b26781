"""A command in a process of its own, followed by threads: the screen never waits for it, and can end it at any time.

What it prints may be anything: it is bounded, and read where nothing of the screen can break.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Final, Generic, Literal, TypeVar

import attrs
import msgspec

from console.tui.answers import Raw, read_mapping, read_text
from console.tui.text import clean, short_bytes
from core.clock import NS_PER_S, monotonic_ns

Answer = TypeVar("Answer")
State = Literal["running", "done", "failed", "cancelled"]

COMMAND: Final = (sys.executable, "-m", "console", "--batch")
MOST_BYTES: Final = 64 * 1024 * 1024
"""A larger result is refused."""
GRACE_S: Final = 2.0
"""So long a child that is cancelled may take to end by itself; then it is killed."""
_LOOK_S: Final = 0.1
_LINES: Final = 50
_LINE_BYTES: Final = 64 * 1024
_FLOOD_PAUSE_S: Final = 0.01


class UnreadableError(Exception):
    """What a child printed is not what it was asked for."""


@attrs.frozen(kw_only=True)
class Progress(Generic[Answer]):
    """How a child stands. `share` is from 0 to 1, None before it says, and
    begins anew at `stage_ns` with each stage of the work; `answer` is there once it is "done";
    `message` and `hint` say why it "failed", and `said` is what it wrote on stderr, the newest last."""

    state: State
    share: float | None = None
    text: str = ""
    began_ns: int = 0
    stage_ns: int = 0
    ended_ns: int = 0
    answer: Answer | None = None
    message: str = ""
    hint: str = ""
    said: tuple[str, ...] = ()

    def elapsed_s(self, now_ns: int) -> float:
        """Seconds since it began, until it ended."""
        return max((self.ended_ns or now_ns) - self.began_ns, 0) / NS_PER_S

    def left_s(self, now_ns: int) -> float | None:
        """Seconds this stage of it will take at this pace; None while nobody can tell."""
        if self.state != "running" or not self.share:
            return None
        return max(now_ns - self.stage_ns, 0) / NS_PER_S * (1 - self.share) / self.share


class Child(Generic[Answer]):
    """Runs `command` with `arguments` and has `read` make an answer of the JSON object it prints; `read` raises
    `UnreadableError` when it is something else. `start` it once."""

    def __init__(
        self, arguments: Sequence[str], read: Callable[[Raw], Answer], *, command: Sequence[str] = COMMAND
    ) -> None:
        self.arguments = tuple(arguments)
        self.progress: Progress[Answer] = Progress(state="running", began_ns=monotonic_ns())
        self._command, self._read = tuple(command), read
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        self._lock, self._over = threading.Lock(), threading.Event()
        self._said: deque[str] = deque(maxlen=_LINES)
        self._thread = threading.Thread(target=self._run, name="child", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.progress.state == "running"

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to end, and end it when it does not."""
        self._cancelled = True
        self._signal(signal.SIGINT)
        timer = threading.Timer(GRACE_S, self._signal, args=(signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def stop(self) -> None:
        """End it at once, with everything it started."""
        self._cancelled = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)  # it leads a group of its own
            else:
                process.send_signal(number)

    def _run(self) -> None:
        try:
            ended = self._follow()
        except (OSError, ValueError) as error:
            ended = self._failed(f"it could not be started: {clean(str(error))}")
        except Exception as error:  # noqa: BLE001 - whatever it printed must not take the screen down
            ended = self._failed(f"its answer cannot be read: {type(error).__name__}: {clean(str(error))}")
        if self._cancelled and ended.state != "done":
            ended = attrs.evolve(ended, state="cancelled", message="", hint="")
        with self._lock:
            self.progress = attrs.evolve(ended, ended_ns=monotonic_ns(), said=tuple(self._said))
        self._over.set()

    def _failed(self, message: str, *, hint: str = "") -> Progress[Answer]:
        return attrs.evolve(self.progress, state="failed", message=message, hint=hint)

    def _follow(self) -> Progress[Answer]:
        process = self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [*self._command, *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if self._cancelled:  # before there was anything to signal
            self._signal(signal.SIGKILL)
        printed = _Printed(process.stdout, MOST_BYTES)
        listener = threading.Thread(target=self._listen, args=(process.stderr,), name="child-talk", daemon=True)
        listener.start()
        # Its output has ended when it closes it, or when it ends: another process may hold it open for ever.
        while not printed.wait(_LOOK_S) and process.poll() is None:
            pass
        self._end(process, patient=not printed.too_much)
        printed.wait(GRACE_S)
        listener.join(GRACE_S)
        if printed.too_much:
            return self._failed(f"its result is larger than {short_bytes(MOST_BYTES)}", hint="choose a shorter range")
        return self._conclude(printed.bytes(), process.returncode)

    def _end(self, process: subprocess.Popen[bytes], *, patient: bool) -> None:
        # What is left of it, and of what it started, goes.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S if patient else 0)
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _listen(self, stream: IO[bytes]) -> None:
        rest = b""
        with stream, contextlib.suppress(OSError, ValueError):
            while not self._over.is_set() and (chunk := os.read(stream.fileno(), _LINE_BYTES)):
                *lines, rest = (rest[-_LINE_BYTES:] + chunk).split(b"\n")
                for line in lines[-_LINES:]:  # of a flood only the end is of interest
                    self._hear(line)
                if len(chunk) == _LINE_BYTES:
                    self._over.wait(_FLOOD_PAUSE_S)  # and it waits for us, not the engine in this process for it
            self._hear(rest)

    def _hear(self, line: bytes) -> None:
        try:
            row = msgspec.json.decode(line)
            share = float(row["progress"])
            text = read_text(row, "text")
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            if said := clean(line.decode("utf-8", "replace").strip(), limit=500):
                self._said.append(said)
            return
        with self._lock:  # who has escaped may talk on when all is over
            if share != share or not self.running:  # noqa: PLR0124 - not a number
                return
            anew = self.progress.share is None or share < self.progress.share
            stage_ns = monotonic_ns() if anew else self.progress.stage_ns
            self.progress = attrs.evolve(self.progress, share=min(max(share, 0.0), 1.0), text=text, stage_ns=stage_ns)

    def _conclude(self, printed: bytes, code: int) -> Progress[Answer]:
        try:
            document = msgspec.json.decode(printed)
        except (msgspec.DecodeError, RecursionError):
            return self._failed(self._no_answer(printed, code))
        if not isinstance(document, dict):
            return self._failed(self._no_answer(printed, code))
        error = read_mapping(document, "error")
        if error:
            message = read_text(error, "message", limit=500) or f"exit code {code}"
            return self._failed(message, hint=read_text(error, "hint", limit=500))
        try:
            answer = self._read(document)
        except UnreadableError as failure:
            return self._failed(clean(str(failure)))
        return attrs.evolve(self.progress, state="done", share=1.0, answer=answer)

    def _no_answer(self, printed: bytes, code: int) -> str:
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}"
        last = self._said[-1] if self._said else ""
        what = "what it printed is not JSON" if printed.strip() else "it printed nothing"
        return f"{what}, exit code {code}" + (f": {last}" if last else "")


class _Printed:
    # What comes out of a stream until it ends or there is more than `most`, read by a thread that closes it.
    def __init__(self, stream: IO[bytes] | None, most: int) -> None:
        assert stream is not None
        self._stream, self._most, self._chunks, self._size = stream, most, list[bytes](), 0
        self._thread = threading.Thread(target=self._read, name="child-answer", daemon=True)
        self._thread.start()

    @property
    def too_much(self) -> bool:
        return self._size > self._most

    def bytes(self) -> bytes:
        return b"".join(self._chunks)

    def wait(self, most_s: float) -> bool:
        # Whether it has ended, after at most so long.
        self._thread.join(most_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        with self._stream, contextlib.suppress(OSError, ValueError):
            while not self.too_much and (chunk := os.read(self._stream.fileno(), 1 << 20)):
                self._chunks.append(chunk)
                self._size += len(chunk)
