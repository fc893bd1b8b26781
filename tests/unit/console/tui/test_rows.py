"""Rows of the board, the ladder and the tape, as tables of what goes in and what must stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.boardrows import (
    board_columns,
    board_head,
    board_row,
    copy_text,
    filter_views,
    quote_mark,
    sort_views,
)
from console.tui.ladderrows import ladder_rows
from console.tui.snapshot import Book, Focus, Print, SymbolView
from console.tui.status import Feed
from console.tui.taperows import tape_rows
from console.tui.text import ASCII, UNICODE, Row, bar_text, row_width
from console.tui.themes import THEMES, Depth, Palette

E9 = 10**9
BTC = Feed(symbol="BTCUSD", venue="KRAKEN", quote="USD", product="spot", price_decimals=1, quantity_decimals=4)


def view(feed: Feed = BTC, **fields: Any) -> SymbolView:
    """A view at 42150.2, a tenth up on the day's 42100.0."""
    known: dict[str, Any] = {
        "key": (feed.symbol, feed.venue), "feed": feed, "last_e9": 421502 * E9 // 10, "first_e9": 42100 * E9,
        "bid_e9": 421501 * E9 // 10, "ask_e9": 421503 * E9 // 10, "direction": 0, "flash": False, "rate": 38.0,
        "age_s": 0.4,
    }  # fmt: skip
    return SymbolView(**{**known, **fields})


def text_of(row: Row) -> str:
    """The characters of a row."""
    return "".join(text for text, _style in row)


def checked_text(rows: Sequence[Row], size: tuple[int, int]) -> str:
    """A screen as text; its shape and its styles are checked."""
    width, height = size
    assert len(rows) == height
    assert {row_width(row) for row in rows} == {width}
    for theme in THEMES:
        for depth in Depth:
            palette = Palette(theme, depth)
            for row in rows:
                for _text, style in row:
                    palette.style(style)
    text = "\n".join(text_of(row) for row in rows)
    assert text.replace("\n", "").isprintable()
    return text


def styles_of(row: Row, containing: str) -> list[str]:
    """The styles of the cells that contain a text."""
    return [style for text, style in row if containing in text]


def board(one: SymbolView, *, width: int = 90, cursor: bool = False, focused: bool = False) -> Row:
    """The board's row of one view."""
    columns = board_columns([one], width)
    return board_row(one, columns, width=width, cursor=cursor, focused=focused, glyphs=UNICODE)


def test_prices_stand_in_the_instruments_own_precision() -> None:
    """Every figure is cut to the digits the venue prints, exactly."""
    text = text_of(board(view()))
    assert text.split() == ["BTCUSD", "KRAKEN", "42150.2", "+0.11", "42150.1", "42150.3", "38", "0s", "0.2"]
    exact = view(last_e9=123456789, feed=Feed(symbol="X", venue="V", quote="USD", price_decimals=9))
    assert "0.123456789" in text_of(board(exact))


@pytest.mark.parametrize(("quote", "mark"), [("USD", " "), ("USDT", "t"), ("EUR", "e"), ("JPY", "*"), ("", " ")])
def test_other_currencies_are_marked(quote: str, mark: str) -> None:
    """Only dollars stand without a mark."""
    assert quote_mark(Feed(symbol="A", venue="B", quote=quote)) == mark


@pytest.mark.parametrize(
    ("direction", "flash", "arrow", "style"),
    [(1, True, "▲", "flash_up"), (1, False, "▲", "up"), (-1, True, "▼", "flash_down"), (0, False, " ", "text")],
)
def test_a_tick_has_an_arrow_and_a_colour(direction: int, flash: bool, arrow: str, style: str) -> None:
    """Direction is told twice, by character and by style; the flash is the price's alone."""
    row = board(view(direction=direction, flash=flash))
    assert f"42150.2 {arrow}" in text_of(row)
    assert styles_of(row, "42150.2") == [style]


def test_a_stale_row_is_dim_and_marked() -> None:
    """After ten seconds of silence the row is dim, marked `~`, and its age a warning."""
    row = board(view(age_s=75.0, direction=1, flash=True))
    assert "42150.2 ~" in text_of(row)
    assert "▲" not in text_of(row)
    assert styles_of(row, "42150.2") == ["stale"]
    assert styles_of(row, "1m") == ["warn"]


def test_cursor_and_focus_are_characters_too() -> None:
    """The cursor's row begins with an arrow and has its ground throughout; the focused one has a dot."""
    row = board(view(), cursor=True)
    assert text_of(row).startswith("▸BTCUSD")
    assert all(style.endswith("+cursor") for _text, style in row)
    assert text_of(board(view(), focused=True)).startswith("•BTCUSD")


def test_what_is_not_known_is_left_blank() -> None:
    """Before the first trade and quote there are no figures and nothing fails."""
    empty = view(last_e9=None, first_e9=None, bid_e9=None, ask_e9=None, rate=0.0, age_s=None)
    assert text_of(board(empty)).split() == ["BTCUSD", "KRAKEN", "−", "−"]


