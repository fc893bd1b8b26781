"""Puts fetched records into the store: into its files, its database, or through the engine that writes the files.

Records go to an engine as a file in a folder that both know, and are stored when it answers.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
import numpy as np

from console.batch.control import ask
from console.batch.db_target import EMBEDDED, Target, open_store
from console.stores import staging_directory
from core.clock import NS_PER_S, wall_ns
from core.errors import ConsoleError, NotFoundError, PermanentError, RefusedError, UnreachableError, UsageError
from core.model.records import Records, Schema
from core.store.lock import writer_of
from core.store.paths import make_folder
from core.store.repository import AppendResult, SeriesKey, TickStore
from core.store.spending import Budget

INGEST_S: Final = 60.0
BUDGET_S: Final = 10.0
_SUFFIX: Final = ".records"
_OLD_NS: Final = 3600 * NS_PER_S


class Keeper(Protocol):
    """Stores records; they are durable when it returns. Blocks, and raises what the store does."""

    def keep(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store those of `records` that are valid and new; see `TickSink.append`."""


class FilesKeeper:
    """Stores in the files of `target`. They are opened for each batch, so that an engine may start in between; while
    one writes them it is asked to."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._staging = staging_directory(target.directory.parent)

    def keep(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store the records; see `Keeper`."""
        try:
            with open_store(self._target) as store:
                return _stored(store, series, records, newest_id)
        except RefusedError as refusal:
            engine = _engine_writing(self._target.directory)
            if engine is None:
                raise
            return self._handed_over(engine, series, records, newest_id, refusal)

    def _handed_over(
        self, engine: str, series: SeriesKey, records: Records, newest_id: int, refusal: RefusedError
    ) -> AppendResult:
        with _staged(self._staging, records) as path:
            try:
                answer = ask(
                    engine,
                    "ingest",
                    timeout_s=INGEST_S,
                    store=str(self._target.directory),
                    file=path.name,
                    venue=series.venue,
                    symbol=series.symbol,
                    schema=series.schema.value,
                    newest_id=newest_id,
                )
            except (UnreachableError, NotFoundError) as error:
                raise RefusedError(refusal.operation, refusal.subject, hint=str(error)) from error
        return AppendResult(**{field.name: int(answer[field.name]) for field in attrs.fields(AppendResult)})


class DatabaseKeeper:
    """Stores in a database that is open."""

    def __init__(self, store: TickStore) -> None:
        self._store = store

    def keep(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store the records; see `Keeper`."""
        return _stored(self._store, series, records, newest_id)


@contextmanager
def opened_keeper(target: Target) -> Iterator[Keeper]:
    """What stores in `target`. Raises what opening the store does."""
    if target.kind == EMBEDDED:
        yield FilesKeeper(target)
        return
    with open_store(target) as store:
        yield DatabaseKeeper(store)


def engines_budget(target: Target) -> Budget:
    """What the engine that writes the files of `target` lets be spent; no limit where there is none that says so."""
    engine = _engine_writing(target.directory) if target.kind == EMBEDDED else None
    if engine is None:
        return Budget()
    try:
        told = ask(engine, "backfill", timeout_s=BUDGET_S)["spend"]
        limits = [told[name] for name in ("daily_budget_usd", "monthly_budget_usd")]
        daily, monthly = (None if limit is None else Decimal(limit) for limit in limits)
    except (ConsoleError, LookupError, TypeError, InvalidOperation):
        return Budget()
    return Budget(daily_usd=daily, monthly_usd=monthly)


def _stored(store: TickStore, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
    result = store.append(series, records, newest_id)
    store.sync()
    return result


def _engine_writing(directory: Path) -> str | None:
    # The name of the engine that has the lock of these files.
    from ringbuf import discovery
    from ringbuf.layout import RingError

    writer = writer_of(directory)
    try:
        found = [state.instance for state in discovery.instances() if state.pid == writer]
    except RingError:
        return None
    return found[0] if found else None


@contextmanager
def _staged(folder: Path, records: Records) -> Iterator[Path]:
    make_folder(folder)
    _sweep(folder)
    path = folder / f"{secrets.token_hex(8)}{_SUFFIX}"
    try:
        path.touch(mode=0o600, exist_ok=False)
        records.tofile(path)
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _sweep(folder: Path) -> None:
    # What a process left that was killed.
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if wall_ns() - path.stat().st_mtime_ns > _OLD_NS:
                path.unlink()


def ingest(store: TickStore, place: Path, staging: Path, request: dict[str, Any]) -> AppendResult:
    """What an engine does for another process: store the file in `staging` that a request names, if it is about the
    store at `place`. Blocks.

    Raises:
        UsageError: the request makes no sense.
        RefusedError: another store is meant.
        ConsoleError: what the store raises.
    """
    texts = {name: request.get(name) for name in ("store", "file", "venue", "symbol", "schema")}
    newest_id = request.get("newest_id")
    if not all(isinstance(text, str) and text for text in texts.values()) or type(newest_id) is not int:
        raise UsageError("bad request", "ingest names a store, a file, a series and a number")
    if Path(str(texts["store"])) != place:
        raise RefusedError("cannot store that", f"this engine stores in {place}")
    name = str(texts["file"])
    if Path(name).name != name or not name.endswith(_SUFFIX):
        raise UsageError("bad request", f"not a staged file: {ascii(name)[:60]}")
    if texts["schema"] not in set(Schema):
        raise UsageError("bad request", f"no such schema: {ascii(texts['schema'])[:40]}")
    series = SeriesKey(str(texts["venue"]), str(texts["symbol"]), Schema(str(texts["schema"])))
    return _stored(store, series, _read_staged(staging / name, series.schema), newest_id)


def _read_staged(path: Path, schema: Schema) -> Records:
    try:
        if path.is_symlink() or path.stat().st_size % schema.dtype.itemsize:
            raise PermanentError("cannot store that", f"{path.name} does not hold whole records")
        return np.fromfile(path, schema.dtype)
    except OSError as error:
        raise PermanentError("cannot store that", f"{path.name}: {error.strerror}") from error
