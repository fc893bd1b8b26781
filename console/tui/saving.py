"""Acts that run a command of ours beside the screen and say then how it went: an incident bundle, the doctor."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from console.tui.child import COMMAND
from console.tui.text import clean, short_bytes

if TYPE_CHECKING:
    from console.tui.app import RingsideApp

LONGEST_S: Final = 120.0
_MOST_SAID: Final = 300
_NAMED: Final = 3


def save_incident(app: RingsideApp) -> None:
    """Save an incident bundle of the engine that is shown, or of the machine where none can be reached. It changes
    nothing: a read-only engine allows it."""
    from console.tui.changes import engine_name

    name = engine_name(app)
    app.say(f"saving an incident bundle{f' of {name}' if name else ''} ...")
    begin(app, ("incident", *((name,) if name else ()), "--json"), saved)


def look_over(app: RingsideApp) -> None:
    """Have the doctor look at the machine."""
    app.say("looking at the machine and the settings ...")
    begin(app, ("doctor", "--json"), diagnosed)


def begin(
    app: RingsideApp,
    arguments: Sequence[str],
    read: Callable[[dict[str, Any]], str],
    *,
    command: Sequence[str] = COMMAND,
) -> threading.Thread:
    """Run a command in a process of its own; a sentence about what it printed is said when it is there."""
    answers = app.link.answers

    def follow() -> None:
        answers.put(clean(outcome([*command, *arguments], read), limit=_MOST_SAID))

    thread = threading.Thread(target=follow, name=arguments[0], daemon=True)
    thread.start()
    return thread


def outcome(command: Sequence[str], read: Callable[[dict[str, Any]], str]) -> str:
    """What became of a command, in one sentence, whatever it printed. Blocks until it ends or is ended."""
    try:
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_S, check=False
        )
        document = msgspec.json.decode(done.stdout)
        if "error" in document:
            return f"not done: {document['error']['message']} {document['error'].get('hint', '')}".rstrip()
        return read(document)
    except subprocess.TimeoutExpired:
        return f"not done: it took longer than {LONGEST_S:g} s"
    except OSError as error:
        return f"not done: {error.strerror or error}"
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return "not done: what it printed cannot be read; try it in a terminal"


def saved(document: dict[str, Any]) -> str:
    """Where a bundle is, and how large."""
    missing = f", {document['missing']} not to be had" if document["missing"] else ""
    size = short_bytes(document["bytes"])
    return f"{document['path']}: the incident ({size}, {document['files']} files{missing})"


def diagnosed(document: dict[str, Any]) -> str:
    """What the doctor found, the worst first."""
    rows = [row for row in document["rows"] if row["state"] in ("error", "warning")]
    rows.sort(key=lambda row: row["state"] != "error")
    named = "; ".join(f"{row['check']}: {row['found']}" for row in rows[:_NAMED])
    more = " (ringside doctor tells all)" if rows else ""
    return f"doctor: {document['summary']}" + (f": {named}" if named else "") + more
