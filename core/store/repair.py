"""Finds out what a segment holds after its writer died, and makes it sound again: only whole, valid records.

A tail that is torn, zero-filled or garbage is cut. Whatever else is damaged is rewritten from its valid records,
and the damaged original is kept beside it under another name.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import numpy as np

from core.errors import PermanentError
from core.model.records import Records
from core.store.dedupe import Mask
from core.store.faults import storage_error
from core.store.repository import SeriesKey
from core.store.segment import (
    PREFIX_BYTES,
    SegmentFacts,
    acceptable,
    expected_head,
    header_bytes,
    read_first_id,
    replace_file,
    stored_ids,
)  # fmt: skip

_CHUNK_ROWS = 65_536


@attrs.frozen
class Inspection:
    """What a segment holds once it was made sound, and in words what had to be done; `facts` is None when nothing
    of it could be used and it was put aside."""

    facts: SegmentFacts | None
    repaired: str = ""


def inspect(path: Path, series: SeriesKey) -> Inspection:
    """Read the whole segment at `path`, repair it in place, and say what it holds.

    Raises what `storage_error` makes of the operating system's refusal.
    """
    try:
        with path.open("rb") as file:
            prefix = file.read(PREFIX_BYTES)
            header = prefix + file.read(max(header_bytes(prefix) - PREFIX_BYTES, 0))
            size = os.fstat(file.fileno()).st_size
        try:
            if header_bytes(header) != len(header):
                raise PermanentError("damaged segment", f"{path} has no whole header")
            first_id = read_first_id(header, path, series)
        except PermanentError as error:
            return Inspection(None, f"{error}: {_put_aside(path)}")
        return _inspect_records(path, series, header=header, size=size, first_id=first_id)
    except OSError as error:
        raise storage_error("inspecting a segment", path, error) from error


def _inspect_records(path: Path, series: SeriesKey, *, header: bytes, size: int, first_id: int) -> Inspection:
    dtype = series.schema.dtype
    rows, torn = divmod(size - len(header), dtype.itemsize)
    empty = np.empty(0, dtype)
    records: Records = np.memmap(path, dtype, "r", len(header), (rows,)) if rows else empty
    valid = _valid(records, series)
    if valid is None:
        kept, repaired = rows, ""
    else:
        kept = int(np.flatnonzero(valid)[-1]) + 1 if valid.any() else 0
        repaired = _mend(path, header, records, valid, kept=kept)
    scattered = valid is not None and not valid[:kept].all()
    records = np.array(records[valid]) if scattered else records[:kept]
    whole = len(header) + records.nbytes
    if path.stat().st_size > whole:
        os.truncate(path, whole)
    if torn:
        repaired = f"{repaired}; " if repaired else ""
        repaired += f"{path}: cut {torn} bytes of a torn record"
    return Inspection(_facts(records, series, first_id=first_id, stored_bytes=whole), repaired)


def _valid(records: Records, series: SeriesKey) -> Mask | None:
    # In chunks, because a day may be larger than the memory its masks should take. None when all are valid.
    head = expected_head(series)
    parts: list[Mask] = []
    sound = True
    for begin in range(0, len(records), _CHUNK_ROWS):
        chunk = records[begin : begin + _CHUNK_ROWS]
        mask = acceptable(chunk, head)
        sound = sound and mask is None
        parts.append(np.ones(len(chunk), np.bool_) if mask is None else mask)
    return None if sound else np.concatenate(parts)


def _mend(path: Path, header: bytes, records: Records, valid: Mask, *, kept: int) -> str:
    # Returns what was done. A zero-filled tail is left to be cut; anything else is put aside before.
    bad = len(valid) - int(valid.sum())
    if valid[:kept].all() and not records[kept:].view(np.uint8).any():
        return f"{path}: cut {bad} zero-filled records"
    content = header + np.array(records[valid]).tobytes()
    aside = _put_aside(path)
    replace_file(path, content)
    return f"{path}: {bad} invalid records removed, {aside}"


def _put_aside(path: Path) -> str:
    for number in range(1, 10_000):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            path.rename(aside)
            return f"the original is kept as {aside.name}"
    raise PermanentError("too many damaged segments", str(path))


def _facts(records: Records, series: SeriesKey, *, first_id: int, stored_bytes: int) -> SegmentFacts:
    facts = SegmentFacts(rows=len(records), stored_bytes=stored_bytes, first_id=first_id)
    if len(records):
        facts.first_ns, facts.last_ns = int(records["ts_event"].min()), int(records["ts_event"].max())
        ids = stored_ids(records, series.schema, first_id)
        facts.last_id = int(ids.max()) if len(ids) else 0
    return facts
