"""The full-screen console: reads rings and the control channel, draws ten times a second, and never waits.

It runs on asyncio and must not import trio. What it may do to the engine goes through the control channel.
"""

from __future__ import annotations

import gc
import locale
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from rich.console import Console, RenderableType
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from console.tui import output
from console.tui.accounts.acts import targets
from console.tui.accounts.document import Desk
from console.tui.actions import ACTIONS, SCREENS, message_parts
from console.tui.acts import ACTS, hear, take
from console.tui.alerts import acts as alert_acts
from console.tui.alerts.told import Messages
from console.tui.attach import Attachment
from console.tui.backtest.filling import Filling, store_words
from console.tui.changes import Pending
from console.tui.commands import ALERT_ACTS, complete
from console.tui.engine_link import EngineLink
from console.tui.snapshot import NO_ENGINE, Key, Snapshot
from console.tui.storewatch import StoreWatch
from console.tui.terminal import ConsoleDriver, TerminalGuard
from console.tui.text import ASCII, UNICODE, clean
from console.tui.themes import THEMES, Depth, Palette, colour_depth, textual_themes
from console.tui.widgets.accounts import AccountsPane
from console.tui.widgets.alerts import AlertsPane
from console.tui.widgets.backtest import BacktestPane
from console.tui.widgets.bare import BareHorizontal, BareScreen, BareSwitcher, BareVertical
from console.tui.widgets.bars import HelpPage, KeyLine, StatusBar, TooSmall
from console.tui.widgets.board import Board
from console.tui.widgets.data import DataPane
from console.tui.widgets.instances import InstancesPane
from console.tui.widgets.lines import LineWidget, Look
from console.tui.widgets.log import LogPane
from console.tui.widgets.panes import ChartPane, LadderPane, TapePane
from console.tui.widgets.prompt import Prompt
from console.tui.widgets.routing import RoutingPane
from core.clock import NS_PER_S, monotonic_ns, wall_ns

SMALLEST: Final = (60, 15)
_MESSAGE_NS: Final = 4 * NS_PER_S
_SYSTEMS: Final = {Depth.NONE: None, Depth.STANDARD: "standard", Depth.FULL: "256"}


class Panes:
    """Every widget that is drawn, made once."""

    def __init__(self, look: Look) -> None:
        self.status, self.keys = StatusBar(look, id="status"), KeyLine(look, id="keys")
        self.board, self.chart = Board(look, id="board"), ChartPane(look, id="chart")
        self.ladder, self.tape = LadderPane(look, id="ladder"), TapePane(look, id="tape")
        self.log, self.help, self.small = (
            LogPane(look, id="log"),
            HelpPage(look, id="help"),
            TooSmall(look, id="small"),
        )
        self.data, self.instances = DataPane(look, id="data"), InstancesPane(look, id="instances")
        self.accounts, self.routing = AccountsPane(look, id="accounts"), RoutingPane(look, id="routing")
        self.backtest, self.alerts = BacktestPane(look, id="backtest"), AlertsPane(look, id="alerts")

    def all(self) -> list[LineWidget]:
        """All of them."""
        return [
            self.status, self.keys, self.board, self.chart, self.ladder, self.tape, self.accounts, self.alerts,
            self.routing, self.backtest, self.data, self.instances, self.log, self.help, self.small,
        ]  # fmt: skip

    def draw_ticks(self, snapshot: Snapshot, selected: Key | None, *, frame: int, whole: bool) -> None:
        """Draw the first screen; without `whole` what moves much only every few frames."""
        self.board.draw(snapshot, selected, whole=whole)
        if whole or frame % 2 == 0:
            self.tape.draw(snapshot.focus)
        if whole or frame % 2 == 1:
            self.ladder.draw(snapshot.focus)
        if whole or frame % 4 == 1:
            self.chart.draw(snapshot.focus)


