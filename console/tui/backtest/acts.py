"""What the keys of the Backtest screen do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from console.tui.backtest.rows import Task

if TYPE_CHECKING:
    from console.tui.app import RingsideApp

PAGE: Final = 5


def _begin(task: Task) -> Callable[[RingsideApp], None]:
    def act(app: RingsideApp) -> None:
        _to_screen(app)
        if said := app.panes.backtest.backtest.begin(task):
            app.say(said)

    return act


def _to_screen(app: RingsideApp) -> None:
    # From the palette they may be asked for anywhere.
    if app.page != PAGE or app.panes.help.display:
        app.show_page(PAGE)


def _plots(app: RingsideApp) -> None:
    _to_screen(app)
    backtest = app.panes.backtest.backtest
    backtest.plots, backtest.top = not backtest.plots, 0


def _ask_name(app: RingsideApp) -> None:
    _to_screen(app)
    app.panes.keys.display = False
    app.prompt.ask("save", question="save the result as, ending with .html, .json or .csv:")


def save(app: RingsideApp, name: str) -> None:
    """Write the result to the file that was typed."""
    if name.strip():
        app.say(app.panes.backtest.backtest.runs.save(name.strip()))


BACKTEST_ACTS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    "check": _begin("check"),
    "run": _begin("run"),
    "plots": _plots,
    "save": _ask_name,
}
"""What to do for each act of that screen alone."""
