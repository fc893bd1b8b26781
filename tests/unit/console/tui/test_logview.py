"""What the log screen keeps and shows, without a terminal."""

from __future__ import annotations

import time

import pytest

from console.tui.logfeed import parse_page, parse_whole
from console.tui.logrows import copy_line, log_rows
from console.tui.logstore import KEPT
from console.tui.logview import LogView
from console.tui.status import LogLine
from console.tui.text import UNICODE, row_width

T0_NS = 1_790_000_000_000_000_000


def line(number: int, *, level: str = "INFO", text: str = "", logger: str = "ringside.feed") -> LogLine:
    """The line of that number."""
    return LogLine(ts_ns=T0_NS + number, level=level, logger=logger, text=text or f"line {number}", sequence=number)


def view_of(*lines: LogLine) -> LogView:
    """A view that has heard and looked at some lines."""
    view = LogView()
    view.store.hear(lines, epoch_ns=1)
    view.work()
    return view


def texts(view: LogView) -> list[str]:
    """The texts of what is shown."""
    return [one.text for one in view.shown()]


def drawn(
    view: LogView, *, problems: tuple[str, ...] = (), width: int = 80, height: int = 12, top: int = 0
) -> list[str]:
    """The rows as text."""
    found = log_rows(view, problems, top=top, width=width, height=height, glyphs=UNICODE)
    assert {row_width(row) for row in found.rows} == {width}
    assert len(found.rows) == height
    return ["".join(text for text, _ in row) for row in found.rows]


THREE = (
    line(1, level="DEBUG", text="one", logger="a"),
    line(2, level="WARNING", text="two", logger="ringside.kraken"),
    line(3, level="ERROR", text="three", logger="b"),
)


def test_the_log_is_filtered_by_level_and_expression() -> None:
    """A level shows itself and what is worse; an expression is looked for in source and text; `!` inverts."""
    view = view_of(*THREE)
    view.pattern = "KRAKEN|^b"
    assert texts(view) == ["two", "three"]
    view.pattern = "!t"
    assert texts(view) == ["one"]
    view.pattern = ""
    for _ in range(2):
        view.next_level()
    assert (view.level, texts(view)) == ("WARNING", ["two", "three"])


def test_a_bad_expression_is_said_and_changes_nothing() -> None:
    """While it is typed the last good one counts, and words say what is missing."""
    view = view_of(*THREE)
    view.pattern = "t"
    view.pattern = "t(w"
    assert texts(view) == ["two", "three"]
    assert any("missing ): t(w" in row for row in drawn(view))
    view.pattern = "t(w)"
    assert (view.error, texts(view)) == ("", ["two"])


def test_lines_come_and_go_and_are_counted() -> None:
    """So many are kept, by level; what was dropped is shown no more."""
    view = view_of()
    view.store.hear([line(number, level="ERROR" if number < 100 else "INFO") for number in range(KEPT + 50)])
    view.work(10**9)
    assert view.store.counts["ERROR"] == 50
    assert view.store.counts["INFO"] == KEPT - 50
    assert texts(view)[0] == "line 50"
    assert "50 error, 4 950 info" in drawn(view)[0]


def test_a_restart_and_missing_lines_are_marked() -> None:
    """Between what was heard before and after, whatever is filtered."""
    view = view_of(line(1))
    view.pattern = "line"
    view.store.hear([line(1)], epoch_ns=2)
    view.store.hear([line(90)], epoch_ns=2, missed=88)
    view.work()
    assert texts(view) == [
        "line 1", "the engine was started again", "line 1",
        "88 lines came faster than they were read: they are in the log file", "line 90",
    ]  # fmt: skip
    assert any("─ the engine was started again ─" in row for row in drawn(view))


def test_a_paused_view_stands_still_and_counts() -> None:
    """What comes meanwhile is counted, by the filter; going on is at the newest line."""
    view = view_of(line(1), line(2))
    view.toggle_pause()
    view.store.hear([line(3), line(4, text="other")])
    view.work()
    view.pattern = "line"
    assert (texts(view), view.newer) == (["line 1", "line 2"], 1)
    assert any("paused, 1 newer" in row for row in drawn(view))
    view.move(-1)
    view.toggle_pause()
    assert (view.following, texts(view)) == (True, ["line 1", "line 2", "line 3"])


def test_the_cursor_stays_on_its_line() -> None:
    """While lines come, and while a filter takes it away the next one; at the end it follows again."""
    view = view_of(*(line(number) for number in range(10)))
    assert view.following
    view.move(-4)
    view.store.hear([line(10), line(11)])
    view.work()
    assert view.selected is not None
    assert view.selected.text == "line 5"
    view.pattern = "[03]$"
    assert view.selected.text == "line 10"
    view.pattern = ""
    assert view.selected.text == "line 5"
    view.move(10**6)
    assert view.following
    view.move(-(10**6))
    assert view.selected.text == "line 0"


