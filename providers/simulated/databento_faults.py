"""What may go wrong at the simulated Databento on purpose: its fault menu, and when each fault strikes. Pure.

Faults of a session count the records that happen while it lasts, not those of its replay: however often it is cut,
it gets on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from core.clock import monotonic_ns
from providers.simulated.faults import FaultPlan, Menu, Strikes

Kind = Literal["close", "reset", "silence", "error", "slow_reader", "garbage", "mute", "refuse"]
"""What happens: the gateway closes in good order, cuts, or says nothing more; it sends an error record and closes, a
warning, or bytes that are no records; it never greets; it refuses to let the client in."""

Fault = Literal[
    "429", "500", "422", "402", "404", "page", "half", "silent_half", "stall", "corrupt", "bad_header",
    "wrong_schema", "wrong_time", "wrong_hash", "more", "no_range", "mute", "lost", "warning",
]  # fmt: skip
"""What may go wrong with one answer of the archive: a status; a web page in place of JSON; a body cut with a reset,
or silently, or that stays half; damaged compression; a header on which the vendor's own decoder panics; another
schema, or time, than asked for; another hash than the file's; a file longer than it should be; the whole of it in
place of a part; no answer, or none to what was done all the same; a warning beside it.

What is wrong with an order that is placed is wrong with its files, hash and all."""

DATA: Final = "timeseries.get_range"
DOWNLOAD: Final = "batch.download"

_SESSIONS: Final[Mapping[str, Kind]] = {
    "close": "close",
    "disconnect": "reset",
    "error": "error",
    "half-open": "silence",
    "malformed": "garbage",
    "slow-reader": "slow_reader",
}
_REFUSE: Final = "refuse"
_ANSWERS: Final[Mapping[str, Fault]] = {
    "half-answer": "half",
    "maintenance": "page",
    "rate-limit": "429",
    "server-error": "500",
}
_FILES: Final[Mapping[str, Fault]] = {"corrupt": "corrupt", "wrong-schema": "wrong_schema"}

DATABENTO: Final = Menu(
    faults={
        "close": "the gateway ends a session in good order",
        "corrupt": "a file of the archive's comes with damaged compression",
        "disconnect": "the TCP connection is reset",
        "error": "the gateway sends an error record and ends the session",
        "half-answer": "an answer of the archive's is cut on the wire",
        "half-open": "the gateway goes silent and stays connected",
        "maintenance": "the archive answers with a web page",
        "malformed": "the gateway sends bytes that are no records and ends the session",
        "rate-limit": "the archive refuses a request as one too many (HTTP 429, Retry-After)",
        "refuse": "the gateway refuses a client",
        "server-error": "the archive fails (HTTP 500)",
        "slow-reader": "the gateway warns that it is read too slowly",
        "wrong-schema": "a file of the archive's is of another schema",
    },
    requests=frozenset({*_ANSWERS, *_FILES}),
)
"""What each fault does to every N-th record of a session, client, request or file that it applies to."""


class SessionFaults:
    """The faults of one session. `next` is asked once for each record that happens while it lasts."""

    def __init__(self, plan: FaultPlan, clock: Callable[[], int] = monotonic_ns) -> None:
        self._strikes = Strikes(plan, clock)

    def next(self) -> Kind | None:
        """What happens before this record."""
        struck = [kind for name, kind in _SESSIONS.items() if self._strikes.fires(name)]
        return struck[0] if struck else None


class ClientFaults:
    """Which clients are refused. `refuses` is asked once for each."""

    def __init__(self, plan: FaultPlan, clock: Callable[[], int] = monotonic_ns) -> None:
        self._strikes = Strikes(plan, clock)

    def refuses(self) -> bool:
        """Whether this one is."""
        return self._strikes.fires(_REFUSE)


class ArchiveFaults:
    """What is wrong with the archive's answers. `next` is asked once for each request."""

    def __init__(self, plan: FaultPlan) -> None:
        self._strikes = Strikes(plan)

    def next(self, page: str) -> Fault | None:
        """What is wrong with the answer to a request for `page`."""
        menu = {**_ANSWERS, **_FILES} if page in {DATA, DOWNLOAD} else _ANSWERS
        struck = [fault for name, fault in menu.items() if self._strikes.fires(name)]
        return struck[0] if struck else None