class RingsideApp(App[int]):
    """The console of the engine whose control socket is at `control_path`, or of none at all.

    `filling` is what stands in the form of the Backtest screen at the beginning. `inline` says that the engine lives
    in this process and ends with it. `desk` is the one that is traded on beside an engine that does not do so itself.
    Pictures of the screen go to the folder `pictures`, by default `RINGSIDE_HOME` or where the program was started.
    `environment` tells what the terminal can show.
    """

    CSS_PATH = "console.tcss"
    TITLE = "Ringside"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (140, "-wide")]  # noqa: RUF012 - Textual's own type
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]  # noqa: RUF012
    # Every other key is looked up in `on_event`, in the order typed. This one must work in the palette as well.
    BINDINGS: ClassVar = [Binding("ctrl+c", "run('interrupt')", show=False, priority=True)]

    def __init__(
        self,
        control_path: Path | None,
        *,
        desk: str = "",
        frames_per_s: float = 10,
        ascii_only: bool = False,
        theme: str = THEMES[0],
        inline: bool = True,
        pictures: Path | None = None,
        filling: Filling | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.depth = colour_depth(environment)
        super().__init__(driver_class=ConsoleDriver, ansi_color=self.depth is not Depth.FULL)
        self.theme_name: str = theme
        self.look = Look(Palette(self.theme_name, self.depth), ASCII if ascii_only else UNICODE, ascii_only)
        self.panes: Panes = Panes(self.look)
        self.prompt = Prompt(
            lambda text: complete(
                text,
                self.keys,
                self.snapshot.venues if self.snapshot is not None else (),
                lambda act: (
                    alert_acts.names(self, act)
                    if act in ALERT_ACTS
                    else targets(self.link.accounts.desk or Desk(), act)
                ),
            ),
            lambda typed: hear(self, typed),
            id="prompt",
        )
        self.pending: Pending | None = None
        self.attachment = Attachment(wall_ns=wall_ns, monotonic_ns=monotonic_ns)
        self.link = EngineLink(control_path or Path(), desk=desk if control_path else "")
        self._alone = control_path is None
        self.stored = StoreWatch(started_ns=wall_ns())
        self.messages = Messages(started_ns=wall_ns())
        self.snapshot: Snapshot | None = None
        self.pictures = pictures or Path(environment.get("RINGSIDE_HOME") or Path.cwd())
        self.page = 1
        self._leaving = "leaving stops the engine in this process" if inline else "leaving does not stop the engine"
        self._filling = filling
        self._frames_per_s = frames_per_s
        self.interrupted_ns: int | None = None
        self._frame, self._seen_report = 0, 0
        self._exit_code: int | None = None
        self.message: list[str] = []
        self.saying = False
        self._message_since_ns = 0
        self.console = Console(
            color_system=_SYSTEMS[self.depth], file=self.console.file, markup=True, highlight=False, emoji=False,
            legacy_windows=False, force_terminal=True, _environ={},
        )  # fmt: skip

    @property
    def keys(self) -> list[Key]:
        """Every instrument there is, in the engine's order."""
        return [] if self.snapshot is None else [view.key for view in self.snapshot.symbols]

    def get_default_screen(self) -> BareScreen:
        """The one screen; what is called a screen on it are pages."""
        return BareScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Every widget there is; the screens are pages of one switcher."""
        panes = self.panes
        yield panes.status
        with BareSwitcher(initial="ticks", id="pages"):
            with BareHorizontal(id="ticks"):
                yield panes.board
                with BareVertical(id="right"):
                    yield panes.chart
                    with BareHorizontal(id="lower"):
                        yield panes.ladder
                        yield panes.tape
            yield panes.accounts
            yield panes.alerts
            yield panes.routing
            yield panes.backtest
            yield panes.data
            yield panes.instances
            yield panes.log
            yield panes.help
        with BareVertical(id="foot"):
            yield panes.keys
            yield self.prompt
        yield panes.small

    def on_mount(self) -> None:
        """Begin to look."""
        for theme in textual_themes():
            self.register_theme(theme)
        self.set_look(self.theme_name)
        if self._alone:
            self.attachment.status_lost(NO_ENGINE)
        else:
            self.link.start()
        self.set_interval(1 / self._frames_per_s, self._tick, name="frame")
        self.set_timer(2.0, _spare_the_collector, name="collector")
        if self._filling is not None:
            self.panes.routing.routing.fill(store_words(self._filling.passed))
            self.panes.backtest.backtest.fill(self._filling)
            if self._filling.opened:
                self.show_page(5)
        if self._exit_code is not None:  # told to leave before there was anything to leave
            self.exit(self._exit_code, self._exit_code)

    def on_unmount(self) -> None:
        """Give back what is shared with the engine."""
        self.link.stop()
        self.panes.routing.routing.planning.stop()
        self.panes.backtest.backtest.runs.stop()
        self.attachment.close()

    def on_resize(self, event: events.Resize) -> None:
        """Draw at the new size, once the widgets have theirs."""
        small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.panes.small.display = small
        self.call_after_refresh(self.draw)

    def set_look(self, theme: str) -> None:
        """Dark or light."""
        self.theme_name = theme
        self.theme = f"ringside-{theme}"
        self.look.palette = Palette(theme, self.depth)
        for pane in self.panes.all():
            pane.redraw()

    def say(self, message: str) -> None:
        """Show a sentence in the place of the key line for a few seconds, a long one in parts."""
        self.message = message_parts(clean(message), width=self.size.width, glyphs=self.look.glyphs)
        self._message_since_ns = monotonic_ns()
        self.draw()

    def leave(self, exit_code: int) -> None:
        """End the console; the first exit code given counts. May be called from any thread."""
        if self._exit_code is None:
            self._exit_code = exit_code
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.exit, exit_code, exit_code)

    @property
    def exit_code(self) -> int:
        """What the process should return, once the console has ended."""
        return (self.return_code or 0) if self._exit_code is None else self._exit_code

    def show_page(self, number: int) -> None:
        """Go to one of the numbered screens."""
        self.page = number
        self.link.watch_services(number == 7)
        self.link.watch_accounts(number == 2)
        self.link.watch_alerts(number == alert_acts.PAGE)
        if number == 4:
            self.panes.routing.routing.open()
        elif number == 5:
            self.panes.backtest.backtest.open()
        self.show(SCREENS[number - 1].identity)

    def show(self, identity: str) -> None:
        """Put a screen, or the help page over the one we are on, into sight."""
        self.query_one("#pages", BareSwitcher).current = identity
        self.call_after_refresh(self.draw)

    def _tick(self) -> None:
        report = self.link.report
        if report.number != self._seen_report:
            self._seen_report = report.number
            if report.status is not None:
                self.attachment.update_status(report.status)
            else:
                self.attachment.status_lost(report.reason)
        while not self.link.answers.empty():
            self.say(self.link.answers.get())
        ended = self.stored.take(self.link.stored)
        if ended:
            self.say(ended)
        for said in (self.panes.routing.routing.tick(looked_at=self.page == 4), self.panes.backtest.backtest.tick()):
            if said:
                self.say(said)
        self.link.watch_store(self.page == 6 or self.stored.job_running)
        self.link.watch_holdings(self.page == 6)
        self.link.log.watch(self.page == 8)
        self.snapshot = self.attachment.frame()
        self.panes.log.take(self.link.log, self.snapshot)
        alert_acts.tell(self)
        self._frame += 1
        self.draw(whole=self._frames_per_s <= 4 or self._frame <= 2)

    def draw(self, *, whole: bool = True) -> None:
        """Draw the last snapshot; without `whole` the panes that move much only every few frames."""
        snapshot, panes = self.snapshot, self.panes
        if panes.small.display:
            panes.small.draw()
            return
        if snapshot is None:
            return
        panes.status.draw(snapshot)
        part = (monotonic_ns() - self._message_since_ns) // _MESSAGE_NS
        self.saying = part < len(self.message)
        panes.keys.draw(current=self.page, message=self.message[part] if self.saying else "")
        if panes.help.display:
            panes.help.draw(self._leaving)
        elif self.page == 1:
            panes.draw_ticks(snapshot, self.attachment.selected, frame=self._frame, whole=whole)
        elif self.page == 8:
            panes.log.draw(snapshot)
        elif whole or self._frame % 3 == 0:
            # Counters of half a second ago need no ten pictures a second.
            if self.page == 2:
                panes.accounts.draw(snapshot, self.link.accounts)
            elif self.page == alert_acts.PAGE:
                panes.alerts.draw(snapshot, self.link.alerts)
            elif self.page == 4:
                panes.routing.draw(panes.routing.routing.view())
            elif self.page == 5:
                panes.backtest.draw(panes.backtest.backtest.view())
            elif self.page == 6:
                panes.data.draw(snapshot, self.stored.view, self.link.holdings)
            else:
                panes.instances.draw(snapshot, self.link.report.services)

    def action_run(self, name: str) -> None:
        """Carry out one of `console.tui.actions.ACTIONS`."""
        self.message = []
        ACTS[name](self)
        self.draw()

    def on_board_chosen(self, event: Board.Chosen) -> None:
        """Show what was clicked on."""
        self.attachment.select(event.key)

    async def on_event(self, event: events.Event) -> None:
        """Take keys and pasted text where they arrive: what is typed behind `/` or `:` is the prompt's, however fast.

        Textual's own way, by a queue of the focused widget, runs the keys of one read as if nothing had been opened.
        """
        ours = isinstance(self.screen_stack[-1], BareScreen) if self.screen_stack else False
        if (
            isinstance(event, (events.Key, events.Paste))
            and not event.is_forwarded
            and ours
            and self.prompt.is_mounted
            and take(self, event)
        ):
            return
        await super().on_event(event)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette offers every act that the keys do."""
        for action in ACTIONS:
            if action.name not in {"palette", "back", "interrupt"}:
                # Textual searches the title alone, so all there is to be found stands in it.
                title = f"{action.name.replace('_', ' ')}: {action.help}"
                shown = f"key {action.shown}" if action.keys else f"typed: {action.shown}"
                yield SystemCommand(title, shown, lambda name=action.name: self.action_run(name))

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        # The one place where Textual's own way of writing to the terminal is replaced: see `output`.
        super()._display(screen, output.exact(renderable))  # type: ignore[arg-type]


def _spare_the_collector() -> None:
    # Full collections stall the engine's thread for 30 ms: what lives as long as the program is not looked at again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def run_console(
    control_path: Path | None,
    *,
    desk: str = "",
    frames_per_s: float = 10,
    low_bandwidth: bool = False,
    ascii_only: bool = False,
    theme: str = THEMES[0],
    inline: bool = True,
    pictures: Path | None = None,
    filling: Filling | None = None,
    watch: Callable[[Callable[[], None]], None] | None = None,
) -> int:
    """Show the console until it is left; must be called from the main thread. See `RingsideApp`.

    `watch` is given a function to call, from any thread, when the engine has ended by itself: the console then leaves
    as after `q`.

    Returns 0 after `q`, 130, 143 or 129 after SIGINT, SIGTERM or SIGHUP, 1 after an error of our own, whose
    traceback stands on stderr by then. The terminal is as it was before in every case.
    """
    app = RingsideApp(
        control_path,
        desk=desk,
        frames_per_s=2 if low_bandwidth else frames_per_s,
        ascii_only=ascii_only or not _speaks_utf8(),
        theme=theme,
        inline=inline,
        pictures=pictures,
        filling=filling,
    )
    with TerminalGuard(app.leave):
        if watch is not None:
            watch(lambda: app.leave(0))
        app.run()
    return app.exit_code


def _speaks_utf8() -> bool:
    if os.environ.get("TERM") == "linux":
        return False  # the kernel's console has a font of 256 or 512 characters
    encoding = (sys.__stderr__.encoding if sys.__stderr__ else "") or locale.getpreferredencoding(False)
    return encoding.lower().replace("-", "") == "utf8"
