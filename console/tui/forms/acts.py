"""What the keys do that mean the same on every screen with a form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from console.tui.app import RingsideApp
    from console.tui.forms.screen import FormScreen

ROUTING: Final = 4
BACKTEST: Final = 5


def screen_of(app: RingsideApp) -> FormScreen[Any] | None:
    """The form in sight, None where there is none."""
    if app.panes.help.display:
        return None
    if app.page == ROUTING:
        return app.panes.routing.routing
    return app.panes.backtest.backtest if app.page == BACKTEST else None


def _do(act: Callable[[FormScreen[Any]], None]) -> Callable[[RingsideApp], None]:
    def do(app: RingsideApp) -> None:
        # From the palette they may be asked for anywhere.
        if screen_of(app) is None:
            app.show_page(app.page if app.page in (ROUTING, BACKTEST) else BACKTEST)
        if (screen := screen_of(app)) is not None:
            act(screen)

    return do


def _cancel(app: RingsideApp) -> None:
    said = app.panes.routing.routing.cancel() if app.page == ROUTING else app.panes.backtest.backtest.cancel()
    if said:
        app.say(said)


FORM_ACTS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    "next_choice": _do(lambda screen: screen.turn(1)),
    "previous_choice": _do(lambda screen: screen.turn(-1)),
    "other_pane": _do(lambda screen: screen.other_pane()),
    "cancel": _cancel,
}
"""What to do for each act of those screens."""
