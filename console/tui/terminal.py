"""The terminal's safety: it is given back as it was whatever ends the program, and no input kills the program.

Textual reads strict UTF-8, dies of an old-style mouse report, hangs when a hung-up terminal refuses its output, and
leaves raw mode behind on SIGTERM and SIGHUP. Each is mended here, in a driver of our own and handlers round it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TextIO

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

if TYPE_CHECKING:
    from textual.app import App

SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
HUNG_UP: Final = 128 + signal.SIGHUP
_MOUSE_REPORT: Final = b"\x1b[M"
_STALLED_S: Final = 1.0
_CLIPBOARD: Final = "\x1b]52;"
_RESET: Final = (
    "\x1b[<u\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[?2048l"
    "\x1b[?7h\x1b[0m\x1b[?1049l\x1b[?25h"
)


class InputCleaner:
    """Bytes from a terminal to text that the key parser survives.

    Old-style (X10) mouse reports are `ESC [ M` and three raw bytes, which as text would be keys nobody pressed, `q`
    among them: they are left out. What is not UTF-8 is left out too.
    """

    def __init__(self) -> None:
        self._held = b""
        self._decode = getincrementaldecoder("utf-8")(errors="ignore").decode

    def feed(self, data: bytes) -> str:
        """The text in `data`; the beginning of an unfinished mouse report is held back until more comes."""
        pending, self._held = self._held + data, b""
        kept = bytearray()
        while (at := pending.find(_MOUSE_REPORT)) >= 0:
            kept += pending[:at]
            if len(pending) - at < len(_MOUSE_REPORT) + 3:
                self._held = pending[at:]
                return self._decode(bytes(kept))
            pending = pending[at + len(_MOUSE_REPORT) + 3 :]
        if pending.endswith(b"\x1b["):
            pending, self._held = pending[:-2], b"\x1b["
        return self._decode(bytes(kept + pending))

    def idle(self) -> str:
        """What was held back, once nothing more came: a lone `ESC [` was a key; half a mouse report was nothing."""
        held, self._held = self._held, b""
        return held.decode() if held == b"\x1b[" else ""


def past_tmux(sequence: str) -> str:
    """An escape sequence in the envelope that tmux hands on to the terminal round it."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"


class _Unbreakable:
    # A text file whose terminal may hang up: writing then does nothing instead of ending the writer's thread, after
    # which the screen would wait for ever for somebody to take its output.
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            return

    def fileno(self) -> int:
        return self._file.fileno()


def _screen_file() -> TextIO:
    # Textual draws on stderr, which people redirect to keep the log of a program: then stdout is the screen.
    files = [file for file in (sys.__stderr__, sys.__stdout__) if file is not None]
    return next((file for file in files if file.isatty()), files[0])


class ConsoleDriver(LinuxDriver):
    """Textual's driver for a terminal that may send anything and vanish at any time."""

    hung_up: Callable[[], None] = staticmethod(lambda: None)
    """Called, in the input thread, when the terminal is gone."""
    left_cleanly = False

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = _Unbreakable(_screen_file())  # type: ignore[assignment]

    def write(self, data: str) -> None:
        """Write to the terminal. What is copied is also sent past tmux, which by default keeps it to itself."""
        super().write(data)
        if data.startswith(_CLIPBOARD) and os.environ.get("TMUX"):
            super().write(past_tmux(data))

    def stop_application_mode(self) -> None:
        """Give the terminal back."""
        super().stop_application_mode()
        type(self).left_cleanly = True

    def run_input_thread(self) -> None:
        """Read keys, mouse and replies until told to stop."""
        cleaner, parser = InputCleaner(), XTermParser(self._debug)
        while not self.exit_event.is_set():
            readable = select.select([self.fileno], [], [], 0.1)[0]
            if readable:
                data = self._read()
                if not data:
                    type(self).hung_up()
                    return
                text = cleaner.feed(data)
            else:
                text = cleaner.idle()
            # The parser takes an empty text for the end of all input.
            self._process(parser.feed(text) if text else (), parser)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def _process(self, messages: Iterable[Message], parser: XTermParser) -> None:
        for message in messages:
            self.process_message(message)
        for message in parser.tick():
            self.process_message(message)


class TerminalGuard:
    """Restores the terminal and turns signals into calls of `leave` with an exit code, while entered as a context.

    The first signal counts. When the terminal has stopped reading, so that the screen cannot finish its last write,
    its output queue is thrown away until it can.
    """

    def __init__(self, leave: Callable[[int], None]) -> None:
        self._leave = leave
        self._finished = threading.Event()
        self._previous: dict[signal.Signals, Any] = {}
        self._attributes: list[Any] | None = None
        self._unblocker: threading.Thread | None = None

    def __enter__(self) -> TerminalGuard:
        ConsoleDriver.left_cleanly = False
        try:
            self._attributes = termios.tcgetattr(sys.__stdin__ or 0)
        except (termios.error, OSError, ValueError):
            self._attributes = None
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._on_signal)
        ConsoleDriver.hung_up = staticmethod(lambda: self._leave(HUNG_UP))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._finished.set()
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        ConsoleDriver.hung_up = staticmethod(lambda: None)
        if self._attributes is not None and not ConsoleDriver.left_cleanly:
            self._restore(self._attributes)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._unblocker is None:
            self._unblocker = threading.Thread(target=self._unblock, name="terminal-guard", daemon=True)
            self._unblocker.start()
        self._leave(128 + number)

    def _unblock(self) -> None:
        delay_s = _STALLED_S
        while not self._finished.wait(delay_s):
            delay_s = 0.05
            try:
                termios.tcflush(_screen_file().fileno(), termios.TCOFLUSH)
                # Room in the queue wakes nobody: a signal does, and the write is then begun again.
                for thread in threading.enumerate():
                    if thread.name == "textual-output" and thread.ident is not None:
                        signal.pthread_kill(thread.ident, signal.SIGTERM)
            except (termios.error, OSError, ValueError):
                return

    @staticmethod
    def _restore(attributes: list[Any]) -> None:
        try:
            termios.tcsetattr(sys.__stdin__ or 0, termios.TCSANOW, attributes)
            os.write(_screen_file().fileno(), _RESET.encode())
        except (termios.error, OSError, ValueError):
            return
