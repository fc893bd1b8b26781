"""What an operator can do, as data: the keys, the help page, the key line and the palette all come from here."""

from __future__ import annotations

import textwrap
from typing import Final

import attrs

from console.tui.text import Cell, Glyphs, Row, fit, fit_row, row_width, title_row


@attrs.frozen
class Screen:
    """One of the numbered screens."""

    number: int
    name: str

    @property
    def identity(self) -> str:
        """The id of its widget."""
        return self.name.lower()


SCREENS: Final = (
    Screen(1, "Ticks"),
    Screen(2, "Accounts"),
    Screen(3, "Alerts"),
    Screen(4, "Routing"),
    Screen(5, "Backtest"),
    Screen(6, "Data"),
    Screen(7, "Instances"),
    Screen(8, "Log"),
)


@attrs.frozen
class Action:
    """One act. `keys` are Textual's names of them, `shown` how they are written; `short` is for the key line and
    empty when it is not there, `pages` are the screens whose key line it is on, all when empty; `only` are the
    screens on which its keys mean it, where they may mean something else on others; `dangerous` acts are done only
    after a name was typed."""

    name: str
    keys: tuple[str, ...]
    shown: str
    help: str
    short: str = ""
    pages: tuple[int, ...] = ()
    only: tuple[int, ...] = ()
    dangerous: bool = False


