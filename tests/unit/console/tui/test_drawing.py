"""What reaches the terminal and what comes from it: dirty spans, exact output, cleaned input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from console.tui.output import ExactUpdate, Pen
from console.tui.terminal import InputCleaner, past_tmux
from console.tui.text import Row
from console.tui.widgets.lines import changed_spans

CELLS = st.lists(
    st.tuples(st.text("ab1", min_size=1, max_size=4), st.sampled_from(["x", "y"])), min_size=1, max_size=8
)


def painted(row: Row) -> list[tuple[str, str]]:
    """A row as one (character, style) a column."""
    return [(character, style) for text, style in row for character in text]


@given(CELLS, CELLS)
def test_changed_spans_cover_every_change(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> None:
    """Drawing only the changed spans of a row over the old one gives the new row."""
    width = max(sum(len(text) for text, _style in cells) for cells in (first, second))
    old, new = (
        (*cells, ("." * (width - sum(len(text) for text, _style in cells)), "x")) for cells in (first, second)
    )
    screen, wanted = painted(old), painted(new)
    for begin, end in changed_spans(old, new):
        screen[begin:end] = wanted[begin:end]
    assert screen == wanted


def test_an_unchanged_row_costs_nothing() -> None:
    """Equal rows have no changed span; one digit changed is one digit drawn."""
    row: Row = (("abc", "x"), ("42150.2", "y"))
    assert changed_spans(row, row) == []
    assert changed_spans(row, (("abc", "x"), ("42150.7", "y"))) == [(9, 10)]


RED = Style.parse("color(203) on color(233)")
GREEN = Style.parse("color(78) on color(233)")
BOLD = Style.parse("bold color(78) on color(233)")


def test_styles_are_written_only_where_they_change() -> None:
    """The same style twice is written once; a change of foreground leaves the background alone."""
    pen = Pen(ColorSystem.EIGHT_BIT)
    pen.move(2, 4)
    for text, style in (("a", RED), ("b", RED), ("c", GREEN), ("d", BOLD)):
        pen.draw(Segment(text, style))
    assert pen.text() == "\x1b[5;3H\x1b[38;5;203;48;5;233mab\x1b[38;5;78mc\x1b[0;1;38;5;78;48;5;233md\x1b[0m"


def test_without_a_colour_system_attributes_remain() -> None:
    """Bold and reverse are written where no colour may be."""
    pen = Pen(None)
    pen.draw(Segment("a", Style.parse("bold reverse red on blue")))
    assert pen.text() == "\x1b[0;1;7;39;49ma\x1b[0m"


@pytest.mark.parametrize(
    ("span", "text"),
    [((0, 9), "abcdefghi"), ((2, 5), "cde"), ((4, 4), ""), ((0, 1), "a"), ((3, 9), "defghi")],
)
def test_an_update_writes_its_spans_and_nothing_else(span: tuple[int, int], text: str) -> None:
    """Only the cells of a span are written, from where it begins."""
    strip = Strip([Segment("abc", RED), Segment("def", GREEN), Segment("ghi", RED)], 9)
    update = ExactUpdate([{0: strip}], [(0, *span)], [[9]])
    written = update.render_segments(Console(color_system="256", force_terminal=True))
    plain = "".join(part.partition("m")[2] or part.partition("H")[2] for part in written.split("\x1b"))
    assert plain == text


def test_wide_characters_of_others_are_cut_whole() -> None:
    """A span that begins inside a double-width character writes as many cells as it should."""
    strip = Strip([Segment("日本語", RED)], 6)
    update = ExactUpdate([{0: strip}], [(0, 2, 4)], [[6]])
    assert "本" in update.render_segments(Console(color_system="256", force_terminal=True))


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([b"q"], "q"),
        ([b"\x1b[M !q", b"x"], "x"),
        ([b"\x1b[M", b"\xff\xfe\xfd", b"y"], "y"),
        ([b"\x1b[M\xff", b"\xfe", b"\xfdz"], "z"),
        ([b"\x1b[", b"M !q", b"k"], "k"),
        ([b"a\x1b[A"], "a\x1b[A"),
        ([b"\x1b[<0;1;1M"], "\x1b[<0;1;1M"),
        ([b"\xc3", b"\xa9"], "é"),
        ([b"\xc3\x28\x80"], "("),
        ([b"\x1b"], "\x1b"),
    ],
)
def test_old_mouse_reports_press_no_keys(chunks: list[bytes], text: str) -> None:
    """X10 reports vanish however they are cut up; everything else that is UTF-8 comes through."""
    cleaner = InputCleaner()
    assert "".join(cleaner.feed(chunk) for chunk in chunks) == text


def test_a_lone_bracket_comes_through_when_nothing_follows() -> None:
    """`ESC [` alone is a key; half a mouse report is nothing."""
    cleaner = InputCleaner()
    assert (cleaner.feed(b"\x1b["), cleaner.idle()) == ("", "\x1b[")
    assert (cleaner.feed(b"\x1b[M "), cleaner.idle()) == ("", "")


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_no_input_kills(chunks: list[bytes]) -> None:
    """Any bytes in any pieces give text."""
    cleaner = InputCleaner()
    for chunk in chunks:
        assert isinstance(cleaner.feed(chunk), str)
        cleaner.idle()


def test_a_copy_is_wrapped_for_tmux() -> None:
    """tmux's envelope holds the sequence with each escape doubled."""
    assert past_tmux("\x1b]52;c;QQ==\x07") == "\x1bPtmux;\x1b\x1b]52;c;QQ==\x07\x1b\\"
