"""The health of a feed in signs and words: rows of any width, signs without colours, what an engine may say."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.healthwords import REASON_ROWS, health_cell, health_rows, health_word, is_unwell
from console.tui.ladderrows import ladder_rows
from console.tui.snapshot import Book, Focus
from console.tui.status import HEALTHS, Feed, parse_status
from console.tui.text import ASCII, UNICODE, Glyphs, row_width
from console.tui.troublerows import trouble_rows
from tests.unit.console.tui.test_rows import board, styles_of, text_of, view

SILENT = "nothing for 42 s; usually every 0.8 s; 11 other symbols are live"


def feed(health: str, reason: str = "", problem: str = "") -> Feed:
    """A feed of that health."""
    return Feed(symbol="BTCUSD", venue="KRAKEN", health=health, health_reason=reason, problem=problem)


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_state_has_a_sign_of_its_own(glyphs: Glyphs) -> None:
    """The four states are told apart without any colour; a live one and an unknown one need no sign."""
    signs = {health: health_cell(feed(health), glyphs)[0] for health in HEALTHS}
    assert len(set(signs.values())) == len(HEALTHS)
    assert signs["live"] == health_cell(feed(""), glyphs)[0] == " "
    assert {health for health in HEALTHS if is_unwell(feed(health))} == {"stale", "broken"}
    assert [health_word(feed(health), ASCII)[0] for health in ("live", "quiet", "stale")] == ["", "", "~ stale"]


@given(st.integers(1, 120), st.sampled_from(sorted(HEALTHS)), st.text("abc de;", max_size=200))
def test_reasons_keep_to_width_and_height(width: int, health: str, reason: str) -> None:
    """However long a reason and narrow a pane: rows of its width, three at most, one for what is no trouble."""
    rows = health_rows(feed(health, reason), width=width, glyphs=UNICODE, edge="│")
    assert all(row_width(row) == width for row in rows)
    assert len(rows) <= {"live": 0, "quiet": 1}.get(health, REASON_ROWS)
    assert bool(rows) is (health != "live")


def test_a_reason_is_told_whole_where_there_is_room() -> None:
    """At 30 cells a reason takes three rows and loses nothing; at 18 the last one is cut visibly."""
    rows = [text_of(row) for row in health_rows(feed("stale", SILENT), width=34, glyphs=UNICODE)]
    assert " ".join(" ".join(rows).split()) == f"~ stale: {SILENT}"
    assert text_of(health_rows(feed("stale", SILENT), width=18, glyphs=UNICODE)[-1]).endswith("…")


def test_a_problem_is_not_told_twice() -> None:
    """What the reason quotes has no row of its own; another problem has."""
    quoted = trouble_rows(
        feed("broken", "book withheld: checksum differs", "checksum differs"), width=60, glyphs=ASCII
    )
    other = trouble_rows(feed("stale", SILENT, "clocks differ"), width=90, glyphs=ASCII)
    assert [text_of(row).strip() for row in quoted] == ["! broken: book withheld: checksum differs"]
    assert [text_of(row).strip() for row in other] == [f"~ stale: {SILENT}", "! clocks differ"]


@pytest.mark.parametrize(
    ("health", "age_s", "sign", "style"),
    [("live", 75.0, " ", "text"), ("quiet", 75.0, "·", "dim"), ("stale", 1.0, "~", "stale"),
     ("broken", 1.0, "⚠", "stale"), ("", 75.0, "~", "stale"), ("", 1.0, " ", "text")],
)  # fmt: skip
def test_the_board_goes_by_health_before_age(health: str, age_s: float, sign: str, style: str) -> None:
    """An old price of a thin market is not called stale, and a fresh one of a broken feed is no living price."""
    row = board(view(attrs.evolve(view().feed, health=health), age_s=age_s, direction=0, flash=False))
    assert f"42150.2 {sign} " in text_of(row)
    assert styles_of(row, "42150.2") == [style]


@pytest.mark.parametrize("health", ["live", "quiet", "stale"])
def test_an_old_book_has_no_colours(health: str) -> None:
    """The levels of a stale symbol are grey and the word stands above them; those of a quiet one are not."""
    one = view(attrs.evolve(view().feed, health=health))
    book = Book(bids=((42150 * 10**9, 10**8),), asks=((42151 * 10**9, 10**8),))
    rows = ladder_rows(Focus(view=one, interval_ns=10**9, book=book), width=40, height=12, glyphs=UNICODE)
    styles = {style for row in rows[1:] for text, style in row if text.strip()}
    assert ("~ stale" in text_of(rows[0])) is (health == "stale")
    assert (styles <= {"stale", "faint", "grid"}) is (health == "stale")


@pytest.mark.parametrize(
    ("said", "health"), [("stale", "stale"), ("LIVE", ""), ("\x1b[2J", ""), (7, ""), (None, ""), (["stale"], "")]
)
def test_only_known_states_are_believed(said: object, health: str) -> None:
    """A state that an engine of another release may say is none; its reason is safe to draw."""
    row = {"symbol": "BTCUSD", "venue": "KRAKEN", "health": said, "health_reason": "a\x1b[2J\u202eb"}
    parsed = parse_status({"feeds": [row]}).feeds[0]
    assert parsed.health == health
    assert parsed.health_reason == "a?[2J?b"