ACTIONS: Final = (
    *(Action(f"screen_{one.number}", (str(one.number),), str(one.number), f"{one.name} screen") for one in SCREENS),
    Action("down", ("j", "down"), "j ↓", "next row"),
    Action("up", ("k", "up"), "k ↑", "previous row"),
    Action("page_down", ("pagedown", "ctrl+d"), "PgDn", "a page down, a page up"),
    Action("page_up", ("pageup", "ctrl+u"), "PgUp", "a page down, a page up"),
    Action("first", ("g", "home"), "g", "first row"),
    Action("last", ("G", "end"), "G", "last row"),
    Action("focus", ("enter",), "enter", "open a row, edit a field"),
    Action("filter", ("slash",), "/", "filter rows; !text inverts", "filter", (1, 2, 3, 6, 7, 8)),
    Action("sort", ("s",), "s", "sort by the next column", "sort", (1,)),
    Action("reverse", ("S",), "S", "turn the order round"),
    Action("interval", ("i",), "i", "next candle width", "candles", (1,)),
    Action("pause", ("p",), "p", "pause the tape, and go on", "pause", (1,)),
    Action("level", ("l",), "l", "log: next lowest level", "level", (8,)),
    Action("pause_log", ("p", "space"), "p", "log: pause, and go on", "pause", (8,), only=(8,)),
    Action("wrap", ("w",), "w", "log: wrap long lines", "wrap", (8,), only=(8,)),
    Action("right_log", ("right",), "→", "log: to the right, back", only=(8,)),
    Action("left_log", ("left",), "←", "log: to the right, back", only=(8,)),
    Action("subscribe", ("a",), "a", "instances: add a symbol", "add", (7,)),
    Action("unsubscribe", ("d",), "d", "instances: drop this symbol", "drop", (7,), dangerous=True),
    Action("compress", ("c",), "c", "data: compress closed days", "compress", (6,)),
    Action("verify", ("v",), "v", "data: check what is stored", "verify", (6,)),
    Action("map", ("m",), "m", "data: coverage map or series", "map", (6,), only=(6,)),
    Action("next_day", ("right",), "→", "data: another day", only=(6,)),
    Action("previous_day", ("left",), "←", "data: another day", only=(6,)),
    Action("spend", ("dollar_sign",), "$", "data: jobs and spend", "jobs", (6,), only=(6,)),
    Action("pause_strategy", ("p",), "p", "accounts: pause, resume it", "pause", (2,), only=(2,), dangerous=True),
    Action("resume_strategy", ("r",), "r", "accounts: pause, resume it", "resume", (2,), only=(2,), dangerous=True),
    Action("halt_account", ("H",), "H", "accounts: halt, release it", "halt", (2,), only=(2,), dangerous=True),
    Action("release_account", ("R",), "R", "accounts: halt, release it", "release", (2,), only=(2,), dangerous=True),
    Action("next_list", ("tab",), "tab", "accounts, alerts: next list", "list", (2, 3), only=(2, 3)),
    Action("previous_list", ("shift+tab",), "⇧tab", "accounts, alerts: next list", only=(2, 3)),
    Action("next_account", ("right",), "→", "accounts: another account", only=(2,)),
    Action("previous_account", ("left",), "←", "accounts: another account", only=(2,)),
    Action("notes", ("n",), "n", "accounts: all about one", "details", (2,), only=(2,)),
    Action("acknowledge", ("a",), "a", "alerts: acknowledge one", "acknowledge", (3,), only=(3,)),
    Action("silence", ("z",), "z", "alerts: silence, end it", "silence", (3,), only=(3,)),
    Action("unsilence", ("Z",), "Z", "alerts: silence, end it", "end it", (3,), only=(3,)),
    Action("run", ("r",), "r", "backtest: run it", "run", (5,), only=(5,)),
    Action("check", ("v",), "v", "backtest: check the data", "check", (5,), only=(5,)),
    Action("price", ("p",), "p", "routing, data: ask its price", "price", (4, 6), only=(4, 6)),
    Action("fetch", ("f",), "f", "routing, data: fetch it", "fetch", (4, 6), only=(4, 6), dangerous=True),
    Action("cancel", ("x",), "x", "routing, backtest: cancel", "cancel", (4, 5), only=(4, 5)),
    Action("next_choice", ("space", "right"), "space", "in a form: another choice", only=(4, 5)),
    Action("previous_choice", ("left",), "←", "in a form: another choice", only=(4, 5)),
    Action("other_pane", ("tab",), "tab", "form or result", "pane", (4, 5), only=(4, 5)),
    Action("plots", ("h",), "h", "backtest: plots or tables", only=(5,)),
    Action("save", ("e",), "e", "backtest: save the result", "save", (5,), only=(5,)),
    Action("copy", ("y",), "y", "copy this row (OSC 52)"),
    Action("export", ("e",), "e", "save a picture (SVG)"),
    Action("incident", ("I",), "I", "save an incident bundle"),
    Action("doctor", (), ":doctor", "look over the machine"),
    Action("theme", ("t",), "t", "dark or light"),
    Action("command", ("colon",), ":", "command; tab completes", "command"),
    Action("palette", ("ctrl+p",), "ctrl+p", "search every act"),
    Action("help", ("question_mark", "f1"), "?", "this page", "help"),
    Action("back", ("escape",), "esc", "back, close, clear filter"),
    Action("interrupt", ("ctrl+c",), "ctrl+c", "twice: leave"),
    Action("quit", ("q",), "q", "leave", "leave"),
    Action("flatten", (), ":flatten", "close positions; asks first", dangerous=True),
    Action("kill", (), ":kill", "stop all trading; asks first", dangerous=True),
    Action("shutdown", (), ":shutdown", "stop the engine; asks first", dangerous=True),
)
"""Every act in the order of the help page."""
_EVERYWHERE: Final = {key: one.name for one in ACTIONS if not one.only for key in one.keys}
_THERE: Final = {(key, page): one.name for one in ACTIONS for page in one.only for key in one.keys}


def name_of(key: str, *, page: int) -> str | None:
    """The act that a key stands for on a screen, None when it does nothing there."""
    return _THERE.get((key, page)) or _EVERYWHERE.get(key)


def key_row(*, current: int, message: str, width: int) -> Row:
    """The key line: the screens and the keys that matter, or a `message` in their place."""
    if message:
        return fit_row(((f" {message}", "bar_warn"),), width, "bar")
    short = [action for action in ACTIONS if action.short and (not action.pages or current in action.pages)]
    names = [one.name for one in SCREENS]
    named = sum(len(name) + 4 for name in names) + sum(len(one.shown + one.short) + 3 for one in short) <= width
    cells: list[Cell] = [(" ", "bar")]
    for one in SCREENS:
        here = one.number == current
        # Where room is short only the screen we are on is named.
        cells.append((f"{one.number}", "bar_here" if here else "key"))
        cells.append((f" {one.name}  " if here or named else " ", "bar" if here else "bar_dim"))
    # What does not fit is left out from the least needed on.
    left = width - row_width(tuple(cells))
    kept = []
    for action in sorted(short, key=lambda action: _NEEDED.index(action.name)):
        left -= len(action.shown + action.short) + 3
        if left >= 0:
            kept.append(action)
    for action in short:
        if action in kept:
            cells += [(f" {action.shown}", "key"), (f" {action.short} ", "bar_dim")]
    return fit_row(tuple(cells), width, "bar")


