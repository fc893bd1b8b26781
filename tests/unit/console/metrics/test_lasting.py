"""For how long something has been bad."""

from __future__ import annotations

import math
from typing import Any

from console.metrics.lasting import BOOK_INVALID, DOWN, STALE, Lasting
from core.clock import NS_PER_S


class Clock:
    """Stands where it is put."""

    now_s = 100.0

    def __call__(self) -> int:
        return round(self.now_s * NS_PER_S)


def connection(status: str = "connected", reason: str = "", venue: str = "KRAKEN") -> dict[str, Any]:
    """A row of a status."""
    return {"venue": venue, "status": status, "reason": reason}


def feed(
    health: str = "live", book: str = "valid", symbol: str = "BTCUSD", *, streaming: bool = True
) -> dict[str, Any]:
    """A row of a status."""
    return {"venue": "KRAKEN", "symbol": symbol, "health": health, "book_state": book, "streaming": streaming}


def seconds(lasting: Lasting, name: str) -> dict[tuple[str, ...], float]:
    """What a series says."""
    column = lasting.columns().get(name)
    return {} if column is None else dict(zip(column.labels, column.values.tolist(), strict=True))


def test_what_comes_and_goes_does_not_last() -> None:
    """Each break begins it anew, and what lasts is counted from its beginning."""
    clock = Clock()
    lasting = Lasting(clock)
    for second in range(60):
        clock.now_s = 100 + second
        lasting.look([connection("connected" if second % 2 else "reconnecting")], [feed("stale", "withheld")])
        assert seconds(lasting, DOWN)["KRAKEN",] == 0
    assert seconds(lasting, STALE) == seconds(lasting, BOOK_INVALID) == {("KRAKEN", "BTCUSD"): 59.0}
    clock.now_s = 170
    assert seconds(lasting, STALE)["KRAKEN", "BTCUSD"] == 70
    lasting.look([connection("error")], [feed()])
    clock.now_s = 175
    assert seconds(lasting, DOWN)["KRAKEN",] == 5
    assert seconds(lasting, STALE)["KRAKEN", "BTCUSD"] == seconds(lasting, BOOK_INVALID)["KRAKEN", "BTCUSD"] == 0


def test_what_is_over_or_left_is_not_bad() -> None:
    """A recording that ended is not down, nor is its book withheld; of a symbol that was left nothing is said."""
    lasting = Lasting(Clock())
    lasting.look(
        [connection("disconnected", "end of recording")],
        [feed("live", "withheld"), feed("stale", symbol="ETHUSD", streaming=False)],
    )
    assert seconds(lasting, DOWN) == {("KRAKEN",): 0}
    assert seconds(lasting, BOOK_INVALID) == {("KRAKEN", "BTCUSD"): 0}
    assert list(seconds(lasting, STALE)) == [("KRAKEN", "BTCUSD")]


def test_before_anybody_looked_nothing_is_known() -> None:
    """Not of a symbol at which the watchdog has not looked yet, either."""
    lasting = Lasting(Clock())
    assert lasting.columns() == {}
    lasting.look([connection()], [feed("")])
    assert math.isnan(seconds(lasting, STALE)["KRAKEN", "BTCUSD"])
