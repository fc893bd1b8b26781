"""The Accounts screen as rows of styled text: accounts, the chosen one, its positions, strategies and fills. Pure."""

from __future__ import annotations

from typing import Final

from console.tui.accounts.document import Desk, Heard
from console.tui.accounts.headrows import head_rows
from console.tui.accounts.money import delay_text
from console.tui.accounts.noterows import note_lines, note_rows
from console.tui.accounts.panerows import Shown, pane_rows, rows_seen, shown_of
from console.tui.accounts.place import Layout, Pane, Place, layout_of
from console.tui.paperwords import FAILED, TRADING
from console.tui.snapshot import Snapshot
from console.tui.text import Glyphs, Row, fit_row, grouped, instead_rows, row_width, title_row

TITLE: Final = 1
"""The rows above the accounts."""
_RECORDING: Final = "recording"
_NOT: Final = "The engine does not trade on paper."
_BEGIN: Final = (
    "Start it with --paper-trading --strategy sma, or write into its settings:",
    "",
    "[paper_trading]  ",
    "enabled = true   ",
    'strategy = "sma" ',
    "",
    "Beside an engine that runs already:",
    "ringside --batch live --paper-trading --strategy sma --symbols BTCUSD",
)
_NO_ACCOUNTS: Final = "the desk has no accounts"


def account_rows(
    snapshot: Snapshot, heard: Heard, place: Place, *, width: int, height: int, glyphs: Glyphs
) -> list[Row]:
    """Exactly `height` rows of `width` cells."""
    desk = heard.desk
    title = _title(snapshot, heard, width, glyphs)
    if desk is None:
        return instead_rows(title, _sentences(snapshot, heard), width, height)
    if not desk.accounts:
        return instead_rows(title, (_NO_ACCOUNTS, *desk.notes), width, height)
    layout = layout_of(place, width=width, height=height - TITLE)
    rows = [title, *head_rows(desk, place, layout, width=width, glyphs=glyphs)]
    if place.notes:
        account = next((one for one in desk.accounts if one.id == place.account), None)
        room = max(height - len(rows) - 1, 0)
        parts = (("Details", "accent"), ("esc closes them", "dim"))
        rows.append(title_row(parts, width, glyphs))
        rows += note_rows(desk, account, top=place.notes_top, width=width, height=room, glyphs=glyphs)
    else:
        now_ns = snapshot.now_ns
        if snapshot.status is not None and snapshot.status.source == _RECORDING:
            now_ns = desk.newest_ns or now_ns  # a recording's trades are as old as it is
        rows += _pane_rows(desk, place, layout, now_ns=now_ns, glyphs=glyphs)
    blank = fit_row((), width)
    return (rows + [blank] * height)[:height]


def _pane_rows(desk: Desk, place: Place, layout: Layout, *, now_ns: int, glyphs: Glyphs) -> list[Row]:
    shown, alone = shown_of(desk, place), len(layout.boxes) == 1
    rows: dict[int, Row] = {}
    for pane, box in layout.boxes:
        drawn = pane_rows(pane, box, shown, place, now_ns=now_ns, alone=alone, glyphs=glyphs)
        for number, row in enumerate(drawn, start=box.y):
            rows[number] = (*rows.get(number, ()), *row)
    return [rows[number] for number in sorted(rows)]


def extent(desk: Desk, place: Place, pane: Pane, *, width: int, height: int, glyphs: Glyphs) -> tuple[int, int]:
    """How many rows a pane scrolls through on a screen of that size, and how many of them are seen."""
    layout = layout_of(place, width=width, height=height - TITLE)
    if pane == "accounts":
        return len(desk.accounts), layout.accounts_seen
    box = layout.box(pane)
    shown: Shown = shown_of(desk, place)
    return shown.count(pane), rows_seen(box, pane, shown, place, glyphs) if box is not None else 1


def notes_extent(desk: Desk, place: Place, *, width: int, height: int, glyphs: Glyphs) -> tuple[int, int]:
    """The same for the details."""
    account = next((one for one in desk.accounts if one.id == place.account), None)
    layout = layout_of(place, width=width, height=height - TITLE)
    lines = len(note_lines(desk, account, width=width, glyphs=glyphs))
    return lines, max(height - TITLE - layout.head - 1, 1)


def _title(snapshot: Snapshot, heard: Heard, width: int, glyphs: Glyphs) -> Row:
    desk = heard.desk
    if desk is None:
        return title_row((("Accounts", "title"),), width, glyphs)
    reason = heard.reason
    if not heard.beside and not snapshot.health.reachable:
        reason = snapshot.health.reason or "no engine"
    paper = None if snapshot.status is None else snapshot.status.paper
    going = (f"{glyphs.light} trades in {desk.host or 'an engine'}", "up")
    resting = (f"{glyphs.warning} nobody trades: as the last session left it", "warn")
    if paper is not None and paper.state != TRADING:
        resting = (f"{glyphs.warning} {paper.state}{f': {paper.reason}' if paper.reason else ''}", "alert")
    state = going if desk.running else resting
    stopped = sum(one.state == "stopped" for one in desk.lanes)
    noun = "note" if len(desk.notes) == 1 else "notes"
    parts: Row = (
        ("Paper trading", "title"),
        (f"desk {desk.name}", "accent"),
        (f"{glyphs.warning} as last heard: {reason}" if reason else "", "alert"),
        state if not reason else ("", ""),
        (f"{glyphs.warning} {stopped} stopped" if stopped else "", "alert"),
        (f"{glyphs.warning} {len(desk.notes)} {noun}: n" if desk.notes else "", "warn"),
        (f"{grouped(desk.trades_seen)} trades seen", "text"),
        (f"step {delay_text(desk.delays.p99_us)} p99" if desk.delays is not None else "", "dim"),
        (f"session {desk.session}" if desk.session else "", "dim"),
    )
    while (
        row_width(tuple((f"{glyphs.dash} {text} ", "") for text, _style in parts if text)) >= width and len(parts) > 3
    ):
        parts = parts[:-1]  # whole parts only
    return title_row(parts, width, glyphs)


def _sentences(snapshot: Snapshot, heard: Heard) -> tuple[str, ...]:
    if not snapshot.health.reachable:
        return "The engine cannot be reached.", snapshot.health.reason
    paper = None if snapshot.status is None else snapshot.status.paper
    if paper is not None and paper.state != TRADING:
        word = "has failed" if paper.state == FAILED else f"is {paper.state or 'not there yet'}"
        return f"Paper trading {word}.", paper.reason
    if heard.refused:
        return (_NOT, *_BEGIN)
    if heard.reason:
        return "The engine does not say what its accounts hold.", heard.reason
    return ("Asking the engine.",)
