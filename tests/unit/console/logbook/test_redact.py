"""Nothing of a secret gets into a line of the log, from whatever part of a record."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from console.logbook.entry import as_object, entry_of, json_line, text_line
from console.secrets import Redactor


@given(
    secret=st.text(st.characters(exclude_characters="* ", exclude_categories=("C", "Z")), min_size=8),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
)
def test_a_known_secret_is_hidden_wherever_it_stands(secret: str, before: str, after: str) -> None:
    """In the message, in an argument, in an extra field and in the text of an exception; as text and as JSON."""
    assume(secret.strip() == secret and secret not in before + after)
    redactor = Redactor([secret])
    try:
        raise ValueError(before + secret + after)
    except ValueError as error:
        record = logging.LogRecord(
            "ringside.test",
            30,
            "",
            0,
            f"told {before}%s{after}".replace("%", "%%").replace("%%s", "%s", 1),
            (secret,),
            (type(error), error, None),
        )
    record.place = secret
    entry = entry_of(record, redactor)
    for told in (entry.text, *map(str, entry.fields.values()), entry.trace):
        assert secret not in told


def _entry(message: str, *, error: BaseException | None = None, **extra: Any) -> Any:
    record = logging.LogRecord("ringside.test", 40, "", 0, message, None, None)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    vars(record).update(extra)
    return entry_of(record, Redactor(["hunter2-hunter2"]), instance="alpha")


def test_nothing_of_a_secret_is_left_where_a_text_is_cut() -> None:
    """A secret that stands where a long text ends is hidden before it is cut."""
    for length in range(3960, 4010):
        assert "hunter" not in _entry("x" * length + "hunter2-hunter2").text
    for length in range(15_970, 16_010):
        assert "hunter" not in _entry("x" * length + "hunter2-hunter2" + "y" * 100).text


def test_an_error_in_a_library_is_told_without_the_address() -> None:
    """The traceback of an exception that holds an address has every line but the password."""
    try:
        raise OSError("cannot connect to postgresql://me:hunter2-hunter2@db/ticks")
    except OSError as error:
        told = json_line(_entry("failed", error=error, url="redis://:s3cr3t-s3cr3t@h/0"))
    assert "hunter2" not in told
    assert "s3cr3t" not in told
    assert "Traceback" in json.loads(told)["trace"]


@pytest.mark.parametrize("text", ["://a:" * 4000, "token=" * 4000, '"' * 20_000, "a.b-" * 5000, "\\" * 20_000])
def test_no_text_is_slow(text: str) -> None:
    """What a hostile text makes of the patterns takes a moment and no more."""
    began_s = time.process_time()
    _entry(text, field=text)
    assert time.process_time() - began_s < 1.0


@given(st.text(max_size=200), st.text(max_size=50))
def test_nothing_moves_a_cursor(text: str, value: str) -> None:
    """Whatever is logged is one line without control characters, as text and as JSON."""
    entry = _entry(text.replace("%", "%%"), field=value)
    for line in (text_line(entry), json_line(entry)):
        assert all(character.isprintable() for character in line)
    assert as_object(entry)["instance"] == "alpha"
