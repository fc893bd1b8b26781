"""What the keys of the Routing screen do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.tui.changes import Pending, ask_name_of

if TYPE_CHECKING:
    from console.tui.app import RingsideApp

PAGE: Final = 4


def price(app: RingsideApp) -> None:
    """Ask what the plan costs."""
    _to_screen(app)
    if said := app.panes.routing.routing.price():
        app.say(said)


def fetch(app: RingsideApp) -> None:
    """Fetch what was planned; what costs money once its name was typed."""
    _to_screen(app)
    routing, snapshot = app.panes.routing.routing, app.snapshot
    status = None if snapshot is None else snapshot.status
    ask = routing.ask_fetch()
    if status is not None and status.read_only:
        app.say("refused: this engine is read-only; it was started with --read-only")
    elif ask.why:
        app.say(ask.why)
    elif not ask.name:
        routing.planning.begin_fetch(ask)
    else:
        pending = Pending(
            name=ask.name,
            act=lambda: routing.planning.begin_fetch(ask),
            done=f"fetching {ask.name}",
            kept="nothing is fetched",
        )
        ask_name_of(app, ask.title, pending)


def _to_screen(app: RingsideApp) -> None:
    # From the palette they may be asked for anywhere.
    if app.page != PAGE or app.panes.help.display:
        app.show_page(PAGE)
