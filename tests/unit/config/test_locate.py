"""Where keys stand: the locator against documents that are generated together with the answer."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.locate import Position, locate, read_key
from config.places import Place, read_place, written

NAMES = st.text("ab_-1", min_size=1, max_size=3) | st.sampled_from(
    ["a b", "x.y", "ESH5@CME", "", "é", '"', "#", "=["]
)
SCALARS = st.sampled_from(
    ["1", "-0.5e3", "nan", "1979-05-27 07:32:00", "1979-05-27", '"text"', "'li#t'", '"# [no] = \\" 1"', '""', "''",
     '"""\nkey = 1\n[table]\n\\"""\n"" # no\n"""', "'''\n[[a]]\nb = ''\n'''", '"""one""two"""""', "''''quoted''''"]
)  # fmt: skip


class Writer:
    """Writes a document and notes the line of each place."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.text = ""
        self.lines: dict[Place, int] = {}
        self._draw = draw

    def note(self, place: Place) -> None:
        """What stands at `place` begins here."""
        self.lines[place] = self.text.count("\n") + 1

    def blank(self, *, lines: bool) -> None:
        """Spaces, and where a line may end, line ends and comments."""
        choices = ["", " ", "\t"] + (["\n", " # [no] = 'x'\n", "\r\n\r\n"] if lines else [])
        self.text += self._draw(st.sampled_from(choices))

    def key(self, name: str) -> None:
        """A key, in quotes where it needs them or at random."""
        bare = name and all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in name)
        quoted = json.dumps(name, ensure_ascii=False)
        literal = f"'{name}'" if "'" not in name else quoted
        self.text += self._draw(st.sampled_from([quoted, literal, *([name] * 3 if bare else [])]))

    def pairs(self, table: Place, *, inline: bool, depth: int) -> None:
        """Several pairs of one table, each name once."""
        names = self._draw(st.lists(NAMES, unique=True, max_size=3))
        for number, name in enumerate(names):
            if inline and number:
                self.text += ", "
            elif not inline:
                self.blank(lines=True)
            place: Place = (*table, name)
            self.note(place)
            self.key(name)
            if self._draw(st.booleans()):
                self.blank(lines=False)
                self.text += "."
                self.blank(lines=False)
                inner = self._draw(NAMES)
                place = (*place, inner)
                self.note(place)
                self.lines[place] = self.lines[place[:-1]]
                self.key(inner)
            self.blank(lines=False)
            self.text += "="
            self.blank(lines=False)
            self.value(place, depth, inline=inline)
            if not inline:
                self.text += self._draw(st.sampled_from(["\n", " # no = 1\n", "\r\n"]))

    def value(self, place: Place, depth: int, *, inline: bool) -> None:
        """A value, a list or an inline table."""
        kind = self._draw(st.sampled_from(["scalar", "list", "table"])) if depth else "scalar"
        if kind == "scalar":
            self.text += self._draw(SCALARS)
        elif kind == "table":
            self.text += "{ "
            self.pairs(place, inline=True, depth=depth - 1)
            self.text += " }"
        else:
            self.text += "["
            for number in range(self._draw(st.integers(0, 3))):
                self.blank(lines=True)
                self.note((*place, number))
                self.value((*place, number), depth - 1, inline=inline)
                self.blank(lines=True)
                self.text += ","
            self.blank(lines=True)
            self.text += "]"


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Place, int]]:
    """A document and the line of each place in it."""
    writer = Writer(draw)
    writer.pairs((), inline=False, depth=2)
    counts: dict[str, int] = {}
    for number in range(draw(st.integers(0, 5))):
        several = draw(st.booleans())
        # Names that no pair has, so that the document makes sense.
        name = draw(st.sampled_from(["list one", "list_two"])) if several else f"table {number}"
        place: Place = (name, counts.get(name, 0)) if several else (name,)
        counts[name] = counts.get(name, 0) + 1
        writer.blank(lines=True)
        writer.note(place)
        writer.text += "[[" if several else "["
        writer.key(name)
        writer.blank(lines=False)
        writer.text += "]]\n" if several else "] # no\n"
        writer.pairs(place, inline=False, depth=2)
        if several and draw(st.booleans()):
            inner: Place = (*place, "in it")
            writer.note(inner)
            writer.text += f'[{json.dumps(name)}."in it"]\n'
            writer.pairs(inner, inline=False, depth=1)
    return writer.text, writer.lines


def leaves(value: Any, place: Place = ()) -> list[Place]:
    """The place of everything in a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [found for key, one in items for found in leaves(one, (*place, key))]


@given(documents())
def test_every_key_is_found_on_its_line(document: tuple[str, dict[Place, int]]) -> None:
    """Dotted and quoted keys, inline tables, lists of tables, texts of several lines, comments: each place of what
    the parser makes of it has a position, and it is the line on which it was written."""
    text, lines = document
    tree = tomllib.loads(text)
    found = locate(text.replace("\r\n", "\n"))
    assert {place: found[place].line for place in lines} == lines
    assert set(leaves(tree)) <= found.keys()
    assert not {place for place in found if place not in leaves(tree)}


@given(st.text("[]{}\"'=.,#\n\\ ab", max_size=60))
def test_what_is_no_toml_is_walked_all_the_same(text: str) -> None:
    """It ends, and every position lies within the text."""
    lines = text.count("\n") + 1
    assert all(1 <= one.line <= lines for one in locate(text).values())


def test_columns_are_counted_from_one() -> None:
    """The first letter of a key is where it stands."""
    assert locate("a = 1\n  b = { c = [2, 3] }\n") == {
        ("a",): Position(1, 1),
        ("b",): Position(2, 3),
        ("b", "c"): Position(2, 9),
        ("b", "c", 0): Position(2, 14),
        ("b", "c", 1): Position(2, 17),
    }


def test_a_table_stands_at_its_header_even_if_it_was_mentioned_before() -> None:
    """An implied table stands where it is first mentioned, until it has a header of its own."""
    found = locate("[a.b]\nx = 1\n[a]\ny = 1\n[c.d]\n")
    assert (found["a",].line, found["a", "b"].line, found["c",].line) == (3, 1, 5)


@pytest.mark.parametrize(
    ("text", "place", "rest"),
    [
        ("a.b", ("a", "b"), ""),
        ('a . "b.c" = 1', ("a", "b.c"), " = 1"),
        ("a[0].b=[1]", ("a", 0, "b"), "=[1]"),
        ("a[1][2]x", ("a", 1, 2), "x"),
    ],
)
def test_places_are_read_as_they_are_typed(text: str, place: Place, rest: str) -> None:
    """And what follows is left."""
    assert read_place(text) == (place, rest)


@given(st.lists(NAMES | st.integers(0, 999), min_size=1, max_size=4))
def test_places_that_are_said_can_be_typed(parts: list[str | int]) -> None:
    """Whatever the names have in them."""
    place = ("first", *parts)
    assert read_place(written(place)) == (place, "")


@pytest.mark.parametrize("text", ["", "=", " ", "[0]", "a.", "a..b", ".a"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """No place is made up for it."""
    with pytest.raises(ValueError, match=r"no key"):
        read_place(text)
    if not text.startswith("a"):
        with pytest.raises(ValueError, match=r"no key"):
            read_key(text)
