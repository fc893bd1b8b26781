"""What the keys of the Log screen do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from console.tui.app import RingsideApp

PAGE: Final = 8
_SHIFT: Final = 20


def open_line(app: RingsideApp) -> None:
    """Show the line under the cursor in full; the engine is asked for what it did not tell of it yet."""
    line = app.panes.log.view.open()
    if line is not None and line.more:
        app.link.log.ask_whole(line.sequence)


def _pause(app: RingsideApp) -> None:
    app.panes.log.view.toggle_pause()


def _wrap(app: RingsideApp) -> None:
    view = app.panes.log.view
    view.wrapped, view.right = not view.wrapped, 0


def _shift(step: int) -> Callable[[RingsideApp], None]:
    def act(app: RingsideApp) -> None:
        view = app.panes.log.view
        view.wrapped, view.right = False, max(view.right + step, 0)

    return act


def _level(app: RingsideApp) -> None:
    app.panes.log.view.next_level()


LOG_ACTS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    "level": _level,
    "pause_log": _pause,
    "wrap": _wrap,
    "right_log": _shift(_SHIFT),
    "left_log": _shift(-_SHIFT),
}
"""What to do for each act of this screen alone."""
