"""What every history of alerts must do, wherever it is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import attrs
import pytest

from core.errors import PermanentError
from core.store.alert_history import TEXT_CHARACTERS, AlertHistory, AlertRow
from core.store.catalogue_alert_history import CatalogueAlertHistory
from core.store.postgres.alert_history import PostgresAlertHistory

Open = Callable[[], AlertHistory]
Make = Callable[..., AlertRow]


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same history again and again, for each implementation."""
    url = request.getfixturevalue("migrated_url") if request.param == "postgres" else ""

    def opened() -> AlertHistory:
        if url:
            return PostgresAlertHistory(url, origin="here")
        return CatalogueAlertHistory(tmp_path / "catalogue.sqlite3")

    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(opened()))


@pytest.fixture
def history(reopen: Open) -> AlertHistory:
    """An empty history."""
    return reopen()


@pytest.fixture
def make() -> Make:
    """Makes rows, numbered as the catalogue would number them."""
    numbers = count(1)

    def made(time_ns: int, **changes: str) -> AlertRow:
        texts = {
            "instance": "alpha", "rule": "lag", "subject": "KRAKEN", "severity": "warning", "state": "firing",
            "value": "9.5", "threshold": "> 5", "message": "the feed is late",
        }  # fmt: skip
        return AlertRow(number=next(numbers), time_ns=time_ns, **(texts | changes))

    return made


def times(rows: list[AlertRow]) -> list[int]:
    """When they happened."""
    return [row.time_ns for row in rows]


def test_a_new_history_is_empty(history: AlertHistory) -> None:
    """There are no rows of anything, nothing is written by writing nothing, and nothing is there to be removed."""
    history.append([])
    assert history.rows(10) == []
    assert history.rows(10, instance="alpha", rule="lag", since_ns=1) == []
    assert history.prune(2**62) == 0


def test_a_row_comes_back_as_it_went(history: AlertHistory, reopen: Open, make: Make) -> None:
    """Every field is there after a restart, to the nanosecond, in every severity and state."""
    rows = [
        make(2**62 + number, severity=severity, state=state, value="", threshold="")
        for number, (severity, state) in enumerate(
            [("info", "firing"), ("warning", "resolved"), ("critical", "acknowledged"), ("info", "silenced")]
        )
    ]
    history.append(rows)
    assert reopen().rows(10) == rows[::-1]


def test_the_newest_rows_come_first(history: AlertHistory, make: Make) -> None:
    """By their time, and of one time the one that was written later; no more than are wanted."""
    first, late, twin = make(5), make(3), make(5, state="resolved")
    history.append([first, late])
    history.append([twin])
    assert history.rows(10) == [twin, first, late]
    assert history.rows(2) == [twin, first]
    assert history.rows(0) == []
    assert history.rows(-1) == []


def test_rows_are_found_by_instance_rule_and_time(history: AlertHistory, make: Make) -> None:
    """Each by itself and together; a time is included, and a name is no pattern."""
    history.append([make(1), make(2, instance="beta"), make(3, rule="gap"), make(4), make(5, rule="%")])
    assert times(history.rows(10, instance="beta")) == [2]
    assert times(history.rows(10, rule="lag")) == [4, 2, 1]
    assert times(history.rows(10, since_ns=3)) == [5, 4, 3]
    assert times(history.rows(10, instance="alpha", rule="lag", since_ns=2)) == [4]
    assert times(history.rows(10, rule="%")) == [5]
    assert history.rows(10, instance="") == []


def test_of_rows_that_cannot_be_written_none_is(history: AlertHistory, make: Make) -> None:
    """A row that the table does not take keeps those beside it out, and is no hindrance later."""
    good = make(1)
    for bad in (make(2, state="odd"), make(2, severity="odd")):
        with pytest.raises(PermanentError):
            history.append([good, bad])
    assert history.rows(10) == []
    history.append([good])
    assert history.rows(10) == [good]


def test_texts_are_only_text(history: AlertHistory, make: Make) -> None:
    """What looks like SQL, or like a format, is kept as it is; what a terminal or a table would choke on is not."""
    odd = 'a\'; DROP TABLE gaps; -- %s {} \\ "NULL", é {1,2}'
    history.append(
        [make(1, subject=odd, message="NULL"), make(2, message="a\x00\x1b[2J\ud800\nb"), make(3, rule="é" * 9999)]
    )
    long, hostile, plain = history.rows(10)
    assert (plain.subject, plain.message) == (odd, "NULL")
    assert hostile.message == "a??[2J??b"
    assert len(long.rule) == TEXT_CHARACTERS
    assert long.rule.endswith("é…")


def test_old_rows_are_removed(history: AlertHistory, make: Make) -> None:
    """Those before the time, however many they are; that of the time itself stays, and later ones do."""
    history.append([make(time_ns) for time_ns in range(25_000)])
    assert history.prune(24_998) == 24_998
    assert times(history.rows(10)) == [24_999, 24_998]
    assert history.prune(24_998) == 0


def test_many_threads_may_write(reopen: Open, make: Make) -> None:
    """What eight connections write at once is all there, each once."""
    batches = [[make(100 * writer + number) for number in range(100)] for writer in range(8)]
    histories = [reopen() for _ in batches]
    threads = [
        threading.Thread(target=history.append, args=(batch,))
        for history, batch in zip(histories, batches, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = histories[0].rows(1000)
    assert times(found) == list(range(799, -1, -1))
    assert sorted(row.number for row in found) == list(range(1, 801))


def test_a_storm_is_written_at_once(history: AlertHistory, make: Make) -> None:
    """Ten thousand rows go in together, and come back in order."""
    rows = [make(number) for number in range(10_000)]
    history.append(rows)
    assert history.rows(10_000) == rows[::-1]


def test_closing_twice_keeps_what_was_written(reopen: Open, make: Make) -> None:
    """A history that was let go is let go again without complaint, and whoever opens it finds what was there."""
    history = reopen()
    history.append([make(1)])
    history.close()
    history.close()
    assert times(reopen().rows(10)) == [1]


def test_severities_of_an_enumeration_are_text(make: Make) -> None:
    """A row holds plain text, whatever kind of text it was made of."""

    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "critical"

    row = attrs.evolve(make(1), severity=Loud("critical"))
    assert type(row.severity) is str
