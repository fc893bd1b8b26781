"""The Accounts screen's rows: every part, every size, and what is said where there is nothing."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.tui.accounts.cells import FILLS, LANES, ORDERS, POSITIONS, STREAMS
from console.tui.accounts.document import Desk, Heard
from console.tui.accounts.parsing import parse_desk
from console.tui.accounts.place import BELOW, PANES, Pane, Place, layout_of
from console.tui.accounts.rows import account_rows, extent, notes_extent
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, PaperState
from console.tui.tables import Column, fit_columns
from console.tui.text import ASCII, UNICODE, Glyphs, row_width
from core.sim.risk import DAY_LOSS
from tests.unit.console.tui.accounts.documents import NOW_NS, document, fills, futures, main, positions, strategies
from tests.unit.console.tui.test_rows import text_of

SIZES = [(60, 12), (80, 21), (99, 25), (100, 26), (120, 37), (140, 36), (160, 48), (240, 90)]


def desk(**fields: Any) -> Desk:
    """The desk of the document, with some `fields` of its own."""
    found = parse_desk(document(**fields))
    assert found is not None
    return found


def screen(
    known: Desk | Heard | None = None,
    place: Place | None = None,
    *,
    width: int = 120,
    height: int = 37,
    glyphs: Glyphs = UNICODE,
    status: EngineStatus | None = None,
    **health: Any,
) -> list[str]:
    """The screen as lines of text, checked for its shape."""
    heard = known if isinstance(known, Heard) else Heard(desk=desk() if known is None else known)
    snapshot = Snapshot(now_ns=NOW_NS, status=status, health=Health(**{"reachable": True, **health}))
    rows = account_rows(snapshot, heard, place or Place(account="main"), width=width, height=height, glyphs=glyphs)
    assert [row_width(row) for row in rows] == [width] * height
    return [text_of(row) for row in rows]


def found(lines: list[str], *parts: str) -> str:
    """The one line that holds all `parts`."""
    (line,) = [line for line in lines if all(part in line for part in parts)]
    return line


def at(pane: Pane, account: str = "main", **fields: Any) -> Place:
    """A place with the keys in a pane."""
    return Place(account=account, focus=pane, shown=pane if pane in BELOW else "positions", **fields)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_what_matters_is_seen_at_every_size(width: int, height: int, glyphs: Glyphs) -> None:
    """Whether somebody trades, each account's worth and state, the chosen one's exact worth and its gains."""
    lines = screen(width=width, height=height, glyphs=glyphs)
    assert "Paper trading" in lines[0]
    assert "trades in test" in lines[0]
    text = "\n".join(lines)
    for part in ("101 234.56", "+1.23 %", "18 931.04", f"{glyphs.minus}5.34 %", "equity 101 234.567890123", "profit"):
        assert part in text, part
    assert f"{glyphs.warning} halted" in text
    assert text.isascii() == (glyphs is ASCII)


def test_an_account_is_told_in_full() -> None:
    """Profit since the beginning and today, what is free, locked and margin, fees, and what it is in words."""
    lines = screen()
    for parts in (
        ("profit", "+1 234.56  +1.23 %"), ("today", "+1 234.56"), ("realised", "+1 233.92"),
        ("unrealised", "+213.08"),
        ("free", "54 216.29"), ("locked", "4 000.00"), ("margin", "0.00"), ("fees", "212.44"),
        ("─ main ─ USD ─ ⚠ 1 paused ─",),
    ):  # fmt: skip
        assert found(lines[:15], *parts)
    lines = screen(place=Place(account="futures"))
    assert found(lines, "─ futures ─ USDT ─ ⚠ halted ─ 3x leverage ─")
    assert found(lines, "⚠ halted: the day's loss reached its limit")
    assert found(lines, "profit", "−1 068.96  −5.34 %")


def test_other_currencies_that_are_set_aside_are_named() -> None:
    """An order that sells what is held locks that, not money."""
    lines = screen(desk(accounts=[main(locked={"USD": "1", "BTC": "0.25"})]))
    assert found(lines, "locked BTC", "0.25")


def test_the_worth_is_drawn_big_where_there_is_room() -> None:
    """Three rows high beside the exact figure; at 80 cells the figure alone."""
    assert found(screen(), "┏━┓")
    assert not [line for line in screen(width=80, height=21) if "┏━┓" in line]
    huge = desk(accounts=[main(equity="123456789012.5")])
    assert found(screen(huge), "equity 123 456 789 012.50 USD")


@pytest.mark.parametrize(
    ("account", "lanes", "running", "word"),
    [
        (main(liquidated=True, halted="x"), strategies(), True, "⚠ liquidated"),
        (main(halted="by an operator"), strategies(), True, "⚠ halted"),
        (main(), strategies()[:2], True, "● 2 running"),
        (main(), strategies()[:2], False, "· at rest"),
        (main(), strategies(), True, "⚠ 1 paused"),
        (main(), [], True, "· idle"),
    ],
)
def test_the_state_of_an_account_is_a_word_and_a_sign(
    account: dict[str, Any], lanes: list[dict[str, Any]], running: bool, word: str
) -> None:
    """The worst thing first; no colour stands alone."""
    lines = screen(desk(accounts=[account], strategies=lanes, running=running))
    assert word in found(lines, "▸main")


def test_the_curve_is_drawn_over_time() -> None:
    """Dots with a scale, the beginning as a base line; before the first minute it says what it waits for."""
    lines = screen()
    assert any("⠉" in line or "⣀" in line for line in lines)
    assert any(line.rstrip().endswith("100000") for line in lines)
    early = screen(desk(accounts=[main(curve=[])]), width=180)
    assert found(early, "the curve begins with the first minute in which something is traded")


def test_positions_and_orders_are_those_of_the_account() -> None:
    """With what is unrealised; the orders below, with their age; another account has others, or none."""
    lines = screen(place=at("positions"))
    assert found(lines, "BTCUSD", "0.9271", "42018.55", "42150.2", "39 077.45", "+122.05")
    assert found(lines, "─ Working orders ─ 2 ─")
    assert found(lines, "ETHUSD", "sma", "buy", "limit", "1.8", "2222.22", "5m")
    assert found(lines, "breakout", "sell", "stop", "0.25", "41500")
    lines = screen(place=at("positions", "futures"))
    assert found(lines, "BTCUSDT.PERP", "−0.194", "−0.73")
    assert found(lines, "no order waits")
    assert found(screen(desk(positions=[], orders=[])), "holds nothing")


def test_strategies_say_how_they_do() -> None:
    """State, what they hold, signals, orders, fills, refusals, the age of the last signal; the reason of a stop."""
    lines = screen(place=at("strategies", lane=("sma", "KRAKEN", "BTCUSD")))
    assert found(lines, "▸sma", "● running", "0.9271", "41", "44", "52", "12s")
    assert found(lines, "sma ", "ETHUSD", "63", "80", "2", "3m")
    assert found(lines, "sma on BTCUSD KRAKEN: sma, bars 1m, close-bar")
    assert found(lines, "breakout", "⚠ paused")
    lines = screen(place=at("strategies", "futures", lane=("mine", "BINANCE", "BTCUSDT.PERP")), width=80, height=21)
    assert found(lines, "⚠ mine on BTCUSDT.PERP BINANCE stopped: ZeroDivisionError")
    assert found(lines, "(mine.py line 31)")
    assert found(screen(desk(strategies=[]), at("strategies")), "no strategy trades on this account")


def test_fills_are_newest_first() -> None:
    """With side, price, fee and what was realised; a liquidation is told as forced; old ones have their day."""
    lines = screen(place=at("fills"))
    top = next(number for number, line in enumerate(lines) if "▸Fills 24" in line)
    assert lines[top + 2].split()[:4] == ["14:13:08", "BTCUSD", "sma", "▲"]
    assert found(lines, "14:07:26", "breakout", "▼ sell", "42126.8", "11.4129", "taker", "+31.88")
    old = fills(NOW_NS - 2 * 86_400 * 10**9, count=1)
    old[0]["strategy"] = ""
    assert found(screen(desk(fills=old), at("fills")), "26-09-19", "forced", "▲ buy")
    assert found(screen(desk(fills=[]), at("fills")), "nothing was traded yet")


def test_feeds_are_told_in_words() -> None:
    """Streaming, silent or waiting, with trades, late ones, holes and losses."""
    lines = screen(place=at("feed"))
    assert found(lines, "BTCUSD", "KRAKEN", "● streaming", "42150.2", "1s", "61.0k", "3")
    assert found(lines, "ETHUSD", "⚠ silent", "1m", "212")
    assert found(lines, "BTCUSDT.PERP", "· waiting")


def test_a_recording_is_as_old_as_its_trades() -> None:
    """Ages are those by the newest trade where a recording is played."""
    played = EngineStatus(source="recording")
    lines = screen(desk(now_ns=NOW_NS), at("strategies"), status=played)
    assert found(lines, "sma ", "BTCUSD", "● running", "11s")


@pytest.mark.parametrize(("width", "height", "panes"), [(80, 21, 1), (120, 37, 2), (160, 30, 2), (160, 48, 4)])
def test_as_many_lists_are_seen_as_there_is_room_for(width: int, height: int, panes: int) -> None:
    """One, two or four; they cover the rows below the accounts without a gap."""
    layout = layout_of(Place(shown="fills"), width=width, height=height)
    assert len(layout.boxes) == panes
    assert layout.box("fills") is not None
    cells = {
        (x, y)
        for _pane, box in layout.boxes
        for x in range(box.x, box.x + box.width)
        for y in range(box.y, box.y + box.height)
    }
    assert len(cells) == width * (height - layout.head)
    assert sum(box.width * box.height for _pane, box in layout.boxes) == len(cells)


def test_the_filter_is_over_all_lists() -> None:
    """What does not match is gone, and it is said how to have it back."""
    lines = screen(place=at("fills", pattern="eth"))
    assert found(lines, "▸Fills 12", "/eth")
    assert found(screen(place=at("feed", pattern="!usd"), height=21), "nothing matches the filter; esc clears it")


def test_lists_scroll() -> None:
    """What is below is counted, and no list is scrolled beyond its end."""
    count, seen = extent(desk(), at("fills"), "fills", width=80, height=21, glyphs=UNICODE)
    assert (count, seen) == (24, 8)
    lines = screen(place=at("fills").scrolled("fills", count - seen), width=80, height=21)
    assert "below" not in found(lines, "▸Fills 24")
    many = [main(id=f"account{number}") for number in range(9)]
    lines = screen(desk(accounts=many), attrs.evolve(at("accounts", "account4")), width=80, height=21)
    assert found(lines, "▸Accounts ─ 4 of 9")


@pytest.mark.parametrize("columns", [POSITIONS, ORDERS, LANES, FILLS, STREAMS])
def test_no_column_is_cut_off(columns: tuple[Column, ...]) -> None:
    """At every width from that of the smallest terminal on there are as many columns as have room, and no more."""
    for width in range(60, 300):
        fitted = fit_columns(columns, width)
        assert 1 + sum(column.width + 1 for column in fitted) <= width, width


@pytest.mark.parametrize(("width", "seen"), [(80, "203.7006913"), (100, "203.70069134")])
def test_quantities_get_the_room_there_is(width: int, seen: str) -> None:
    """A quantity of a fill has all its digits where there is room for them."""
    one = {**fills()[0], "account": "main", "quantity": "203.70069134"}
    rows = screen(desk(fills=[one]), at("fills"), width=width, height=24)
    assert any(f" {seen} " in row for row in rows)


def test_a_low_screen_has_figures_in_place_of_a_curve() -> None:
    """One row of a plot tells nothing: the smallest terminal shows what the account is worth instead."""
    rows = screen(width=60, height=12)
    assert any("realised" in row for row in rows)
    assert not any("\u2800" <= character <= "\u28ff" for row in rows for character in row)


def test_until_when_an_account_is_halted() -> None:
    """One that lost too much in a day trades again on the next one; any other waits for an operator."""
    for reason, until in (
        (DAY_LOSS, "until the next day begins (UTC) or :release"),
        ("by an operator", "until :release"),
    ):
        lines = screen(desk(accounts=[main(halted=reason)]), at("accounts", notes=True), width=160, height=50)
        assert found(lines, f"{until} ")


def test_the_details_hold_everything() -> None:
    """Limits, balances, hashes, the session, delays, what operators did, and how to begin anew."""
    lines = screen(
        desk(notes=["the ledger was cut after line 7"]), Place(account="main", notes=True), width=120, height=60
    )
    for part in (
        "─ Details ─ esc closes them ─", "the ledger was cut after line 7", "began with 100000 USD",
        "58216.297890123 USD, 0.9271 BTC, 1.75 ETH; set aside for orders 4000 USD",
        "a position of 50000 USD, a loss of 2500 USD a day, 30 orders a minute", "sha256 3f9a1c",
        "session 20260921T120000Z-7f3a", "96 us at the 99th percentile", "pause breakout by ringside screen: done",
        "ringside --batch accounts reset, while nobody trades on the desk",
    ):  # fmt: skip
        assert any(part in line for line in lines), part
    halted = screen(place=Place(account="futures", notes=True), height=60)
    assert found(halted, "halted: the day's loss reached its limit; it gets no orders but those that reduce")
    count, seen = notes_extent(desk(), Place(account="main", notes=True), width=80, height=21, glyphs=UNICODE)
    assert count > seen


def test_who_does_not_trade_says_how_to_begin() -> None:
    """An engine without paper trading is no fault: what to type stands there."""
    lines = screen(Heard(refused=True), width=80, height=21)
    for part in (
        "The engine does not trade on paper.", "--paper-trading", "[paper_trading]", "enabled = true",
        "ringside --batch live --paper-trading --strategy sma --symbols BTCUSD",
    ):  # fmt: skip
        assert any(part in line for line in lines), part


@pytest.mark.parametrize(
    ("heard", "paper", "health", "said"),
    [
        (Heard(), None, {}, "Asking the engine."),
        (Heard(reason="no answer in time"), None, {}, "no answer in time"),
        (Heard(refused=True), None, {"reachable": False, "reason": "it has gone"}, "The engine cannot be reached."),
        (Heard(reason="none"), PaperState(state="starting", reason="waiting for KRAKEN"), {}, "waiting for KRAKEN"),
        (Heard(reason="none"), PaperState(state="failed", reason="no such account"), {}, "Paper trading has failed."),
    ],
)
def test_why_nothing_is_known_is_said(
    heard: Heard, paper: PaperState | None, health: dict[str, Any], said: str
) -> None:
    """Each reason in words."""
    status = EngineStatus(paper=paper)
    assert any(said in line for line in screen(heard, status=status, **health))


@pytest.mark.parametrize("width", range(63, 120))
def test_the_title_has_whole_parts(width: int) -> None:
    """What has no room in the title beside the desk and its trouble is left out, not cut."""
    assert "…" not in screen(Heard(desk=desk(), reason="it has gone"), width=width)[0]


def test_what_is_old_is_told_to_be_old() -> None:
    """The last answer stays, marked; so does what an earlier session left."""
    known = desk()
    assert "⚠ as last heard: it has gone" in screen(known, reachable=False, reason="it has gone")[0]
    assert "⚠ as last heard: no answer" in screen(Heard(desk=known, reason="no answer"))[0]
    assert "⚠ nobody trades: as the last session left it" in screen(attrs.evolve(known, running=False))[0]
    failed = EngineStatus(paper=PaperState(state="failed", reason="the disk is full"))
    assert "⚠ failed: the disk is full" in screen(attrs.evolve(known, running=False), status=failed)[0]
    assert "⚠ 1 stopped" in screen(known)[0]
    assert any("the desk has no accounts" in line for line in screen(desk(accounts=[])))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_huge_and_unknown_amounts_break_nothing(width: int, height: int) -> None:
    """The layout holds, and no figure stands there without its last digits unless that is marked."""
    huge = dict.fromkeys(("initial", "equity", "today", "free", "margin", "fees", "realised", "unrealised"), "9" * 29)
    odd = {**huge, "return": 1e25, "locked": {"USD": "9" * 29, "BTC": "9" * 29}, "curve": [[1, "1"], [2, "9" * 29]]}
    rows = [
        {**row, **{name: "-" + "9" * 29 for name in row if name not in ("account", "symbol")}} for row in positions()
    ]
    known = desk(accounts=[{**main(), **odd}, futures(equity=None, initial=None)], positions=rows, trades_seen=2**70)
    for pane in PANES:
        for account in ("main", "futures"):
            lines = screen(known, at(pane, account), width=width, height=height)
            assert not any(f" {'9' * 12} " in line for line in lines)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(60, 220),
    height=st.integers(12, 80),
    pane=st.sampled_from(PANES),
    account=st.sampled_from(["main", "futures", "gone"]),
    notes=st.booleans(),
    top=st.integers(0, 50),
)
def test_every_size_is_filled(width: int, height: int, pane: Pane, account: str, notes: bool, top: int) -> None:
    """Exactly as many rows and cells as there are, wherever the operator is."""
    place = attrs.evolve(at(pane, account).scrolled(pane, top), notes=notes, notes_top=top)
    screen(place=place, width=width, height=height)
