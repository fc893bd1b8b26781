"""What each act does: `ACTS` by the names of `console.tui.actions`, and what is done with a typed line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual import events

from console.tui import changes, dataacts, logacts, saving
from console.tui.accounts import acts as account_acts
from console.tui.accounts.acts import trades_on_paper
from console.tui.accounts.document import copy_account
from console.tui.actions import SCREENS, name_of
from console.tui.alerts import acts as alert_acts
from console.tui.backtest import acts as backtest_acts
from console.tui.boardrows import copy_text
from console.tui.commands import ALERT_ACTS, DESK_ACTS, Command, find_key, parse_command
from console.tui.datarows import copy_series
from console.tui.focus import AUTOMATIC, INTERVALS_NS
from console.tui.forms.acts import FORM_ACTS, screen_of
from console.tui.forms.rows import command_text
from console.tui.instancerows import copy_ring
from console.tui.logrows import copy_line
from console.tui.routing import acts as routing_acts
from console.tui.snapshot import Key
from console.tui.stored import JOBS
from console.tui.themes import THEMES
from core.clock import NS_PER_S, iso_ns, monotonic_ns, wall_ns
from core.errors import UsageError

if TYPE_CHECKING:
    from console.tui.app import RingsideApp
    from console.tui.widgets.accounts import AccountsPane
    from console.tui.widgets.alerts import AlertsPane
    from console.tui.widgets.backtest import BacktestPane
    from console.tui.widgets.bars import HelpPage
    from console.tui.widgets.board import Board
    from console.tui.widgets.data import DataPane
    from console.tui.widgets.instances import InstancesPane
    from console.tui.widgets.log import LogPane
    from console.tui.widgets.prompt import Typed
    from console.tui.widgets.routing import RoutingPane

    ListPane = Board | AccountsPane | AlertsPane | RoutingPane | BacktestPane | DataPane | InstancesPane | LogPane

_TWICE_NS: Final = 2 * NS_PER_S
_INTERVALS: Final = (AUTOMATIC, *INTERVALS_NS)


def take(app: RingsideApp, event: events.Key | events.Paste) -> bool:
    """Take a key or a pasted text; False when nobody wants it. The prompt comes first, then a field that is edited,
    then what the key means on this screen."""
    field = screen_of(app)
    if isinstance(event, events.Paste):
        if app.prompt.open:
            app.prompt.paste(event.text)
        elif field is not None:
            field.paste(event.text)
            app.draw()
        return True
    if event.key != "ctrl+c" and app.prompt.open:
        app.prompt.take(event)
        return True
    if event.key != "ctrl+c" and field is not None and field.editing:
        field.type(event.key, event.character if event.is_printable else None)
        app.draw()
        return True
    name = name_of(event.key, page=app.page)
    if name is None or name == "palette":
        return False
    press(app, name)
    return True


def press(app: RingsideApp, name: str) -> None:
    """Do what a key stands for; one that begins a job does so only where the job is seen."""
    if name in JOBS and (app.page != 6 or app.panes.help.display):
        app.say(f"{name[0]} begins that on screen 6; :{name} does everywhere")
    elif name == "filter" and screen_of(app) is not None:
        app.say("there is nothing to be filtered on this screen")
    else:
        app.action_run(name)


def hear(app: RingsideApp, typed: Typed) -> None:
    """Filter while it is typed; do what was typed in the end, in the place of what was last said."""
    app.panes.keys.display = typed.done
    if typed.done:
        app.message = []
    if typed.text is not None and (typed.done or typed.mode == "filter"):
        answer(app, typed.mode, typed.text)
    app.draw()


def answer(app: RingsideApp, mode: str, text: str) -> None:
    """Do what was typed in one of the prompt's modes."""
    try:
        if mode == "filter":
            _pane(app).pattern = text
        elif mode == "command":
            _obey(app, parse_command(text, app.keys))
        elif mode == "confirm":
            changes.confirm(app, text)
        elif mode == "save":
            backtest_acts.save(app, text)
        elif mode == "silence":
            alert_acts.hear_how_long(app, text)
        elif mode == "reason":
            alert_acts.hear_why(app, text)
        elif text.strip():
            changes.subscribe(app, text)
    except UsageError as error:
        app.say(str(error))


def _pane(app: RingsideApp) -> ListPane:
    # The one whose rows the keys move through.
    if app.page == account_acts.PAGE:
        return app.panes.accounts
    if app.page == alert_acts.PAGE:
        return app.panes.alerts
    if app.page == routing_acts.PAGE:
        return app.panes.routing
    if app.page == 5:
        return app.panes.backtest
    if app.page == 6:
        return app.panes.data
    if app.page == 7:
        return app.panes.instances
    return app.panes.log if app.page == 8 else app.panes.board


