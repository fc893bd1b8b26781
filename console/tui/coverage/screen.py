"""The state of the coverage map and of what is fetched from it, and what the keys do to it. Nothing here waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from console.tui.child import COMMAND
from console.tui.coverage.document import OUTSIDE, YEAR, CoverageMap, DayDetail, Holdings, MapRow
from console.tui.coverage.fetching import Fetching
from console.tui.coverage.holerows import DAY_ROWS, DayView, day_rows
from console.tui.coverage.maprows import ABOVE, MapView, day_clicked, day_room, map_rows
from console.tui.coverage.place import Ask, Hole, MapPlace, filter_rows, follow, hole_at, within
from console.tui.coverage.pricerows import PANEL, Panel, panel_rows
from console.tui.datarows import NOTHING_STORED, sentence_rows
from console.tui.snapshot import Snapshot
from console.tui.stored import Key
from console.tui.text import Glyphs, Row, title_row
from core.clock import monotonic_ns

_MOST_DAYS: Final = 10 * YEAR
_READ_ONLY: Final = "refused: this engine is read-only; it was started with --read-only"


@attrs.frozen(kw_only=True)
class _Shares:
    # How many rows each part of the page has.
    series: int
    detail: int


class Coverage:
    """The map, and at most one hole of it that is priced or fetched. `command` is what arguments are given to."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self.place = MapPlace()
        self.fetching = Fetching(command=command)
        self._holdings = Holdings()
        self._snapshot: Snapshot | None = None
        self._store = ""
        self._shown: Sequence[MapRow] = ()
        self._note = ""
        self._size = (0, 0)

    def draw(
        self, snapshot: Snapshot, holdings: Holdings, *, store: str, width: int, height: int, glyphs: Glyphs
    ) -> list[Row]:
        """Exactly `height` rows of this frame. `store` is the kind of the engine's store, which prices are of."""
        self._snapshot, self._holdings, self._store, self._size = snapshot, holdings, store, (width, height)
        wish = holdings.wish
        if self.fetching.take_end():
            wish.again += 1
        coverage = holdings.coverage
        if coverage is None or not coverage.rows:
            title = title_row((("Coverage", "title"),), width, glyphs)
            return sentence_rows(title, _sentences(snapshot, holdings), width, height)
        self._follow(coverage)
        if self.place.key is not None:
            wish.day = (self.place.key, self.place.day)
        return self._map(coverage, width, height, glyphs)

    # -- the map ----------------------------------------------------------------------------------------------

    def _follow(self, coverage: CoverageMap) -> None:
        before = self._at
        self._shown = filter_rows(coverage, self.place.pattern)
        shares = self._shares
        days = day_room(self._size[0])
        self.place = follow(self.place, coverage, self._shown, rows=shares.series, days=days, at=before)

    @property
    def _at(self) -> int:
        return next((at for at, one in enumerate(self._shown) if one.key == self.place.key), 0)

    @property
    def _shares(self) -> _Shares:
        # Nothing moves while the cursor goes from day to day, however much there is to tell of each.
        panel = PANEL if self.fetching.hole is not None else 0
        room = max(self._size[1] - ABOVE - 1 - panel, 1)
        series = min(max(len(self._shown), 1), max(room - DAY_ROWS, (room + 1) // 2))
        return _Shares(series=series, detail=room - series)

    def _map(self, coverage: CoverageMap, width: int, height: int, glyphs: Glyphs) -> list[Row]:
        assert self._snapshot is not None
        shares, now_ns = self._shares, self._snapshot.now_ns
        kept = self._holdings.coverage_reason
        if not self._snapshot.health.reachable:
            kept = self._snapshot.health.reason or "the engine cannot be reached"
        view = MapView(coverage=coverage, shown=self._shown, place=self.place, kept=kept, note=self._note)
        rows = map_rows(view, room=shares.series, width=width, glyphs=glyphs)
        if self.fetching.hole is not None:
            rows += panel_rows(self._panel(self.fetching.hole), width=width, glyphs=glyphs)
        row = self._row
        if row is not None and shares.detail > 1:
            at = self.place.day - coverage.first_day
            state = row.states[at] if 0 <= at < len(row.states) else OUTSIDE
            detail = _detail_of(self._holdings, self.place)
            reason = self._holdings.day_reason if detail is None else ""
            day = DayView(row=row, day=self.place.day, state=state, detail=detail, reason=reason, now_ns=now_ns)
            rows += day_rows(day, room=shares.detail, width=width, glyphs=glyphs)
        blank: Row = ((" " * width, ""),)
        return (rows + [blank] * height)[:height]

    @property
    def _row(self) -> MapRow | None:
        return next((one for one in self._shown if one.key == self.place.key), None)

    def _panel(self, hole: Hole) -> Panel:
        wider = self._hole(whole=True)
        longer = isinstance(wider, Hole) and wider.key == hole.key and wider.days > hole.days
        return Panel(
            hole=hole,
            plan=self.fetching.plan,
            outcome=self.fetching.outcome,
            wider=wider.days if isinstance(wider, Hole) and longer else 0,
            now_ns=monotonic_ns(),
        )

    # -- keys -------------------------------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """How many series are seen."""
        return max(self._shares.series, 1)

    def begin_at(self, key: Key | None) -> None:
        """Put the cursor on a series."""
        self.place = attrs.evolve(self.place, key=key or self.place.key)

    def filter(self, pattern: str) -> None:
        """Show only the series that `pattern` fits."""
        self.place, self._note = attrs.evolve(self.place, pattern=pattern, top=0), ""

    def move(self, step: int) -> None:
        """Move the cursor by `step` series."""
        self._note = ""
        if self._shown:
            at = within(self._at + step, least=0, most=len(self._shown) - 1)
            self.place = attrs.evolve(self.place, key=self._shown[at].key)

    def step_day(self, step: int) -> None:
        """Move the cursor by `step` days; beyond the oldest an older year is asked for."""
        coverage = self._holdings.coverage
        if coverage is None:
            return
        self._note = ""
        day = self.place.day + step
        if day < coverage.first_day:
            self._holdings.wish.days = min(coverage.days + YEAR, _MOST_DAYS)
        day = within(day, least=coverage.first_day, most=coverage.end_day - 1)
        self.place = attrs.evolve(self.place, day=day)

    def click(self, x: int, y: int) -> None:
        """Put the cursor where somebody clicked."""
        at = y - ABOVE + self.place.top
        if not 0 <= y - ABOVE < self._shares.series or at >= len(self._shown):
            return
        day = day_clicked(x, self.place, self._size[0])
        coverage = self._holdings.coverage
        if day is None or coverage is None:
            day = self.place.day
        else:
            day = within(day, least=coverage.first_day, most=coverage.end_day - 1)
        self.place = attrs.evolve(self.place, key=self._shown[at].key, day=day)

    def back(self) -> bool:
        """Cancel a fetch, or put away its result or a price; False when there was nothing of it."""
        return self.fetching.put_away()

    # -- prices and fetches -----------------------------------------------------------------------------------

    def _hole(self, *, whole: bool) -> Hole | str:
        coverage, row = self._holdings.coverage, self._row
        if coverage is None or row is None:
            return "there is no series to fetch anything of"
        return hole_at(row, coverage, self.place.day, whole=whole)

    def price(self) -> None:
        """Ask what the day under the cursor costs; asked once more, what the whole hole around it does."""
        hole = self._hole(whole=False)
        if self.fetching.busy:
            self._note = "a fetch is under way; esc cancels it"
        elif isinstance(hole, str):
            self._note = hole
        else:
            wider = self._hole(whole=True)
            again = self.fetching.hole == hole and self.fetching.outcome is None
            self._note = ""
            self.fetching.price(wider if again and isinstance(wider, Hole) else hole, store=self._store)

    def ask_fetch(self) -> Ask:
        """What fetching what was priced takes."""
        status = None if self._snapshot is None else self._snapshot.status
        return Ask(why=_READ_ONLY) if status is not None and status.read_only else self.fetching.ask()

    def begin_fetch(self, ask: Ask) -> None:
        """Fetch what was asked for, once it was confirmed."""
        if ask.arguments and not self.fetching.busy:
            self._note = ""
            self.fetching.begin(ask)


def _detail_of(holdings: Holdings, place: MapPlace) -> DayDetail | None:
    found = holdings.day
    return found if found is not None and (found.key, found.day) == (place.key, place.day) else None


def _sentences(snapshot: Snapshot, holdings: Holdings) -> tuple[str, str]:
    if not snapshot.health.reachable:
        return "The engine cannot be reached.", snapshot.health.reason
    if holdings.refused:
        return "This engine does not tell what is covered.", "It is of an older version."
    if holdings.coverage is not None or (snapshot.status is not None and snapshot.status.store_lag_s is None):
        return NOTHING_STORED
    reason = holdings.coverage_reason
    return ("The engine does not say what is covered.", reason) if reason else ("Asking the engine.", "")