def test_the_log_scrolls_and_keeps_its_shape() -> None:
    """The newest line is at the bottom; the view moves only as far as the cursor needs."""
    view = view_of(*(line(number) for number in range(20)))
    assert "line 19" in drawn(view)[-1]
    view.move(-3)
    first = log_rows(view, (), top=9, width=80, height=12, glyphs=UNICODE)
    rows = drawn(view, top=first.top)
    assert any("▸" in row and "line 16" in row for row in rows)
    assert any("3 newer below" in row for row in rows)
    view.move(-(10**6))
    assert "line 0" in drawn(view)[2]


def test_problems_stand_above_the_log() -> None:
    """Each told to its end where there is room for it; repairs of stored files below them."""
    told = " ".join(f"word{number}" for number in range(12))
    whole = " ".join(" ".join(drawn(view_of(*THREE), problems=(told,), width=40)).split())
    assert f" ⚠ {told} ─ Log ─" in whole
    several = drawn(view_of(*THREE), problems=(told, told, told), width=40)
    assert [row.startswith(" ⚠ word0") and row.endswith("…") for row in several[1:4]] == [True, True, True]
    rows = log_rows(view_of(), ["bad"], ["a.dbn: cut"], width=60, height=9, glyphs=UNICODE).rows
    lines = ["".join(text for text, _ in row) for row in rows]
    assert ["Repaired in the store" in lines[2], "⚠ a.dbn: cut" in lines[3]] == [True, True]


def test_long_lines_are_cut_wrapped_or_scrolled() -> None:
    """A cut line ends in an ellipsis; wrapped, all of it is there; scrolled, what was behind the edge."""
    text = "".join(f"<{number:03}>" for number in range(40))
    view = view_of(line(1, text=text))
    assert drawn(view)[1].endswith("…")
    view.wrapped = True
    assert text in "".join(row[34:].rstrip() for row in drawn(view)[2:9])
    view.wrapped, view.right = False, 100
    assert "<020>" in drawn(view)[2]
    assert "from column 101" in drawn(view)[1]


def test_what_is_found_is_marked() -> None:
    """In the text, with a style of its own, on the line under the cursor too."""
    view = view_of(line(1, text="from KRAKEN to kraken"))
    view.pattern = "kra+ken"
    rows = log_rows(view, (), width=80, height=6, glyphs=UNICODE).rows
    assert [text for row in rows for text, style in row if style == "last_label"] == ["KRAKEN", "kraken"]


def test_an_opened_line_is_told_in_full() -> None:
    """With its fields and traceback once the engine told them; it scrolls, and closes."""
    view = view_of(line(1, text="short"))
    opened = view.open()
    assert opened is not None
    whole = parse_whole(
        {"line": {"sequence": 1, "ts_ns": opened.ts_ns, "level": "error", "logger": "ringside.feed",
                  "text": "x" * 900, "fields": {"symbol": "BTC\x1bUSD"},
                  "trace": "Traceback\n  deep\nValueError: why"}}
    )  # fmt: skip
    assert whole is not None
    view.hear_whole(whole, 1)
    rows = drawn(view, height=30)
    for part in ("symbol BTC?USD", "   deep", "ValueError: why", "One line ─ esc closes it"):
        assert any(part in row for row in rows), part
    view.move(10**6)
    assert "ValueError: why" in drawn(view, height=8)[-1]
    assert "symbol=BTC?USD" in copy_line(view.opened or opened)
    assert (view.back(), view.back()) == (True, False)


def test_an_expression_never_holds_a_frame_up() -> None:
    """One that makes much work of every line is worked on in many frames, each short, and gets there."""
    view = view_of(*(line(number, text="ab" * 200 + str(number)) for number in range(1500)))
    view.pattern = "(a|b|ab)*c(.{1,9}){20}$"
    view.pattern = "(.{1,20}){10}[^b]9$"
    longest_s, frames = 0.0, 0
    while view.left:
        began_s = time.process_time()
        view.work()
        longest_s, frames = max(longest_s, time.process_time() - began_s), frames + 1
    assert longest_s < 0.5
    assert len(view.shown()) == 149


@pytest.mark.parametrize(
    "raw",
    [
        {"lines": [{}, 3, None, {"ts_ns": -1, "level": 5, "text": ["x"]}], "epoch_ns": "x", "looked_at": None},
        {"lines": [], "first": 10**30, "more": "yes"},
    ],
)
def test_a_page_of_anybody_is_read(raw: dict[str, object]) -> None:
    """What is missing or of another type becomes empty."""
    page = parse_page(raw, after=5, epoch_ns=0)
    assert page is not None
    assert page.more is False
    assert parse_page({}, after=0, epoch_ns=0) is None
    assert parse_whole({"line": {"fields": [], "trace": 5}}) is not None
    assert parse_whole({}) is None


def test_lines_that_are_not_kept_any_more_are_counted() -> None:
    """Between the last one heard and the first that is kept; not when the engine is another."""
    raw = {"lines": [], "epoch_ns": 7, "first": 100, "looked_at": 120}
    assert [page.missed for page in (parse_page(raw, after=80, epoch_ns=7), parse_page(raw, after=80, epoch_ns=6))
            if page is not None] == [19, 0]  # fmt: skip
