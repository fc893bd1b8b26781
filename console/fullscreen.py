"""Opens the full-screen console: on an engine that runs elsewhere, or on one of its own in a thread beside it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from config.paths import find_paths
from config.schema import Settings
from console.batch import attach, demo, engine_plan, output
from console.batch.serve import PARTLY_DONE, is_partly_done, not_yet_stored, paper_words
from console.batch.settings_options import passed_on, settings_from
from console.plan import EnginePlan
from console.temporary import temporary_home
from core.errors import ConsoleError, TransientError, UsageError, single_error

if TYPE_CHECKING:
    from console.supervise import Engine
    from console.tui.backtest.filling import Filling

# The engine's thread must get the interpreter back quickly while a frame is drawn: with the default of 5 ms its
# worst delays from socket to ring were five times longer.
SWITCH_INTERVAL_S = 0.0002
STOP_S = 90.0


def open_console(arguments: argparse.Namespace) -> int:
    """Run the console for `serve`, `demo`, `attach` or `backtest`; the exit code.

    Raises:
        ConsoleError: there is no usable terminal, or the engine could not start.
    """
    require_terminal()
    own = settings_from(arguments).settings  # before a demonstration moves the home
    if arguments.command == "attach":
        return _show(attach.find_socket(arguments.instance), own, inline=False)
    if arguments.command == "backtest":
        return _open_backtest(arguments, own)
    pictures = Path.cwd() if arguments.command == "demo" else None  # a demo's own home does not outlive it
    with temporary_home() if arguments.command == "demo" else nullcontext():
        serve = demo.serve_arguments(arguments) if arguments.command == "demo" else arguments
        plan, settings = engine_plan.make_plan(serve, host="inline")
        shown = attrs.evolve(settings, screen=own.screen)
        return run_inline(plan, shown, pictures=pictures, filling=_same_settings(serve))


def _same_settings(serve: argparse.Namespace) -> Filling | None:
    # A backtest begun on the screen reads the store that the engine of this process writes.
    from console.tui.backtest.filling import Filling

    passed = passed_on(serve)
    return Filling(passed=passed) if passed else None


def wants_screen(arguments: argparse.Namespace) -> bool:
    """Whether the console is what a command line asks for; a backtest that is to print something else is not."""
    if arguments.command != "backtest":
        return True
    prints = arguments.list or arguments.preview or arguments.verify is not None or arguments.out or arguments.trades
    return not prints and arguments.format == "table"


def _open_backtest(arguments: argparse.Namespace, settings: Settings) -> int:
    # On the engine that runs, if there is one; a backtest needs none.
    from console.batch import backtest
    from console.tui.backtest.filling import filling_of
    from console.tui.backtest.form import Form
    from console.tui.backtest.screen import known_strategies

    parser = argparse.ArgumentParser()
    backtest.prepare(parser)
    filling = filling_of(arguments, parser.parse_args([]), Form(known_strategies()))
    try:
        path = attach.find_socket("")
    except ConsoleError:
        path = None
    return _show(path, settings, inline=False, filling=filling)


def require_terminal() -> None:
    """Raise `UsageError` when there is no terminal that can show a screen."""
    if not (sys.stdin.isatty() and (sys.stdout.isatty() or sys.stderr.isatty())):
        raise UsageError("no terminal", "the console needs one", hint="over SSH use ssh -t, or run with --batch")
    if os.environ.get("TERM", "") in {"", "dumb"}:
        raise UsageError("unusable terminal", f"TERM={os.environ.get('TERM', '')!r}", hint="run with --batch")


def run_inline(
    plan: EnginePlan, settings: Settings, *, pictures: Path | None = None, filling: Filling | None = None
) -> int:
    """Run an engine in a thread and the console on it; stop the engine when the console is left.

    Exported pictures go to the directory `pictures`, to the user's own when None. See `RingsideApp` for `filling`.
    """
    from console.journal import closing_journal, open_journal
    from console.supervise import Engine

    engine = Engine(plan, open_journal(find_paths().logs, to_stderr=False, log=plan.log, instance=plan.instance))
    host = _EngineThread(engine)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with _signals_noted() as noted, closing_journal():

        def watch(leave: Callable[[], None]) -> None:
            # Called once the screen answers signals itself: one that came before that has been noted only.
            host.watch(leave)
            if noted:
                leave()

        path = host.start()
        try:
            code = _show(path, settings, inline=True, watch=watch, pictures=pictures, filling=filling)
        finally:
            if host.running:
                output.talk("stopping the engine: storing what is still in the rings …")
            host.stop()
        output.talk(*not_yet_stored(engine.summary.get("store")), *paper_words(engine.summary.get("paper")))
        if is_partly_done(engine.summary):
            return PARTLY_DONE
        return 128 + noted[0] if noted else code


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    # While the screen is up it answers signals itself. Before and after, one must not end the process in the middle
    # of storing: it is noted, and what is under way is finished.
    noted: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda sent, _frame: noted.append(sent)) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(
    path: Path | None,
    settings: Settings,
    *,
    inline: bool,
    filling: Filling | None = None,
    watch: Callable[[Callable[[], None]], None] | None = None,
    pictures: Path | None = None,
) -> int:
    from console.tui.app import run_console

    screen = settings.screen
    return run_console(
        path,
        desk=settings.paper_trading.desk,
        frames_per_s=screen.frames_per_s,
        low_bandwidth=screen.low_bandwidth,
        ascii_only=screen.ascii_only,
        theme=screen.theme,
        inline=inline,
        watch=watch,
        pictures=pictures,
        filling=filling,
    )


class _EngineThread:
    """`trio.run` in a thread: started, watched, stopped, its failure raised where it can be shown."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._ready = threading.Event()
        self._path: Path | None = None
        self._failure: BaseException | None = None
        self._when_ended: Callable[[], None] | None = None

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> Path:
        """Start the engine and wait for its control socket; raises what kept it from starting."""
        self._thread.start()
        self._ready.wait()
        if self._path is None:
            self._thread.join()
            raise self._failure or AssertionError("the engine ended before it began")
        return self._path

    def watch(self, when_ended: Callable[[], None]) -> None:
        """Call `when_ended`, in the engine's thread, when the engine ends by itself; at once if it already has."""
        self._when_ended = when_ended
        if not self.running:
            when_ended()

    def stop(self) -> None:
        """Stop the engine, wait until its store is complete, and raise the failure it ended with, if any."""
        self._when_ended = None
        self._engine.stop()
        self._thread.join(STOP_S)
        if self.running:
            raise TransientError("the engine does not stop", "what it has not stored by now is lost")
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        import trio

        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread, after the terminal is restored
            self._failure = error
        finally:
            self._ready.set()
            if self._when_ended is not None:
                self._when_ended()

    async def _main(self) -> None:
        import trio

        with single_error():
            async with trio.open_nursery() as nursery:
                self._path = await nursery.start(self._engine.run)
                self._ready.set()
