"""One series while it is written, and what of that the catalogue does not know yet."""

from __future__ import annotations

from pathlib import Path

import attrs

from core.store.catalogue import Catalogue, Cursor
from core.store.losses import Loss
from core.store.repository import SeriesKey
from core.store.segment import SegmentFacts
from core.store.writer import Segment


class CatalogueChanges:
    """What changed since the catalogue was last written. Facts and cursors are saved as they are by then."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._segments: dict[Path, tuple[SeriesKey, SegmentFacts]] = {}
        self._cursors: dict[SeriesKey, Cursor] = {}
        self._gone: set[Path] = set()
        self._losses: list[Loss] = []
        self._restored: list[Loss] = []

    def holds(self, path: Path, series: SeriesKey, facts: SegmentFacts) -> None:
        """The segment at `path` holds what `facts` say."""
        self._segments[path] = (series, facts)
        self._gone.discard(path)

    def gone(self, path: Path) -> None:
        """There is no segment, or no damaged one that was put aside, at `path` any more."""
        self._segments.pop(path, None)
        self._gone.add(path)

    def lost(self, loss: Loss) -> None:
        """Records were lost."""
        self._losses.append(loss)

    def restored(self, loss: Loss) -> None:
        """Records that were lost are stored again."""
        self._restored.append(loss)

    def moved(self, cursor: Cursor) -> None:
        """A series came further."""
        self._cursors[cursor.series] = cursor

    def save(self) -> None:
        """Write it down, all of it or nothing. Raises as the catalogue does; it is then saved by the next call."""
        if self._segments or self._cursors or self._gone or self._losses or self._restored:
            self._catalogue.save(
                segments=[(path, *saved) for path, saved in self._segments.items()],
                cursors=self._cursors.values(),
                gone=self._gone,
                losses=self._losses,
                restored=self._restored,
            )
            self._segments.clear()
            self._cursors.clear()
            self._gone.clear()
            self._losses.clear()
            self._restored.clear()


@attrs.define(eq=False)
class SeriesLog:
    """One series while it is written: its cursor, what each of its segments holds, and the open ones by day."""

    cursor: Cursor
    folder: Path
    head: tuple[int, int]
    changes: CatalogueChanges
    facts: dict[Path, SegmentFacts] = attrs.Factory(dict)
    open: dict[int, Segment] = attrs.Factory(dict)

    @property
    def series(self) -> SeriesKey:
        """Which series it is."""
        return self.cursor.series

    def learn(self, path: Path, facts: SegmentFacts) -> None:
        """Take `facts` for what the segment at `path` holds, to be saved."""
        self.facts[path] = facts
        self.changes.holds(path, self.series, facts)

    def forget(self, path: Path) -> None:
        """Take the segment at `path` for gone, to be saved."""
        self.facts.pop(path, None)
        self.changes.gone(path)

    def moved(self) -> None:
        """The cursor changed and is to be saved."""
        self.changes.moved(self.cursor)

    def correct(self) -> None:
        """Make the cursor say what the segments hold, to be saved if it did not."""
        cursor, facts = self.cursor, self.facts.values()
        before = cursor.rows, cursor.newest_ns, cursor.newest_id
        cursor.rows = sum(segment.rows for segment in facts)
        cursor.newest_ns = max((segment.last_ns for segment in facts), default=0)
        cursor.newest_id = max((segment.last_id for segment in facts), default=0)
        if before != (cursor.rows, cursor.newest_ns, cursor.newest_id):
            self.moved()
