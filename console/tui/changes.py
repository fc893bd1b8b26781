"""Changes to the engine that an operator asks for: symbols come and go, the engine stops. What takes something away
from others is done only after a name was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from console.tui.commands import find_key, parse_subject
from console.tui.snapshot import Key
from core.errors import UsageError

if TYPE_CHECKING:
    from console.tui.app import RingsideApp


@attrs.frozen(kw_only=True)
class Pending:
    """What is done once `name` was typed as it is: `act`, or else the engine is asked for an operation; `done` and
    `kept` say afterwards what became of it."""

    name: str
    operation: str = ""
    arguments: dict[str, str] = attrs.Factory(dict)
    act: Callable[[], None] | None = None
    done: str
    kept: str


def engine_name(app: RingsideApp) -> str:
    """The engine's name, empty while it cannot be reached."""
    status = None if app.snapshot is None else app.snapshot.status
    return "" if status is None or not app.snapshot or not app.snapshot.health.reachable else status.instance_id


def is_changeable(app: RingsideApp) -> bool:
    """Whether the engine would do what is asked of it; if not, it is said why. The engine refuses too: this spares
    the operator the typing."""
    if not engine_name(app):
        app.say("no engine can be reached that could be changed")
    elif app.snapshot is not None and app.snapshot.status is not None and app.snapshot.status.read_only:
        app.say("refused: this engine is read-only; it was started with --read-only")
    else:
        return True
    return False


def ask_name_of(app: RingsideApp, question: str, pending: Pending) -> None:
    """Ask for the name in `pending`, and do it when that was typed."""
    app.pending = pending
    app.panes.keys.display = False
    app.prompt.ask("confirm", question=f"{question}; type {pending.name} to do it:")


def confirm(app: RingsideApp, text: str) -> None:
    """Do what is pending if `text` is its name."""
    pending, app.pending = app.pending, None
    if pending is None:
        return
    if text.strip() == pending.name:
        if pending.act is not None:
            pending.act()
        else:
            app.link.ask(pending.operation, **pending.arguments)
        app.say(pending.done)
    else:
        app.say(f"{pending.kept}: the name was not typed as it is")


def shutdown(app: RingsideApp) -> None:
    """Ask for the engine's name, then stop it."""
    if is_changeable(app):
        pending = Pending(
            name=engine_name(app), operation="shutdown", done="asked the engine to stop", kept="not stopped"
        )
        ask_name_of(app, "stops the engine for everybody", pending)


def begin(job: str) -> Callable[[RingsideApp], None]:
    """Have the engine begin one of its jobs; a read-only one may refuse, and says so itself."""

    def act(app: RingsideApp) -> None:
        if engine_name(app):
            app.link.ask(job)
            app.say(f"asked for {job}")
        else:
            app.say("no engine can be reached that could do it")

    return act


def ask_symbol(app: RingsideApp) -> None:
    """Ask which symbol to subscribe to."""
    if app.page != 7:
        app.say("a subscribes on screen 7; :subscribe does everywhere")
    elif is_changeable(app):
        app.panes.keys.display = False
        app.prompt.ask("subscribe", question="symbol [venue]:")


def subscribe(app: RingsideApp, text: str) -> None:
    """Subscribe to `SYMBOL`, or to `SYMBOL VENUE`. Raises `UsageError` when the text is neither."""
    symbol, venue = parse_subject(text)
    if is_changeable(app):
        app.link.ask("subscribe", symbol=symbol, venue=venue)
        app.say(f"asked for {symbol} {venue}".strip())


def unsubscribe_selected(app: RingsideApp) -> None:
    """Unsubscribe from the symbol of the ring under the cursor, once its name was typed."""
    if app.page != 7:
        app.say("d unsubscribes on screen 7; :unsubscribe does everywhere")
        return
    ring = app.panes.instances.selected
    if ring is None:
        app.say("no ring is selected")
    else:
        _unsubscribe(app, (ring.symbol, ring.venue))


def unsubscribe(app: RingsideApp, text: str) -> None:
    """Unsubscribe from `SYMBOL` or `SYMBOL VENUE`, once its name was typed.

    Raises:
        UsageError: the text is neither, it is not on the board, or several venues are meant.
    """
    symbol, venue = parse_subject(text)
    key = find_key(f"{symbol} {venue}".strip(), app.keys)
    if key is None:
        raise UsageError("not on the board", f"{symbol} {venue}".strip(), hint="screen 7 lists what is streamed")
    venues = [one[1] for one in app.keys if one[0] == key[0]]
    if not venue and len(venues) > 1:
        raise UsageError("which venue", symbol, hint=f"there are {', '.join(venues)}")
    _unsubscribe(app, key)


def _unsubscribe(app: RingsideApp, key: Key) -> None:
    if is_changeable(app):
        symbol, venue = key
        pending = Pending(
            name=symbol, operation="unsubscribe", arguments={"symbol": symbol, "venue": venue},
            done=f"asked to leave {symbol} {venue}", kept=f"{symbol} stays",
        )  # fmt: skip
        ask_name_of(app, f"takes {symbol} {venue} from everybody", pending)
