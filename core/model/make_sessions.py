"""Writes `sessions.npz` from the calendars of the package `exchange_calendars`: `python -m core.model.make_sessions`.

For developers, when the calendars near their end. The package is no dependency of the program: install it beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FIRST_DAY: Final = "2010-01-01"
DATA: Final = Path(__file__).with_name("sessions.npz")

_EXTENDED_FROM: Final = "4h"
_EXTENDED_BY: Final = "4h"
_GLOBEX_BREAK: Final = "1h"
_GLOBEX_HALF_DAYS_BY: Final = "1h45min"  # metals and energy go on after the first products stop at noon
_ICE_SUNDAYS_FROM: Final = "2h"  # so much before other days
_ICE_HALF_DAYS_BY: Final = "1h"
_EUREX_FROM: Final = "1h10min"


def main() -> None:
    """Write the file, and say how far each calendar goes."""
    import exchange_calendars  # type: ignore[import-not-found, import-untyped, unused-ignore]

    made = {}
    for name in ("XNYS", "CMES", "IEPA", "XEUR"):
        calendar = exchange_calendars.get_calendar(name, start=FIRST_DAY)
        made[name] = _minutes(*_hours(name, calendar))
        print(f"{name}: {len(made[name])} sessions to {calendar.schedule.index[-1]:%Y-%m-%d}")  # noqa: T201 - a program
    # Steps repeat from week to week, and so take a tenth of what the instants do.
    steps = {name: np.diff(minutes.reshape(-1), prepend=np.int32(0)) for name, minutes in made.items()}
    np.savez_compressed(DATA, allow_pickle=False, **steps)


def _hours(name: str, calendar: Any) -> tuple[Any, Any]:
    # What the calendar says of the sessions, widened or narrowed to the hours that `sessions.py` promises.
    import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]

    opens, closes = calendar.schedule["open"], calendar.schedule["close"]
    midnights = pd.Series(calendar.schedule.index.tz_localize(calendar.tz), index=opens.index)
    if name == "XNYS":
        # By the clock on the wall: no session begins on the day on which clocks are changed.
        return midnights + pd.Timedelta(_EXTENDED_FROM), closes + pd.Timedelta(_EXTENDED_BY)
    if name == "XEUR":
        return midnights + pd.Timedelta(_EUREX_FROM), closes
    if name == "CMES":
        half = closes - opens < pd.Timedelta("23h")
        later = closes + pd.Timedelta(_GLOBEX_HALF_DAYS_BY)
        return opens, later.where(half, closes - pd.Timedelta(_GLOBEX_BREAK))
    half = closes - opens < pd.Timedelta("22h")
    sundays = opens - pd.Timedelta(_ICE_SUNDAYS_FROM)
    mondays = pd.Series(opens.index.weekday == 0, index=opens.index)
    return opens.where(~mondays, sundays), closes.where(~half, closes + pd.Timedelta(_ICE_HALF_DAYS_BY))


def _minutes(opens: Any, closes: Any) -> NDArray[np.int32]:
    import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]

    columns = [pd.DatetimeIndex(column).tz_convert("UTC").tz_localize(None) for column in (opens, closes)]
    return np.stack([column.to_numpy().astype("datetime64[m]").astype(np.int32) for column in columns], axis=1)


if __name__ == "__main__":
    main()
