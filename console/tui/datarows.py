"""The Data screen's rows: the head, the stored series, the chosen one in full, a job's results, totals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from console.tui.datadetail import DETAIL, detail_rows, growth_rows, result_rows, spark_text
from console.tui.datahead import data_title, head_rows
from console.tui.snapshot import Snapshot
from console.tui.stored import NAMED_GAPS, Key, Series, StoreAnswer
from console.tui.storewatch import StoreView
from console.tui.storewords import rows_text
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import (
    Cell,
    Glyphs,
    Row,
    fit,
    grouped,
    moment_text,
    row_width,
    short_age,
    short_bytes,
    short_count,
    title_row,
)
from core.clock import NS_PER_S

_SERIES: Final = (
    Column("symbol", "symbol", 11), Column("venue", "venue", 11),
    Column("schema", "schema", 8), Column("rows", "rows", 5, right=True),
    Column("rate", "row/s", 5, right=True, least=66),
    Column("growth", "growth", 14, least=98, grows=True, most=40),
    Column("days", "days", 4, right=True), Column("bytes", "size", 7, right=True),
    Column("first", "first", 19, least=140), Column("last", "last", 19, least=118),
    Column("age", "age", 4, right=True), Column("duplicates", "dup", 4, right=True, least=76),
    Column("late", "late", 4, right=True, least=76), Column("rejected", "rej", 4, right=True, least=76),
)  # fmt: skip
NOTHING_STORED: Final = ("Nothing is stored.", "Start the engine with --persist, and what it streams is kept.")
"""What is said where an engine keeps nothing."""
_CHART_FROM: Final = 5
_CHART_MOST: Final = 12


@attrs.frozen(kw_only=True)
class Place:
    """Where the operator is: the series under the cursor, the first one shown, and the filter. `results` tells
    whether those of the last job are shown."""

    cursor: Key | None = None
    top: int = 0
    pattern: str = ""
    results: bool = True


@attrs.frozen(kw_only=True)
class Shares:
    """How many lines each part has: those of the detail and of the results with their titles, 0 for none."""

    head: int
    series: int
    detail: int
    results: int

    @property
    def series_top(self) -> int:
        """The row of the first series."""
        return self.head + 3


def share_height(height: int, *, head: int, series: int, gaps: int, results: int) -> Shares:
    """Divide `height` rows: the series have half of what the head leaves, or more where the rest needs less.

    Of what is below them the results have half, or more where the detail needs less.
    """
    room = max(height - head - 4, 0)  # the page's title, the table's two lines, and the totals
    detail, results = DETAIL + 1 + max(gaps, 1), results + 1 if results else 0
    series = min(max(series, 1), max(room - detail - results, (room + 1) // 2))
    left = room - series
    results = min(results, max(left - detail, left // 2 if results else 0))
    detail = min(detail, left - results)
    return Shares(
        head=head,
        series=series,
        detail=detail if detail > 1 else 0,
        results=results if results > 1 else 0,
    )


def filter_series(answer: StoreAnswer | None, pattern: str) -> list[Series]:
    """The series whose symbol, venue or schema contains `pattern`, in any case; `!` inverts."""
    series = [] if answer is None else list(answer.series)
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    return [one for one in series if (wanted in " ".join(one.key).lower()) != inverted] if wanted else series


def shares_of(answer: StoreAnswer, place: Place, *, shown: int, height: int, width: int, glyphs: Glyphs) -> Shares:
    """How the rows are divided when `shown` series pass the filter."""
    return share_height(
        height,
        head=len(head_rows(answer, width=width, glyphs=glyphs)),
        series=shown,
        gaps=sum(gap.key == place.cursor for gap in answer.gaps),
        results=len(answer.job.results) if answer.job is not None and place.results else 0,
    )


def current_answer(snapshot: Snapshot, view: StoreView) -> StoreAnswer | None:
    """What is known of the store now. The status tells most of the head sooner and never waits for a database."""
    answer, status = view.answer, snapshot.status
    if status is None or not snapshot.health.reachable or (answer is not None and not answer.enabled):
        return answer
    if status.store_lag_s is None:
        return StoreAnswer()
    return attrs.evolve(
        answer or StoreAnswer(enabled=True, kind=status.store_kind, place=status.store_place),
        lag_s=status.store_lag_s,
        problem=status.store_problem or ("" if answer is None else answer.problem),
        lost=status.store_lost,
        **{name: value for name in ("spill", "cache") if (value := getattr(status, name)) is not None},
    )


def data_rows(
    snapshot: Snapshot, view: StoreView, place: Place, *, width: int, height: int, glyphs: Glyphs
) -> list[Row]:
    """Exactly `height` rows of `width` cells."""
    answer, reachable = current_answer(snapshot, view), snapshot.health.reachable
    title = data_title(
        answer, reason=view.reason if view.answer else "", reachable=reachable, width=width, glyphs=glyphs
    )
    if answer is None or not answer.enabled:
        return sentence_rows(title, _sentences(snapshot, answer, view.reason), width, height)
    series = filter_series(answer, place.pattern)
    shares = shares_of(answer, place, shown=len(series), height=height, width=width, glyphs=glyphs)
    draw = _Drawing(snapshot, view, answer, place, width, glyphs)
    rows = [title, *head_rows(answer, width=width, glyphs=glyphs), *draw.table(series, shares.series)]
    chosen = next((one for one in series if one.key == place.cursor), None)
    if shares.detail and chosen is not None:
        rows += detail_rows(
            chosen, answer.gaps, rate=view.rates.get(chosen.key, 0.0), room=shares.detail, width=width, glyphs=glyphs
        )
    if shares.results and answer.job is not None:
        rows += result_rows(answer.job, room=shares.results, width=width, glyphs=glyphs)
    left = height - 1 - len(rows)
    if chosen is not None and left >= _CHART_FROM:
        rows += growth_rows(
            view.histories.get(chosen.key, ()), height=min(left, _CHART_MOST), width=width, glyphs=glyphs
        )
    blank: Row = ((" " * width, ""),)
    rows = (rows + [blank] * height)[: max(height - 1, 0)]
    return [*rows, _totals(answer, view, width, glyphs)][:height]


def _sentences(snapshot: Snapshot, answer: StoreAnswer | None, reason: str) -> tuple[str, str]:
    if answer is not None:
        return NOTHING_STORED
    if not snapshot.health.reachable:
        return "The engine cannot be reached.", snapshot.health.reason
    return ("The engine does not say what it stores.", reason) if reason else ("Asking the engine.", "")


def sentence_rows(title: Row, sentences: tuple[str, str], width: int, height: int) -> list[Row]:
    """Exactly `height` rows: a title, and in the middle what is to be said in the place of everything else."""
    rows: list[Row] = [title, *([((" " * width, ""),)] * max(height - 1, 0))]
    for number, (text, style) in enumerate(
        zip(sentences, ("text", "dim"), strict=True), start=max(height // 2 - 1, 1)
    ):
        if number < height:
            rows[number] = ((text[:width].center(width), style),)
    return rows[:height]


def _totals(answer: StoreAnswer, view: StoreView, width: int, glyphs: Glyphs) -> Row:
    late = sum(one.out_of_order for one in answer.series)
    rejected = sum(one.rejected for one in answer.series)
    parts: Row = (
        ("Total", "title"),
        (f"{grouped(len(answer.series))} series", "text"),
        (rows_text(sum(one.rows for one in answer.series)), "text"),
        (short_bytes(sum(one.stored_bytes for one in answer.series)), "text"),
        (f"{short_count(round(sum(view.rates.values())))} rows/s", "text"),
        *_gap_parts(answer),
        (f"{short_count(rejected)} rejected", "warn" if rejected else "dim"),
        (f"{short_count(late)} late", "dim"),
        (f"{short_count(sum(one.duplicates for one in answer.series))} duplicates", "dim"),
    )
    while row_width(tuple((f"{glyphs.dash} {text} ", "") for text, _style in parts)) > width and len(parts) > 1:
        parts = parts[:-1]  # whole figures only
    return title_row(parts, width, glyphs)


def _gap_parts(answer: StoreAnswer) -> Row:
    # The engine names the newest only, and one of an older version does not tell how many there are in all.
    named, totals = sum(not gap.whole for gap in answer.gaps), answer.gap_totals
    count = named if totals is None else totals.incomplete
    more = "+" if totals is None and named >= NAMED_GAPS else ""
    parts = [("1 gap" if count == 1 else f"{grouped(count)}{more} gaps", "warn" if count else "dim")]
    if totals is not None and totals.missing:
        parts.append((f"{short_count(totals.missing)} missing", "warn"))
    if totals is not None and totals.recovered:
        parts.append((f"{short_count(totals.recovered)} recovered", "dim"))
    return tuple(parts)


@attrs.frozen
class _Drawing:
    # What every part of the screen is drawn from and with.
    snapshot: Snapshot
    view: StoreView
    answer: StoreAnswer
    place: Place
    width: int
    glyphs: Glyphs

    def table(self, series: Sequence[Series], room: int) -> list[Row]:
        total, place = len(self.answer.series), self.place
        below = max(len(series) - place.top - room, 0)
        title = (
            ("Series", "title"),
            (f"{len(series)} of {total}" if len(series) != total else str(total), "dim"),
            (f"/{place.pattern}" if place.pattern else "", "accent"),
            (f"{below} more below" if below else "", "dim"),
            (f"{self.glyphs.warning} as last heard" if self.view.kept else "", "warn"),
        )
        columns = fit_columns(_SERIES, self.width)
        rows = [self._series_row(columns, one) for one in series[place.top : place.top + room]]
        if not rows and room:
            rows = [((fit(f" {self._empty()}", self.width, ellipsis=self.glyphs.ellipsis), "dim"),)]
        return [
            title_row(title, self.width, self.glyphs),
            head_row(columns, width=self.width, glyphs=self.glyphs),
            *rows,
        ]

    def _empty(self) -> str:
        if self.place.pattern:
            return "nothing matches the filter; esc clears it"
        if self.view.answer is None:
            return self.view.reason or "asking the engine"
        return "the store cannot be asked now" if self.answer.in_trouble else "nothing stored yet"

    def _series_row(self, columns: Sequence[Column], one: Series) -> Row:
        here = one.key == self.place.cursor
        rate = self.view.rates.get(one.key, 0.0)
        spark = next((column.width for column in columns if column.name == "growth"), 0)
        venue, symbol, schema = one.key
        cells: dict[str, Cell] = {
            "symbol": (symbol, "symbol"),
            "venue": (venue, "dim"),
            "schema": (schema, "text"),
            "rows": (short_count(one.rows), "text"),
            "rate": (short_count(round(rate, 1)), "text" if rate else "dim"),
            "growth": (spark_text(self.view.histories.get(one.key, ()), spark, self.glyphs), "bid"),
            "days": (short_count(one.days), "text"),
            "bytes": (short_bytes(one.stored_bytes), "text"),
            "first": (moment_text(one.first_ns, decimals=0), "dim"),
            "last": (moment_text(one.last_ns, decimals=0), "dim"),
            "age": (self._age(one), "text"),
            "duplicates": (short_count(one.duplicates), "text" if one.duplicates else "dim"),
            "late": (short_count(one.out_of_order), "text" if one.out_of_order else "dim"),
            "rejected": (short_count(one.rejected), "warn" if one.rejected else "dim"),
        }
        return table_row(
            columns, cells, width=self.width, glyphs=self.glyphs, marker=self.glyphs.cursor if here else " ",
            cursor=here,
        )  # fmt: skip

    def _age(self, one: Series) -> str:
        known = one.last_ns and one.last_ns < 2**63
        return short_age((self.snapshot.now_ns - one.last_ns) / NS_PER_S) if known else self.glyphs.minus


def copy_series(one: Series) -> str:
    """One series as tab-separated text for another program."""
    figures = (one.rows, one.days, one.stored_bytes, one.first_ns, one.last_ns, one.newest_id)
    return "\t".join((*one.key, *(str(figure) for figure in figures)))