@given(
    st.integers(20, 200),
    st.integers(-(10**18), 10**18),
    st.integers(0, 9),
    st.text("ABCDEFGH1234567890-", min_size=1, max_size=32),
)
def test_rows_are_as_wide_as_they_should_be(width: int, price: int, decimals: int, symbol: str) -> None:
    """Whatever the symbol and the price, a row is exactly as wide as the board."""
    feed = Feed(symbol=symbol, venue="KRAKEN", quote="USDT", price_decimals=decimals)
    one = view(feed, last_e9=price, bid_e9=price, ask_e9=price, first_e9=price // 2)
    columns = board_columns([one], width)
    assert row_width(board(one, width=width, cursor=True)) == width
    assert row_width(board_head(columns, sort="last", width=width)) == width


def test_a_narrow_board_keeps_price_and_change() -> None:
    """At 38 columns a long venue is cut visibly, and last price and change are whole."""
    text = text_of(board(view(Feed(symbol="BTCUSD", venue="SIM.BINANCE", quote="USDT", price_decimals=1)), width=38))
    assert "42150.2t" in text
    assert "+0.11" in text
    assert "SIM.BINA… " in text


@pytest.mark.parametrize(
    ("width", "shown"),
    [(38, ("chg%",)), (54, ("chg%", "bid", "ask")), (60, ("chg%", "bid", "ask")),
     (66, ("chg%", "bid", "ask", "t/s")), (80, ("chg%", "bid", "ask", "t/s", "age", "spread"))],
)  # fmt: skip
def test_quotes_survive_a_narrow_board(width: int, shown: tuple[str, ...]) -> None:
    """Behind change come bid and ask, then rate, age and spread; a long venue gives way, with a mark, to a quote."""
    one = view(Feed(symbol="BTCUSD", venue="SIM.BINANCE", quote="USDT", price_decimals=1))
    assert tuple(column.head for column in board_columns([one], width))[3:] == shown
    if width == 54:
        assert "SIM" in text_of(board(one, width=width))
        assert "… " in text_of(board(one, width=width))


@pytest.mark.parametrize(
    ("pattern", "symbols"),
    [("", ["BTCUSD", "ETHUSD"]), ("eth", ["ETHUSD"]), ("!eth", ["BTCUSD"]), ("kraken", ["BTCUSD", "ETHUSD"]),
     ("!", ["BTCUSD", "ETHUSD"])],
)  # fmt: skip
def test_filtering(pattern: str, symbols: list[str]) -> None:
    """A pattern is looked for in symbol, venue, currency and product; `!` inverts; alone it means nothing."""
    views = [view(), view(Feed(symbol="ETHUSD", venue="KRAKEN", quote="USD"))]
    assert [one.key[0] for one in filter_views(views, pattern)] == symbols


def test_sorting_puts_the_unknown_last() -> None:
    """Rows without a value come last in both directions; `feed` is the order given."""
    views = [view(Feed(symbol=name, venue="V"), rate=rate, last_e9=last) for name, rate, last in
             (("A", 1.0, 5), ("B", 3.0, None), ("C", 2.0, 9))]  # fmt: skip
    order = {reverse: [one.key[0] for one in sort_views(views, "last", reverse=reverse)] for reverse in (False, True)}
    assert order == {False: ["A", "C", "B"], True: ["C", "A", "B"]}
    assert [one.key[0] for one in sort_views(views, "rate", reverse=True)] == ["B", "C", "A"]
    assert [one.key[0] for one in sort_views(views, "feed", reverse=False)] == ["A", "B", "C"]


def test_the_change_is_cut_and_signed() -> None:
    """Hundredths of a per cent, exactly, with a sign."""
    assert view(last_e9=99 * E9, first_e9=100 * E9).change_e4 == -100
    assert view(last_e9=100 * E9 + 1, first_e9=100 * E9).change_e4 == 0
    assert view(first_e9=0).change_e4 is None


def test_a_copied_row_is_plain_text() -> None:
    """Symbol, venue, currency, last, change, bid, ask and rate, with tabs between; the unknown is empty."""
    assert copy_text(view()) == "BTCUSD\tKRAKEN\tUSD\t42150.2\t0.11\t42150.1\t42150.3\t38.0"
    assert copy_text(view(last_e9=None, bid_e9=None)) == "BTCUSD\tKRAKEN\tUSD\t\t\t\t42150.3\t38.0"


def book(levels: int = 10) -> Book:
    """A book of so many levels a side, one tenth apart, around 42150.2."""
    return Book(
        tuple((421501 * E9 // 10 - number * E9 // 10, (number + 1) * 10**8) for number in range(levels)),
        tuple((421503 * E9 // 10 + number * E9 // 10, (number + 1) * 10**8) for number in range(levels)),
    )


def ladder(found: Book | None, *, width: int = 50, height: int = 23, feed: Feed = BTC) -> list[str]:
    """The ladder's rows as text."""
    focus = Focus(view=view(feed), interval_ns=1, book=found)
    rows = ladder_rows(focus, width=width, height=height, glyphs=UNICODE, edge="│")
    assert len(rows) == height
    assert {row_width(row) for row in rows} == {width}
    return [text_of(row) for row in rows]


def test_the_ladder_has_asks_above_and_bids_below() -> None:
    """Best prices are nearest the middle, which gives spread and mid exactly."""
    lines = ladder(book())
    assert "42151.2" in lines[1]
    assert "42150.3" in lines[10]
    assert "mid 42150.20  spread 0.2 = 0.04 bp" in lines[11]
    assert "42150.1" in lines[12]
    assert lines[12].split()[:4] == ["│", "42150.1", "1.0000", "1.0000"]
    assert lines[13].split()[:4] == ["│", "42150.0", "2.0000", "3.0000"]


def test_the_largest_level_has_the_longest_bar() -> None:
    """Bars are in proportion to the quantity."""
    lines = ladder(book())
    assert lines[1].count("█") == max(line.count("█") for line in lines)
    assert lines[21].count("█") > lines[14].count("█") > 0


@pytest.mark.parametrize(("width", "height"), [(16, 13), (27, 23), (40, 8), (52, 5), (12, 4), (30, 2)])
def test_ladders_of_any_size_keep_their_shape(width: int, height: int) -> None:
    """Whatever room there is, rows and columns come out exact."""
    ladder(book(), width=width, height=height)
    ladder(book(2), width=width, height=height)
    ladder(None, width=width, height=height)


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (Book(withheld=True), "live", "book withheld"),
        (book(), "live", "42150.1"),
        (None, "withheld", "book withheld"),
        (None, "syncing", "waiting for the book"),
        (Book(), "live", "waiting for the book"),
    ],
)
def test_a_book_that_cannot_be_trusted_has_no_levels(found: Book | None, state: str, said: str) -> None:
    """Withheld and missing books say so in words and show no price."""
    feed = Feed(symbol="A", venue="B", price_decimals=1, book_state=state)
    lines = ladder(found, feed=feed)
    assert any(said in line for line in lines)
    if said != "42150.1":
        assert not any("42150" in line for line in lines)


@pytest.mark.parametrize(
    ("bids", "asks", "said"),
    [(((2 * E9, 1),), ((1 * E9, 1),), "crossed"), ((), ((1 * E9, 1),), "one side only")],
)
def test_strange_books_are_called_so(
    bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...], said: str
) -> None:
    """A crossed or a one-sided book is named, and nothing is computed from it."""
    assert any(said in line for line in ladder(Book(bids, asks)))


def test_bars_grow_by_eighths() -> None:
    """A bar never vanishes for a quantity above nothing, and never exceeds its room."""
    assert bar_text(0, largest=10, width=4, glyphs=UNICODE) == ""
    assert bar_text(1, largest=10_000, width=4, glyphs=UNICODE) == "▏"
    assert bar_text(5, largest=10, width=4, glyphs=UNICODE) == "██"
    assert bar_text(99, largest=10, width=4, glyphs=UNICODE) == "████"
    assert bar_text(10, largest=10, width=4, glyphs=ASCII) == "####"


PRINTS = (
    Print(1_790_000_000_123_000_000, 421502 * E9 // 10, 5 * 10**7, 1),
    Print(1_790_000_000_001_000_000, 421501 * E9 // 10, 123456789, -1),
    Print(0, 421501 * E9 // 10, 0, 0),
)


def test_the_tape_tells_time_side_price_and_size() -> None:
    """Each trade has UTC milliseconds, an arrow for its aggressor, and its exact figures."""
    rows = tape_rows(PRINTS, BTC, width=50, height=6, glyphs=UNICODE, edge="│")
    lines = [text_of(row) for row in rows]
    assert lines[0].startswith("│ 14:13:20.123 ▲ 42150.2 0.5000")
    assert lines[1].startswith("│ 14:13:20.001 ▼ 42150.1 1.2345")
    assert lines[2].startswith("│ 00:00:00.000   42150.1 0.0000")
    assert len(lines) == 6
    assert {row_width(row) for row in rows} == {50}
    assert lines[1].count("█") > lines[0].count("█") > 0


@given(st.integers(12, 80), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1))
def test_tapes_of_any_width_keep_their_shape(width: int, price: int, quantity: int, instant: int) -> None:
    """Extreme figures neither fail nor push a row out of its width."""
    rows = tape_rows([Print(instant, price, quantity, 1)], BTC, width=width, height=2, glyphs=UNICODE, edge="│")
    assert {row_width(row) for row in rows} == {width}