def _obey(app: RingsideApp, command: Command) -> None:
    argument = command.argument
    if command.name == "symbol":
        key = find_key(argument, app.keys)
        if key is not None:
            _to_board(app, key)
    elif command.name == "interval":
        app.attachment.set_interval(argument)
    elif command.name == "screen":
        app.show_page(int(argument))
    elif command.name == "sort":
        app.panes.board.sort_by(argument)
    elif command.name == "filter":
        answer(app, "filter", argument)
    elif command.name == "export":
        _export(app, argument)
    elif command.name == "theme":
        app.set_look(argument)
    elif command.name == "subscribe":
        changes.subscribe(app, argument)
    elif command.name == "unsubscribe":
        changes.unsubscribe(app, argument)
    elif command.name in ALERT_ACTS:
        alert_acts.obey(app, command.name, argument)
    elif command.name in DESK_ACTS and (argument or command.name == "kill"):
        account_acts.act_on(app, command.name, argument)
    elif command.name == "pause" and app.page == account_acts.PAGE:
        ACTS["pause_strategy"](app)
    else:
        ACTS[command.name](app)


def _scrolled(app: RingsideApp) -> ListPane | HelpPage:
    # The help page lies over the others.
    return app.panes.help if app.panes.help.display else _pane(app)


def _move(step: int) -> Callable[[RingsideApp], None]:
    def act(app: RingsideApp) -> None:
        _scrolled(app).move(step)

    return act


def _page(sign: int) -> Callable[[RingsideApp], None]:
    def act(app: RingsideApp) -> None:
        pane = _scrolled(app)
        pane.move(sign * pane.page)

    return act


def _screen(number: int) -> Callable[[RingsideApp], None]:
    return lambda app: app.show_page(number)


def _focus(app: RingsideApp) -> None:
    if (form := screen_of(app)) is not None:
        form.edit()
        return
    if app.page == account_acts.PAGE and not app.panes.help.display:
        app.panes.accounts.toggle_notes()
        return
    if app.page == logacts.PAGE and not app.panes.help.display:
        logacts.open_line(app)
        return
    if app.page == alert_acts.PAGE and not app.panes.help.display:
        app.panes.alerts.toggle_whole()
        return
    ring, stored = app.panes.instances.selected, app.panes.data.selected
    if app.page == 1 and app.panes.board.cursor is not None:
        app.attachment.select(app.panes.board.cursor)
    elif app.page == 7 and ring is not None:
        _to_board(app, (ring.symbol, ring.venue))
    elif app.page == 6 and stored is not None:
        venue, symbol, _schema = stored.key
        if (symbol, venue) in app.keys:
            _to_board(app, (symbol, venue))
        else:
            app.say(f"{symbol} {venue} is stored, but nobody streams it now")


def _to_board(app: RingsideApp, key: Key) -> None:
    app.panes.board.cursor = key
    app.attachment.select(key)
    app.show_page(1)


def _ask(mode: str) -> Callable[[RingsideApp], None]:
    def act(app: RingsideApp) -> None:
        app.panes.keys.display = False
        if mode == "filter":
            app.prompt.ask("filter", text=_pane(app).pattern)
        else:
            if trades_on_paper(app) or app.link.may_trade_beside:
                app.link.glance_at_accounts()  # their names can be typed anywhere
            app.link.glance_at_alerts()
            app.prompt.ask("command")

    return act


def _interval(app: RingsideApp) -> None:
    chosen = _INTERVALS[(_INTERVALS.index(app.attachment.interval) + 1) % len(_INTERVALS)]
    app.attachment.set_interval(chosen)
    app.say(f"candles: {chosen}")


def _pause(app: RingsideApp) -> None:
    app.panes.tape.toggle(app.snapshot.focus if app.snapshot is not None else None)


def _copy(app: RingsideApp) -> None:
    if app.page == account_acts.PAGE:
        if (account := app.panes.accounts.account) is not None:
            _send(app, copy_account(account), f"the figures of {account.id}")
        return
    if app.page == alert_acts.PAGE:
        if (copied := alert_acts.copied(app)) is not None:
            _send(app, *copied)
        return
    if app.page == logacts.PAGE:
        if (line := app.panes.log.view.under_cursor) is not None:
            _send(app, copy_line(line), "the line")
        return
    cursor, ring = app.panes.board.cursor, app.panes.instances.selected
    if (form := screen_of(app)) is not None:
        _send(app, command_text(form.form), "the command line")
        return
    if app.page == 7:
        if ring is not None:
            _send(app, copy_ring(ring), f"the path of {ring.name}")
        return
    if app.page == 6:
        stored = app.panes.data.selected
        if stored is not None:
            _send(app, copy_series(stored), f"the figures of {stored.name}")
        return
    for view in app.snapshot.symbols if app.snapshot is not None else ():
        if view.key == cursor:
            _send(app, copy_text(view), f"the row of {' '.join(view.key)}")


