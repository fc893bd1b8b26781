"""What the keys of the Accounts screen do, and the commands that reach the desk from anywhere.

Each is asked for by name first, and typed again: it changes what strategies do with somebody's account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from console.tui.accounts.document import Desk
from console.tui.changes import Pending, ask_name_of, is_changeable
from console.tui.commands import DESK_ACTS, EVERYTHING
from core.errors import UsageError

if TYPE_CHECKING:
    from console.tui.app import RingsideApp

PAGE: Final = 2


_DOES: Final[Mapping[str, str]] = {
    "pause": "it only looks on",
    "resume": "it gives orders again",
    "halt": "only what reduces a position is allowed",
    "release": "all orders are allowed again",
    "flatten": "takes back orders, closes positions",
    "kill": "pauses, halts and closes everything",
}
assert _DOES.keys() == set(DESK_ACTS)


def targets(desk: Desk, act: str) -> list[str]:
    """What an act can be about: labels of strategies, ids of accounts, or all of them."""
    if act == "kill":
        return []
    labels = [] if act in ("halt", "release") else desk.labels
    return list(dict.fromkeys((*labels, *desk.account_ids, EVERYTHING)))


def trades_on_paper(app: RingsideApp) -> bool:
    """Whether the engine's status says so."""
    return app.snapshot is not None and app.snapshot.status is not None and app.snapshot.status.paper is not None


def act_on(app: RingsideApp, act: str, target: str) -> None:
    """Have the desk do `act`, once the name of its target was typed again; of what is about all that of the desk.

    Raises:
        UsageError: the desk is known and has no such target, or no name of a desk is known that could be typed.
    """
    heard = app.link.accounts
    if not heard.beside and not is_changeable(app):
        return
    if heard.refused or (heard.desk is None and not trades_on_paper(app)):
        app.say("this engine does not trade on paper; screen 2 says how to begin")
        return
    desk = heard.desk
    if act == "kill":
        target = EVERYTHING
    elif desk is not None:
        target = _known(targets(desk, act), target)
    name = target if target != EVERYTHING else "" if desk is None else desk.name
    if not name:
        raise UsageError("no desk is known yet", act, hint="screen 2 shows it once it has answered")
    ask_name_of(
        app,
        f"{act} {target}: {_DOES[act]}",
        Pending(
            name=name,
            operation=act,
            arguments={"target": target, "confirm": name},
            done=f"asked for {act} {target}",
            kept=f"no {act}",
        ),
    )


def _ask(app: RingsideApp, act: str, target: str) -> None:
    try:
        act_on(app, act, target)
    except UsageError as error:
        app.say(str(error))


def _known(names: Sequence[str], typed: str) -> str:
    found = [one for one in names if one == typed] or [one for one in names if one.lower() == typed.lower()]
    if len(found) != 1:
        shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
        raise UsageError("no such strategy or account", f"{typed[:40]!a}"[1:-1] or "nothing", hint=f"one of {shown}")
    return found[0]


def ask_target(act: str) -> Callable[[RingsideApp], None]:
    """Begin to type the command `act`; one that is about everything asks for the name at once."""

    def do(app: RingsideApp) -> None:
        if act == "kill":
            _ask(app, act, "")
        else:
            app.panes.keys.display = False
            app.prompt.ask("command", text=f"{act} ")

    return do


def _of_lane(act: str) -> Callable[[RingsideApp], None]:
    def do(app: RingsideApp) -> None:
        pane = app.panes.accounts
        if not _in_sight(app):
            return
        if pane.place.focus != "strategies":
            pane.focus_on("strategies")
            app.say(f"choose a strategy, then {act} it")
        elif pane.lane is None:
            app.say("no strategy is chosen")
        else:
            _ask(app, act, pane.lane.label)

    return do


def _of_account(act: str) -> Callable[[RingsideApp], None]:
    def do(app: RingsideApp) -> None:
        if not _in_sight(app):
            return
        account = app.panes.accounts.account
        if account is None:
            app.say("no account is chosen")
        else:
            _ask(app, act, account.id)

    return do


def _in_sight(app: RingsideApp) -> bool:
    # From the palette they may be asked for anywhere; what they are about must be seen.
    if app.page == PAGE and not app.panes.help.display:
        return True
    app.show_page(PAGE)
    return False


def next_pane(app: RingsideApp, step: int) -> None:
    """Give the keys to another list."""
    if _in_sight(app):
        app.panes.accounts.next_pane(step)


def _choose(step: int) -> Callable[[RingsideApp], None]:
    def do(app: RingsideApp) -> None:
        if _in_sight(app):
            app.panes.accounts.choose(step)

    return do


def _notes(app: RingsideApp) -> None:
    if _in_sight(app):
        app.panes.accounts.toggle_notes()


ACCOUNT_ACTS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    "pause_strategy": _of_lane("pause"),
    "resume_strategy": _of_lane("resume"),
    "halt_account": _of_account("halt"),
    "release_account": _of_account("release"),
    "next_account": _choose(1),
    "previous_account": _choose(-1),
    "notes": _notes,
}
"""What to do for each act of that screen alone."""
