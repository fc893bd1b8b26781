"""What a result depends on, as hashes: the data, the code, and everything else that decides it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any, Final

import attrs
import numpy as np

from core.bars.ticks import Ticks
from core.model.records import Records
from core.sim.result import BacktestResult
from core.store.repository import Gap

_CODE: Final = (("core", "bars"), ("core", "sim"), ("core", "model"), ("core", "strategy.py"), ("strategies",))
_TAG: Final = b"ringside trades 1"


@attrs.frozen(kw_only=True)
class Fingerprint:
    """What decided a result, and the result itself. `id` is the same for the same data, code, configuration, seed and
    version, and names the run."""

    data_sha256: str
    code_sha256: str
    config_sha256: str
    seed: int
    version: str
    result_sha256: str
    id: str


def fingerprint(
    *, data_sha256: str, code_sha256: str, config: Mapping[str, Any], seed: int, result: BacktestResult
) -> Fingerprint:
    """The fingerprint of a finished run; `config` is fit for JSON and holds everything that decides it."""
    config_sha256 = hash_of(config)
    decided = {
        "data": data_sha256,
        "code": code_sha256,
        "config": config_sha256,
        "seed": seed,
        "version": version(),
    }
    return Fingerprint(
        data_sha256=data_sha256,
        code_sha256=code_sha256,
        config_sha256=config_sha256,
        seed=seed,
        version=version(),
        result_sha256=result_hash(result),
        id=hash_of(decided)[:16],
    )


def canonical(value: Any) -> str:
    """`value` as JSON that is the same for the same content. Raises `ValueError` for what JSON does not know."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(value: Any) -> str:
    """The SHA-256 of what `canonical` makes of it."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def data_hash(
    ticks: Ticks, books: Records | None, *, start_ns: int, until_ns: int | None, gaps: Iterable[Gap]
) -> str:
    """The SHA-256 of the trades that are run on, of the books, and of which time they are said to cover."""
    digest = hashlib.sha256(_TAG)
    for column in (ticks.ts_ns, ticks.price_e9, ticks.quantity_e8, ticks.side):
        digest.update(np.ascontiguousarray(column).data)
    if books is not None:
        digest.update(np.ascontiguousarray(books).view(np.uint8).data)
    known = sorted((gap.start_ns, gap.end_ns, gap.rows, gap.cause) for gap in gaps)
    digest.update(canonical([len(ticks), start_ns, until_ns, known]).encode())
    return digest.hexdigest()


def result_hash(result: BacktestResult) -> str:
    """The SHA-256 of all figures, orders, fills and round trips, and of the whole equity curve."""
    digest = hashlib.sha256(canonical(attrs.asdict(result.metrics)).encode())
    for values in (result.fills, result.orders, result.trades):
        digest.update(canonical([attrs.asdict(one) for one in values]).encode())
    for column in (result.curve.ts_ns, result.curve.equity, result.curve.exposure):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def code_hash(strategy_sha256: str) -> str:
    """The SHA-256 of a strategy and of the code that runs it."""
    return hashlib.sha256(f"{strategy_sha256} {_engine_hash()}".encode()).hexdigest()


@lru_cache
def _engine_hash() -> str:
    # Works from an archive as well as from files; without sources the version stands for them.
    digest = hashlib.sha256()
    count = 0
    for package, *parts in _CODE:
        for name, content in _sources(importlib.resources.files(package).joinpath(*parts), f"{package}/"):
            digest.update(f"{name} {len(content)}\n".encode() + content)
            count += 1
    return digest.hexdigest() if count else hashlib.sha256(version().encode()).hexdigest()


def _sources(place: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    if place.is_file():
        if place.name.endswith(".py"):
            yield prefix + place.name, place.read_bytes()
        return
    if place.is_dir():
        for one in sorted(place.iterdir(), key=lambda found: found.name):
            yield from _sources(one, f"{prefix}{place.name}/")


def version() -> str:
    """The version of the program; "" when it is not installed."""
    try:
        return importlib.metadata.version("ringside")
    except importlib.metadata.PackageNotFoundError:
        return ""