def _send(app: RingsideApp, text: str, what: str) -> None:
    app.copy_to_clipboard(text)
    app.say(f"sent {what} to the terminal's clipboard (OSC 52; not every terminal takes it)")


def _export(app: RingsideApp, where: str = "") -> None:
    moment = iso_ns(wall_ns())[:19].replace(":", "")
    path = Path(where) if where else app.pictures / f"ringside-{moment}Z.svg"
    try:
        path = path.expanduser()
        if not where:
            app.pictures.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # what is there is somebody's
            file.write(app.export_screenshot(title="Ringside"))
    except (OSError, RuntimeError) as error:
        app.say(f"no picture: {getattr(error, 'strerror', None) or error}: {path}")
    else:
        app.say(f"picture saved: {path}")


def _back(app: RingsideApp) -> None:
    pane = _pane(app)
    if app.panes.help.display:
        app.show_page(app.page)
    elif app.page == logacts.PAGE and app.panes.log.view.back():
        return
    elif pane.pattern:
        pane.pattern = ""
    elif (
        (app.page == 6 and app.panes.data.hide_results())
        or ((form := screen_of(app)) is not None and form.back())
        or (app.page == account_acts.PAGE and app.panes.accounts.back())
        or (app.page == alert_acts.PAGE and app.panes.alerts.back())
    ):
        return
    elif app.page != 1:
        app.show_page(1)


def _interrupt(app: RingsideApp) -> None:
    now_ns = monotonic_ns()
    if app.interrupted_ns is not None and now_ns - app.interrupted_ns < _TWICE_NS:
        app.leave(130)
    app.interrupted_ns = now_ns
    app.say("ctrl+c once more leaves; so does q")


def _sort(app: RingsideApp) -> None:
    app.panes.board.next_sort()


def _reverse(app: RingsideApp) -> None:
    app.panes.board.turn()


def _theme(app: RingsideApp) -> None:
    app.set_look(THEMES[1 - THEMES.index(app.theme_name)])


def _help(app: RingsideApp) -> None:
    app.show(SCREENS[app.page - 1].identity if app.panes.help.display else "help")


def _price(app: RingsideApp) -> None:
    (routing_acts.price if app.page == routing_acts.PAGE else dataacts.price)(app)


def _fetch(app: RingsideApp) -> None:
    (routing_acts.fetch if app.page == routing_acts.PAGE else dataacts.fetch)(app)


def _next_list(step: int) -> Callable[[RingsideApp], None]:
    def act(app: RingsideApp) -> None:
        if app.page == alert_acts.PAGE and not app.panes.help.display:
            app.panes.alerts.next_pane(step)
        else:
            account_acts.next_pane(app, step)

    return act


def _quit(app: RingsideApp) -> None:
    app.leave(0)


ACTS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    **{f"screen_{one.number}": _screen(one.number) for one in SCREENS},
    "down": _move(1),
    "up": _move(-1),
    "page_down": _page(1),
    "page_up": _page(-1),
    "first": _move(-(10**6)),
    "last": _move(10**6),
    "focus": _focus,
    "filter": _ask("filter"),
    "command": _ask("command"),
    "sort": _sort,
    "reverse": _reverse,
    "interval": _interval,
    "pause": _pause,
    "copy": _copy,
    "export": _export,
    "incident": saving.save_incident,
    "doctor": saving.look_over,
    "theme": _theme,
    "help": _help,
    "back": _back,
    "interrupt": _interrupt,
    "quit": _quit,
    "subscribe": changes.ask_symbol,
    "unsubscribe": changes.unsubscribe_selected,
    "shutdown": changes.shutdown,
    "flatten": account_acts.ask_target("flatten"),
    "kill": account_acts.ask_target("kill"),
    **{job: changes.begin(job) for job in JOBS},
    "price": _price,
    "fetch": _fetch,
    **dataacts.DATA_ACTS,
    **FORM_ACTS,
    **backtest_acts.BACKTEST_ACTS,
    **account_acts.ACCOUNT_ACTS,
    **logacts.LOG_ACTS,
    **alert_acts.ALERT_KEYS,
    "next_list": _next_list(1),
    "previous_list": _next_list(-1),
}
"""What to do for each act that is ours; the palette is Textual's own."""
