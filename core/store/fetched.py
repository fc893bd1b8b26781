"""Stretches of series that were asked for afterwards, to the end: what is not stored of them does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from core.clock import wall_ns
from core.errors import ConfigurationError
from core.model.records import Schema
from core.store.catalogue_tables import STEPS
from core.store.repository import SeriesKey
from core.store.sqlite import Database

BOUGHT: Final = "bought"
RECOVERED: Final = "recovered"
BEGUN: Final = "begun"
"""Not a source: of such a stretch some records may be stored, which say nothing of what lies between them."""

_COLUMNS: Final = "venue, symbol, schema, start_ns, end_ns, rows, source, job_id, noted_ns"
_OF_SERIES: Final = " WHERE venue = ? AND symbol = ? AND schema = ?"
_IN_ORDER: Final = " ORDER BY venue, symbol, schema, start_ns, end_ns, fetched_id"
_SELECT: Final = f"SELECT {_COLUMNS} FROM fetched"  # noqa: S608 - constants
_AROUND: Final = (
    f"SELECT fetched_id, {_COLUMNS} FROM fetched{_OF_SERIES}"  # noqa: S608 - constants
    " AND source = ? AND start_ns <= ? AND end_ns >= ? ORDER BY fetched_id"
)
_INSERT: Final = f"INSERT INTO fetched ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants


@attrs.frozen(kw_only=True)
class Fetched:
    """Of [`start_ns`, `end_ns`) of a series everything that there is was fetched: `rows` records, from a `source`,
    BOUGHT or RECOVERED, by a job; or it was BEGUN. `noted_ns` is when it was written down, set by the book where it
    is 0."""

    series: SeriesKey
    start_ns: int
    end_ns: int
    rows: int
    source: str
    job_id: str = ""
    noted_ns: int = 0


class FetchedBook(Protocol):
    """Where it is written down. Its methods block, may be called from any thread and raise `ConsoleError`."""

    def mark(self, fetched: Sequence[Fetched]) -> None:
        """Write down stretches that are stored by now, all of them or none.

        Of one series and source: one that lies in another changes nothing, others that lie in it are forgotten for
        it, and those of one job that touch become one. So saying a thing twice is as good as saying it once.
        """

    def fetched(self, series: SeriesKey | None = None) -> list[Fetched]:
        """What was fetched, of one series or of all, in the order of their names and beginnings."""

    def close(self) -> None:
        """Let go. May be called twice."""


class CatalogueFetched:
    """The stretches in the catalogue at `path`, which with `read_only` must be there. Implements `FetchedBook`.

    Raises as `Database` does, and `ConfigurationError` when somebody else wrote there what makes no sense."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, STEPS, name="catalogue", read_only=read_only)

    def mark(self, fetched: Sequence[Fetched]) -> None:
        """Write down stretches that are stored by now. See `FetchedBook`."""
        with self._database.transaction("noting what was fetched") as database:
            for one in fetched:
                around = database.execute(_AROUND, (*names_of(one.series), one.source, one.end_ns, one.start_ns))
                known = {number: fetched_of(row) for number, *row in around}
                gone, kept = joined(known, one)
                database.executemany("DELETE FROM fetched WHERE fetched_id = ?", [(number,) for number in gone])
                if kept is not None:
                    database.execute(_INSERT, (*values_of(kept), kept.noted_ns or wall_ns()))

    def fetched(self, series: SeriesKey | None = None) -> list[Fetched]:
        """What was fetched, of one series or of all, in the order of their names and beginnings."""
        if series is None:
            rows = self._database.rows(_SELECT + _IN_ORDER)
        else:
            rows = self._database.rows(_SELECT + _OF_SERIES + _IN_ORDER, *names_of(series))
        try:
            return [fetched_of(row) for row in rows]
        except (ValueError, TypeError) as error:
            subject = f"{self._database.path}: {ascii(str(error))[1:-1]}"
            raise ConfigurationError("reading what was fetched", subject) from error

    def close(self) -> None:
        """Let go. May be called twice."""
        self._database.close()


def joined(known: dict[int, Fetched], one: Fetched) -> tuple[list[int], Fetched | None]:
    """What to do for `one` where there are `known` ones of its series and source, by their numbers: which of them to
    forget, and what to write down, None for nothing."""
    if one.end_ns <= one.start_ns or any(_holds(other, one) for other in known.values()):
        return [], None
    gone = [number for number, other in known.items() if _holds(one, other)]
    for number, other in known.items():
        if other.job_id == one.job_id and (other.end_ns == one.start_ns or one.end_ns == other.start_ns):
            gone.append(number)
            one = attrs.evolve(
                one,
                start_ns=min(one.start_ns, other.start_ns),
                end_ns=max(one.end_ns, other.end_ns),
                rows=one.rows + other.rows,
            )
    return gone, one


def _holds(one: Fetched, other: Fetched) -> bool:
    return one.start_ns <= other.start_ns and other.end_ns <= one.end_ns


def names_of(series: SeriesKey) -> tuple[str, str, str]:
    """The names of a series, as columns have them."""
    return series.venue, series.symbol, series.schema.value


def values_of(one: Fetched) -> tuple[str | int, ...]:
    """What to write of a stretch, but for `noted_ns`."""
    return *names_of(one.series), one.start_ns, one.end_ns, one.rows, one.source, one.job_id


def fetched_of(row: Iterable[Any]) -> Fetched:
    """The stretch of what was read: `values_of` and then `noted_ns`. Raises `ValueError` if the schema is none, and
    `TypeError` if a number is none."""
    venue, symbol, schema, start_ns, end_ns, rows, source, job_id, noted_ns = row
    numbers = (start_ns, end_ns, rows, noted_ns)
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError(f"not a number among {numbers}")
    return Fetched(
        series=SeriesKey(venue, symbol, Schema(schema)),
        start_ns=start_ns,
        end_ns=end_ns,
        rows=rows,
        source=source,
        job_id=job_id,
        noted_ns=noted_ns,
    )
