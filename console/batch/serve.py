"""`serve`: run the engine without a screen until a signal, or until a recording ends."""

from __future__ import annotations

import argparse
import logging
import os
import signal
from typing import TYPE_CHECKING, Any

from console.batch import engine_options, output
from core.errors import TransientError, single_error

if TYPE_CHECKING:
    from console.supervise import Engine

# `timeout` and terminals may send one signal twice; only a later one means impatience.
REPEATED_S = 1.0

PARTLY_DONE = 9

logger = logging.getLogger("ringside.engine")

NAME = "serve"
HELP = "stream market data: publish it in rings, store it, show it"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    engine_options.add_engine_options(parser)
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve; the exit code is 0, 128 plus the signal that stopped it, or that of the error that ended it.

    A terminal that is closed stops nothing: whoever wants to can attach from another.
    """
    from console.batch.engine_plan import make_plan

    plan, _ = make_plan(arguments, host="daemon")
    return run_headless(plan, form=arguments.format)


def run_headless(plan: Any, *, form: str) -> int:
    """Run an engine in this thread and print its summary when it ends."""
    import trio

    from config.paths import find_paths
    from console.journal import closing_journal, open_journal
    from console.supervise import Engine

    engine = Engine(plan, open_journal(find_paths().logs, to_stderr=True, log=plan.log, instance=plan.instance))
    with closing_journal():
        code = trio.run(_run, engine)
    try:
        write_summary(engine.summary, form=form)
    except output.OutputError:
        if not code:
            raise  # stopped by a signal, after the terminal went: there is nobody to tell
    if not code and engine.summary["unavailable"] and not engine.summary["feeds"]:
        return TransientError.exit_code
    return PARTLY_DONE if is_partly_done(engine.summary) else int(code)


def is_partly_done(summary: dict[str, Any]) -> bool:
    """Whether a feed was given up or records were never stored."""
    store = summary.get("store")
    lost = 0 if store is None else sum(found["lost"] for _, found in _by_kind(store))
    return bool(lost or summary.get("errors"))


def write_summary(summary: dict[str, Any], *, form: str) -> None:
    """Print what happened: the whole of it as one object, or the feeds as rows and the rest in words on stderr."""
    if form == "json":
        output.write_object(summary, form=form)
        return
    output.write_rows(summary["feeds"], form=form)
    recovered, lost = summary["recovered"], summary["lost"]
    if recovered or lost:
        output.talk(f"trades that a stream did not bring: {recovered:,} recovered, {lost:,} lost")
    for venue in summary["unavailable"]:
        output.talk(f"nothing came from {venue}")
    for error in summary["errors"]:
        output.talk(f"given up: {error}")
    store = summary["store"]
    if store is not None:
        counts = _by_kind(store)
        # Bars are streamed by few.
        kept = ", ".join(f"{found['rows']:,} {what}" for what, found in counts if found["rows"] or what != "bars")
        lost = sum(found["lost"] for _, found in counts)
        output.talk(f"stored {kept}" + (f"; {lost:,} records were LOST" if lost else ""), *not_yet_stored(store))
    output.talk(*paper_words(summary.get("paper")))
    output.talk(f"{summary['instance_id']} ran for {summary['uptime_s']:.1f} s")


def _by_kind(store: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    others = (("quotes", "quotes"), ("books", "book_updates"), ("bars", "bars"))
    return [("trades", store), *((what, store[name]) for what, name in others)]


def not_yet_stored(store: dict[str, Any] | None) -> list[str]:
    """What else there is to say of the `store` of a summary: what waits, and what had been waiting before."""
    waiting, replayed = (store["waiting"], store["replayed"]) if store is not None else (0, 0)
    lines = (
        [f"{waiting:,} record{'s wait' if waiting != 1 else ' waits'} on this machine for the database"]
        if waiting
        else []
    )
    return lines + ([f"{replayed:,} records of an earlier run were stored"] if replayed else [])


def paper_words(paper: dict[str, Any] | None) -> list[str]:
    """What the `paper` of a summary comes to, in words; nothing when nobody traded on paper."""
    if paper is None or not paper["session"]:
        return []
    stopped = f"; stopped: {', '.join(paper['stopped'])}" if paper["stopped"] else ""
    counts = f"{paper['orders']:,} orders, {paper['fills']:,} fills"
    return [
        f"traded on paper: desk {paper['desk']}, session {paper['session']}: {counts}{stopped}",
        *(
            f"account {one['id']}: equity {one['equity'] or 'unknown'} {one['currency']}, realised {one['realised']}"
            for one in paper["accounts"]
        ),
    ]


def _has_terminal() -> bool:
    # Whether there is a controlling terminal, wherever our output goes. One that hung up cannot be opened any more,
    # which tells a lost SSH connection, which must not stop a daemon, from a SIGHUP that somebody sent.
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


async def _run(engine: Engine) -> int:
    import trio

    from console.batch.progress import show_progress

    stopped_by, asked_s = 0, 0.0
    had_terminal = _has_terminal()
    with single_error():
        async with trio.open_nursery() as nursery:

            async def obey_signals(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
                nonlocal stopped_by, asked_s
                with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
                    task_status.started()
                    async for number in signals:
                        if number == signal.SIGHUP and had_terminal and not _has_terminal():
                            logger.info("the terminal is gone; the engine goes on")
                            continue
                        if stopped_by and trio.current_time() - asked_s > REPEATED_S:
                            nursery.cancel_scope.cancel()  # asked twice: leave now, what is unsaved is lost
                        if stopped_by:
                            continue
                        stopped_by, asked_s = number, trio.current_time()
                        output.talk(f"{signal.Signals(number).name}: stopping; once more to leave at once")
                        engine.stop()

            await nursery.start(obey_signals)
            nursery.start_soon(show_progress, engine)
            await engine.run()
            nursery.cancel_scope.cancel()
    return 128 + stopped_by if stopped_by else 0
