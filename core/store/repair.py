"""Finds out what a segment holds after its writer died, and makes it sound again: only whole, valid records.

A tail that is torn, zero-filled or garbage is cut. Whatever else is damaged is rewritten from its valid records,
and the damaged original is kept beside it under another name.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import attrs
import numpy as np

from core.errors import ConfigurationError, PermanentError
from core.model.records import Records
from core.store.days import map_plain
from core.store.dedupe import Mask
from core.store.faults import storage_error
from core.store.lock import cut_back
from core.store.paths import day_of_path, sync_folder
from core.store.repository import SeriesKey
from core.store.sealed import file_sha256, read_seal
from core.store.segment import (
    FIRST_ID,
    GENERATION,
    PREFIX_BYTES,
    SegmentFacts,
    acceptable,
    checksum_of,
    expected_head,
    facts_of,
    header_bytes,
    plain_header,
    read_facts,
)
from core.store.writer import replace_file

_CHUNK_ROWS = 65_536


@attrs.frozen
class Inspection:
    """What a segment holds once it was made sound, and in words what had to be done; `facts` is None when nothing
    of it could be used. The damaged original is kept as `aside` when it was more than cut."""

    facts: SegmentFacts | None
    repaired: str = ""
    aside: Path | None = None


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
            carried = read_facts(header, path, series)
        except PermanentError as error:
            return _set_aside(path, error)
        return _inspect_records(path, series, header=header, size=size, carried=carried)
    except OSError as error:
        raise storage_error("inspecting a segment", path, error) from error


def _inspect_records(
    path: Path, series: SeriesKey, *, header: bytes, size: int, carried: dict[str, int]
) -> Inspection:
    dtype = series.schema.dtype
    rows, torn = divmod(size - len(header), dtype.itemsize)
    empty = np.empty(0, dtype)
    records: Records = np.memmap(path, dtype, "r", len(header), (rows,)) if rows else empty
    valid = _valid(records, series)
    if valid is None:
        kept, repaired, aside = rows, "", None
    else:
        kept = int(np.flatnonzero(valid)[-1]) + 1 if valid.any() else 0
        repaired, aside = _mend(path, header, records, valid, kept=kept)
    scattered = valid is not None and not valid[:kept].all()
    records = np.array(records[valid]) if scattered else records[:kept]
    whole = len(header) + records.nbytes
    if path.stat().st_size > whole:
        with path.open("rb+") as file:
            cut_back(file.fileno(), whole)
    if torn:
        repaired = f"{repaired}; " if repaired else ""
        repaired += f"{path}: cut {torn} bytes of a torn record"
    facts = facts_of(records, series, first_id=carried.get(FIRST_ID[:-1], 0), stored_bytes=whole)
    facts.generation = carried.get(GENERATION, 0)
    return Inspection(facts, repaired, aside)


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


def _mend(path: Path, header: bytes, records: Records, valid: Mask, *, kept: int) -> tuple[str, Path | None]:
    # Returns what was done, and the original. A zero-filled tail is left to be cut, anything else put aside before.
    bad = len(valid) - int(valid.sum())
    if valid[:kept].all() and not records[kept:].view(np.uint8).any():
        return f"{path}: cut {bad} zero-filled records", None
    content = header + np.array(records[valid]).tobytes()
    aside = put_aside(path)
    replace_file(path, content)
    return f"{path}: {bad} invalid records removed, the original put aside as {aside.name}", aside


def _set_aside(path: Path, error: PermanentError) -> Inspection:
    aside = put_aside(path)
    return Inspection(None, f"{error}: put aside as {aside.name}", aside)


def put_aside(path: Path) -> Path:
    """Give a damaged file another name, which is returned. Raises `OSError`, or `PermanentError` when there are too
    many."""
    for number in range(1, 10_000):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            path.rename(aside)
            return aside
    raise PermanentError("too many damaged segments", str(path))


def inspect_seal(path: Path, series: SeriesKey, *, put_aside_damaged: bool = True) -> Inspection:
    """Read the whole sealed day at `path` and say what it holds; one that cannot be read is put aside.

    Raises what `storage_error` makes of the operating system's refusal.
    """
    try:
        try:
            facts, records = read_seal(path, series)
            if acceptable(records, expected_head(series)) is not None:
                raise PermanentError("damaged segment", f"{path} holds records of something else")
        except ConfigurationError:
            raise
        except PermanentError as error:
            return _set_aside(path, error) if put_aside_damaged else Inspection(None)
        return Inspection(attrs.evolve(facts, checksum=checksum_of(records), sha256=file_sha256(path)))
    except OSError as error:
        raise storage_error("inspecting a segment", path, error) from error


def reissue_leftover(plain: Path, seal: Path, series: SeriesKey) -> Inspection:
    """Deal with a plain segment that `seal` says it holds: it is removed, but for what the seal does not hold, which
    becomes the segment of what came later. `facts` are those of that one, None when there is none.

    Raises what `storage_error` makes of the operating system's refusal.
    """
    sealed_facts, sealed = read_seal(seal, series)
    facts, records = map_plain(plain, series)
    held = Counter(record.tobytes() for record in sealed)
    held.subtract(record.tobytes() for record in records)
    extra = -held  # what the plain segment holds more often than the seal
    try:
        if not extra:
            plain.unlink()
            sync_folder(plain.parent)
            return Inspection(None)
        header = plain_header(
            series, day=day_of_path(plain), first_id=facts.first_id, generation=sealed_facts.generation + 1
        )
        replace_file(plain, header + b"".join(extra.elements()))
    except OSError as error:
        raise storage_error("inspecting a segment", plain, error) from error
    kept = inspect(plain, series)
    return attrs.evolve(kept, repaired=f"{plain}: kept {sum(extra.values())} records that its seal does not hold")
