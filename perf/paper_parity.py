"""Paper trading beside its own backtest: whole sessions from their files, which must be the same to the last digit.

The simulated market of ten seeds, an hour each, and real sessions where there are any. Each is traded on by every
strategy that comes with Ringside, in every mode and with bars of a time and of trades, on accounts that they share,
while connections break and operators act; then it is read from its files and replayed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from console.paper.parity import Compared
from core.model.records import Records
from core.sim.positions import Key
from perf._paper_sessions import Plan, Proof, captured, proven, simulated
from perf.figures import Figure

SEEDS: Final = range(1, 11)
DAYS: Final = ("20240808", "20240809")
"""Each is some five minutes long."""

Source = Callable[[], tuple[Plan, dict[Key, Records]]]


def measure() -> Iterator[Figure]:
    """What is the same in both, and the seconds of either; raises `AssertionError` when anything differs."""
    hours: list[Source] = [
        lambda seed=seed: simulated(seed, minutes=60, bars=("1m", "100t"))  # type: ignore[misc]
        for seed in SEEDS
    ]
    days: list[Source] = [
        lambda day=day: captured(day, bars=("1m", "20t"), away_s=(10, 40), act_s=(10, 40))  # type: ignore[misc]
        for day in DAYS
    ]
    yield from _figures("simulated hours", hours)
    yield from _figures("captured sessions", days)


def _figures(what: str, sources: list[Source]) -> Iterator[Figure]:
    proofs: list[Proof] = []
    for source in sources:
        plan, records = source()
        if all(map(len, records.values())):
            with tempfile.TemporaryDirectory() as folder:
                proofs.append(proven(Path(folder), plan, records))
    if not proofs:
        return
    trades = sum(proof.parity.trades for proof in proofs)
    against = f"the ledgers of {len(proofs)} sessions of {trades:,} trades"
    for name in ("signals", "orders", "fills", "lines"):
        counted: list[Compared] = [getattr(proof.parity, name) for proof in proofs]
        count, same = sum(one.count for one in counted), sum(one.same for one in counted)
        yield Figure(f"{what}: {name} that are the same ({100 * same / count:g} %)", same, count, name, against, 9)
    replay_s, live_s = sum(proof.replay_s for proof in proofs), sum(proof.live_s for proof in proofs)
    yield Figure(f"{what}: the replay of their files", replay_s, live_s, "s", "trading live")