def message_parts(message: str, *, width: int, glyphs: Glyphs) -> list[str]:
    """`message` in as many parts as it takes on a key line of `width` cells, an ellipsis where more follows."""
    parts = textwrap.wrap(message, max(width - 4, 10), break_on_hyphens=False) or [""]
    return [f"{part} {glyphs.ellipsis}" for part in parts[:-1]] + parts[-1:]


_NEEDED: Final = (
    "quit", "help", "command", "acknowledge", "silence", "run", "check", "map", "compress", "verify", "price",
    "fetch", "cancel", "other_pane", "save", "subscribe", "unsubscribe", "spend", "next_list", "pause_strategy",
    "halt_account", "resume_strategy", "release_account", "unsilence", "notes", "filter", "level",
    "pause_log", "wrap", "sort", "interval", "pause",
)  # fmt: skip


def help_rows(
    *, width: int, height: int, glyphs: Glyphs, leaving: str, ascii_only: bool, top: int = 0
) -> tuple[list[Row], int]:
    """The help page: every act and its keys in one or two columns, scrolled down by `top` rows, and how far it can
    be scrolled: 0 where all of it is seen. A second column is made only where it cuts nothing.
    """
    acts = [action for action in ACTIONS if not action.name.startswith("screen_")]
    notes = [
        "prices: t Tether, c USDC, e euro, g pound, b bitcoin, * another currency",
        f"{glyphs.quiet} quiet: nothing comes or need come   ~ stale: it should   {glyphs.warning} broken: it cannot",
        *([leaving] if leaving else []),
    ]
    entries = [("1 … 8" if not ascii_only else "1 - 8", "the screens")]
    # Acts that are two directions of one thing share a line.
    shared: dict[str, list[str]] = {}
    for action in acts:
        shared.setdefault(action.help, []).append(action.shown)
    entries += [(" ".join(shown), text) for text, shown in shared.items()]
    if ascii_only:
        words = str.maketrans({"⇧": "S-", "↓": "down", "↑": "up", "→": "right", "←": "left"})
        entries = [(shown.translate(words), text) for shown, text in entries]
    keys = max(len(shown) for shown, _text in entries)
    whole = keys + 2 + max(len(text) for _shown, text in entries) <= (width - 2) // 2
    columns = 2 if whole and (width >= 110 or len(entries) + len(notes) + 4 > height) else 1
    lines = -(-len(entries) // columns)
    cell_width = (width - 2) // columns
    rows: list[Row] = []
    for line in range(lines):
        cells: list[tuple[str, str]] = [(" ", "panel")]
        for shown, text in entries[line::lines]:
            cells += [(f" {shown:>{keys}} ", "panel_key"), (fit(text, cell_width - keys - 2), "panel")]
        rows.append(fit_row(tuple(cells), width, "panel"))
    room = max(width - 2, 1)
    below = [
        fit_row(((f"  {part}", "panel_dim"),), width, "panel") for note in notes for part in textwrap.wrap(note, room)
    ]
    apart = [fit_row((), width, "panel")] if len(rows) + len(below) + 2 <= height else []
    rows += [*apart, *below]
    most = max(len(rows) - (height - 1), 0)
    top = min(top, most)
    return [_help_title(width, glyphs, below=most - top, scrolls=most > 0), *rows[top : top + height - 1]], most


def _help_title(width: int, glyphs: Glyphs, *, below: int, scrolls: bool) -> Row:
    more = f"{below} more below" if below else "the end"
    parts = (
        ("Help", "panel_title"),
        ("esc closes it", "panel_dim"),
        (f"j, k: {more}" if scrolls else "", "panel_dim"),
    )
    row = title_row(parts, width, glyphs)
    return tuple((text, "panel_dim" if style == "grid" else style) for text, style in row)
