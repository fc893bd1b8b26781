"""What the keys of the Data screen's map do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from console.tui.changes import Pending, ask_name_of

if TYPE_CHECKING:
    from console.tui.app import RingsideApp
    from console.tui.widgets.data import DataPane

PAGE: Final = 6


def _do(act: Callable[[DataPane], None]) -> Callable[[RingsideApp], None]:
    def do(app: RingsideApp) -> None:
        # From the palette they may be asked for anywhere.
        if app.page != PAGE or app.panes.help.display:
            app.show_page(PAGE)
        act(app.panes.data)

    return do


def price(app: RingsideApp) -> None:
    """Ask what the hole under the cursor costs."""
    _do(lambda pane: pane.price())(app)


def fetch(app: RingsideApp) -> None:
    """Fetch what was priced, once its name was typed."""
    if app.page != PAGE or app.panes.help.display:
        app.show_page(PAGE)
    pane = app.panes.data
    asked = pane.ask_fetch()
    if asked is None:
        app.say("m shows the map; from there a hole is priced and fetched")
    elif not asked.name:
        app.say(asked.why)
    else:
        pending = Pending(
            name=asked.name,
            act=lambda: pane.begin_fetch(asked),
            done=f"fetching {asked.name}",
            kept="nothing is fetched",
        )
        ask_name_of(app, asked.title, pending)


DATA_ACTS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    "map": _do(lambda pane: pane.toggle_map()),
    "next_day": _do(lambda pane: pane.step_day(1)),
    "previous_day": _do(lambda pane: pane.step_day(-1)),
    "spend": _do(lambda pane: pane.toggle_spend()),
}
"""What to do for each act of that screen alone."""
