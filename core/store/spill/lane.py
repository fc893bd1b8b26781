"""One series on its way to the database: what is in memory, what is on the local disk, how far the database is.

Every record of a series has a position: how many this run of the program, the writer, took before it and with it.
The database commits the position together with the records, so after any failure it says itself where to go on.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from core.model.records import Records
from core.store.batch import summed
from core.store.repository import AppendResult, SeriesKey
from core.store.spill.log import SpillFile, create_file, near

CHUNK_ROWS: Final = 8192


@attrs.frozen(eq=False)
class Batch:
    """Records in memory; `end` is the position of the last, `newest_id` a full id near it or 0."""

    records: Records
    newest_id: int
    end: int

    @property
    def first(self) -> int:
        """The position before the first record."""
        return self.end - len(self.records)


@attrs.define
class Memory:
    """How much all lanes have in memory together."""

    rows: int = 0
    stored_bytes: int = 0

    def take(self, records: Records) -> None:
        """Count records in."""
        self.rows += len(records)
        self.stored_bytes += records.nbytes

    def free(self, records: Records) -> None:
        """Count records out."""
        self.rows -= len(records)
        self.stored_bytes -= records.nbytes


@attrs.define(eq=False)
class Lane:
    """What waits of a series: the `files` first, then the `batches`.

    `sent` is the position up to which the database has answered and `secured` up to which it has synced, both of the
    writer whose records come first; `doubt` says that the database must be asked how far it really is. The caller
    holds a lock.
    """

    series: SeriesKey
    folder: Path
    writer: str
    memory: Memory
    files: deque[SpillFile] = attrs.Factory(deque)
    batches: deque[Batch] = attrs.Factory(deque)
    end: int = 0
    sent: int = 0
    secured: int = 0
    doubt: bool = False
    retry_ns: int = 0
    _answers: deque[tuple[int, AppendResult]] = attrs.Factory(deque)
    _told: int | None = 0  # the position up to which it is known what became of records; None: an earlier run knew
    _last_number: int = 0

    def adopt(self, files: list[SpillFile]) -> None:
        """Take over what an earlier run left."""
        self.files.extend(files)
        if files:
            self._last_number = files[-1].number
            self.sent = self.secured = files[0].base
            self.doubt, self._told = True, None

    @property
    def head_writer(self) -> str:
        """Who appended the records that come first."""
        return self.files[0].writer if self.files else self.writer

    @property
    def unsent_rows(self) -> int:
        """Records in memory that the database has not taken."""
        if not self.batches:
            return 0
        return self.batches[-1].end - (self.batches[0].first if self.files else max(self.sent, self.batches[0].first))

    @property
    def spilled_rows(self) -> int:
        """Records on the disk that the database has not taken."""
        if not self.files:
            return 0
        replayed = max(self.sent - self.files[0].base, 0)
        return max(sum(file.rows for file in self.files) - replayed, 0)

    @property
    def unsettled_rows(self) -> int:
        """Records, on the disk and in memory, that the database is not known to hold durably."""
        first = self.files[0].base if self.files else self.batches[0].first if self.batches else self.end
        rows = sum(file.rows for file in self.files) + sum(len(batch.records) for batch in self.batches)
        return rows - max(self.secured - first, 0)

    def add(self, records: Records, newest_id: int) -> Batch:
        """Take records, which nobody changes any more, behind all others."""
        self.end += len(records)
        batch = Batch(records, newest_id, self.end)
        self.batches.append(batch)
        self.memory.take(records)
        return batch

    def take_back(self, batch: Batch) -> None:
        """Forget the batch added last if it is still in memory; else it is on the disk and stays."""
        if self.batches and self.batches[-1] is batch:
            self.memory.free(self.batches.pop().records)
            self.end = batch.first

    def divert(self) -> None:
        """Move what is in memory to the disk.

        Raises:
            ConsoleError: the disk refused; what was not moved is still in memory.
        """
        while self.batches:
            group = self._group()
            first, reference = group[0].first, group[0].newest_id
            records = _joined([batch.records for batch in group])
            self._file_for(first, reference).write(records)
            for _ in group:
                self.memory.free(self.batches.popleft().records)

    def _group(self) -> list[Batch]:
        # The batches in front whose ids are told apart by one reference.
        reference = self.batches[0].newest_id
        group: list[Batch] = []
        for batch in self.batches:
            if not near(reference, batch.newest_id):
                break
            group.append(batch)
        return group

    def _file_for(self, base: int, reference: int) -> SpillFile:
        last = self.files[-1] if self.files else None
        if last and last.writer == self.writer and last.end == base and last.takes(reference):
            return last
        number = self._last_number + 1
        made = create_file(
            self.folder, self.series, number=number, writer=self.writer, base=base, reference=reference
        )
        self._last_number = number
        self.files.append(made)
        return made

    def next_batch(self) -> Batch | None:
        """What to send next of a series that has nothing on the disk, at most about `CHUNK_ROWS` records; None when
        all in memory was sent."""
        parts: list[Records] = []
        rows = end = newest_id = 0
        for batch in self.batches:
            if batch.end <= self.sent:
                continue
            if parts and (rows + len(batch.records) > CHUNK_ROWS or not near(newest_id, batch.newest_id)):
                break
            parts.append(batch.records[max(self.sent - batch.first, 0) :])
            rows, end, newest_id = rows + len(parts[-1]), batch.end, batch.newest_id
        return Batch(_joined(parts), newest_id, end) if parts else None

    def answered(self, position: int, result: AppendResult) -> None:
        """Note that the database took everything up to `position`."""
        self.sent = self._told = max(self.sent, position)
        self._answers.append((position, result))

    def resolve(self, position: int) -> None:
        """Believe the database that it is at `position`, forward or back, but not behind what it has synced.

        Of what it took without answering it is known how many records there were, not how many of them were new:
        they count as rows.
        """
        position = max(position, self.secured)
        while self._answers and self._answers[-1][0] > position:
            self._answers.pop()
        if self._told is not None and position > self._told:
            self._answers.append((position, AppendResult(rows=position - self._told)))
        self.sent = self._told = position
        self.doubt = False

    def secure(self, position: int) -> AppendResult:
        """Note that everything up to `position` is durable in the database, and forget it. Returns what became of
        it."""
        self.secured = max(self.secured, position)
        while self.batches and not self.files and self.batches[0].end <= position:
            self.memory.free(self.batches.popleft().records)
        result = AppendResult()
        while self._answers and self._answers[0][0] <= position:
            result = summed(result, self._answers.popleft()[1])
        return result

    def finish_file(self) -> bool:
        """Remove the file in front if the database has all of it. Returns whether it had. Raises `ConsoleError`."""
        file = self.files[0]
        if self.doubt or self.secured < file.end:
            return False
        file.remove()
        self.files.popleft()
        start = self.batches[0].first if self.batches else self.end
        if self.files:
            start = self.files[0].base
        if self.head_writer != file.writer:
            self._told = start if self.head_writer == self.writer else None
            self.doubt = bool(self.files)
        self.sent = self.secured = start
        return True


def _joined(parts: list[Records]) -> Records:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
