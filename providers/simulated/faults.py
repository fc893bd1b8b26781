"""What may go wrong on a connection on purpose: every N-th data frame is lost, doubled, cut, held or falsified.

Pure: a `FaultLine` decides what becomes of each frame of one connection; `connection.py` carries it out. Faults of
REST requests are `guard.py`'s.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import attrs

from core.clock import NS_PER_S, monotonic_ns
from core.errors import UsageError

DELAY_S: Final = 0.05
SKEW_S: Final = 600

FAULTS: Final[Mapping[str, str]] = {
    "ban": "a REST request is refused, and any other for 2 s (Binance: HTTP 418)",
    "bad-checksum": "a book frame's checksum is falsified (Kraken spot)",
    "delay": "a frame is held for 50 ms",
    "disconnect": "the TCP connection is closed without a word",
    "duplicate": "a frame is sent twice",
    "gap": "a frame is dropped",
    "half-answer": "a REST answer is cut on the wire",
    "half-open": "the connection goes silent and stays open",
    "maintenance": "a REST request is answered with a web page",
    "malformed": "a whole frame carries cut JSON",
    "rate-limit": "a REST request is refused as one too many (Binance: HTTP 429)",
    "reorder": "a frame is sent after the next one",
    "skew": "a frame's times are 10 minutes ahead (generated markets only)",
    "truncate": "a frame is cut on the wire and the connection reset",
}
"""The menu: what each fault does to every N-th data frame, or REST request, it applies to."""

MUTE: Final = "mute"
"""The fault that strikes one symbol: `mute=SYMBOL@5s` drops its every frame from five seconds of a connection on. The
symbol is the venue's own, with or without its slash."""

REST_FAULTS: Final = frozenset({"ban", "half-answer", "maintenance", "rate-limit"})

_SECONDS = re.compile(r"\d{1,6}(\.\d{1,3})?s", re.ASCII)
_CHECKSUM = re.compile(r'("checksum":)(\d{1,10})')
_RFC3339 = re.compile(r'("timestamp":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
_MILLISECONDS = re.compile(r'("(?:[ET]|time|timestamp)":)(\d{1,16})')


@attrs.frozen(kw_only=True)
class Menu:
    """The faults of a kind of venue, with what each does. Those in `requests` count requests, and so know no seconds;
    `mutes`: there is also `MUTE`."""

    faults: Mapping[str, str]
    requests: frozenset[str]
    mutes: bool = False

    @property
    def told(self) -> str:
        """How to write them, for whoever did not."""
        forms = f"NAME=N, NAME=SECONDSs or {MUTE}=SYMBOL@SECONDSs," if self.mutes else "NAME=N or NAME=SECONDSs"
        return f"write {forms} with " + ", ".join(self.faults)


VENUES: Final = Menu(faults=FAULTS, requests=REST_FAULTS, mutes=True)
"""What the exchanges' stand-ins know."""


class Ending(enum.Enum):
    """How a fault ends a connection."""

    DISCONNECT = "disconnect"
    HALF_OPEN = "half-open"
    TRUNCATE = "truncate"


@attrs.frozen
class FaultPlan:
    """Which faults happen: to every how many-th frame of a connection or REST request, or (`every_s`) to the first
    frame after so many seconds, again and again. `mute_s` are the symbols that fall silent, and after how long."""

    every: Mapping[str, int]
    every_s: Mapping[str, float] = attrs.Factory(dict)
    mute_s: Mapping[str, float] = attrs.Factory(dict)

    @classmethod
    def parse(cls, text: str, menu: Menu = VENUES) -> FaultPlan:
        """The plan in `text`, such as `disconnect=500,gap=5s,mute=BTC/USD@30s`, from `menu`.

        Raises:
            UsageError: an unknown fault, one named twice, a number that is not above 0, or seconds between REST
                requests, of which frames are not counted.
        """
        every: dict[str, int] = {}
        every_s: dict[str, float] = {}
        mute_s: dict[str, float] = {}
        for part in text.split(","):
            name, _, number = (piece.strip() for piece in part.partition("="))
            if name == MUTE and menu.mutes:
                symbol, after_s = _parse_mute(number, menu)
                mute_s[symbol] = after_s
                continue
            if name not in menu.faults or name in every or name in every_s:
                raise UsageError("unknown or repeated fault", ascii(name)[:40], hint=menu.told)
            if _SECONDS.fullmatch(number) and float(number[:-1]) > 0 and name not in menu.requests:
                every_s[name] = float(number[:-1])
                continue
            if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number)):
                subject = f"{name}={ascii(number)[1:-1][:20]}"
                raise UsageError("a fault needs a number of frames above 0", subject, hint=menu.told)
            every[name] = int(number)
        return cls(every, every_s, mute_s)


NO_FAULTS: Final = FaultPlan({})
"""Nothing goes wrong."""


def _parse_mute(text: str, menu: Menu) -> tuple[str, float]:
    symbol, _, after = text.partition("@")
    if not (symbol and symbol.isascii() and symbol.isprintable() and _SECONDS.fullmatch(after)):
        raise UsageError("what falls silent, and when?", f"{MUTE}={ascii(text)[1:-1][:40]}", hint=menu.told)
    return _plain(symbol), float(after[:-1])


def _plain(text: str) -> str:
    return text.replace("/", "").upper()


class Frame(NamedTuple):
    """One text to send and the instant at which its receiver may say it was received (0: the wall clock's)."""

    text: str
    received_ns: int = 0


@attrs.frozen
class Outcome:
    """What becomes of a frame: these are sent, after `delay_s`, and then the connection ends so."""

    frames: tuple[Frame, ...]
    delay_s: float = 0.0
    ending: Ending | None = None


class Strikes:
    """When the faults of a plan strike, counted from now on; if `late` the first time half a turn later."""

    def __init__(self, plan: FaultPlan, clock: Callable[[], int] = monotonic_ns, *, late: bool = False) -> None:
        self._every = plan.every
        self._seen = {name: -(every // 2) if late else 0 for name, every in plan.every.items()}
        self._clock = clock
        self._every_ns = {name: int(seconds * NS_PER_S) for name, seconds in plan.every_s.items()}
        self._due_ns = {
            name: clock() + every_ns + (every_ns // 2 if late else 0) for name, every_ns in self._every_ns.items()
        }

    def planned(self, name: str) -> bool:
        """Whether the fault ever strikes."""
        return name in self._every or name in self._every_ns

    def fires(self, name: str) -> bool:
        """Whether the fault strikes what comes now. To be asked once for each thing that it may strike."""
        if name in self._every_ns:
            now_ns = self._clock()
            due = now_ns >= self._due_ns[name]
            if due:
                self._due_ns[name] = now_ns + self._every_ns[name]
            return due
        every = self._every.get(name)
        if every is None:
            return False
        self._seen[name] += 1
        return self._seen[name] > 0 and self._seen[name] % every == 0


class FaultLine:
    """The faults of one connection; `late` is for one beside another, so that not both are struck at once. `apply` is
    called once for each data frame, in order."""

    def __init__(self, plan: FaultPlan, clock: Callable[[], int] = monotonic_ns, *, late: bool = False) -> None:
        self._strikes = Strikes(plan, clock, late=late)
        self._clock = clock
        self._mute_ns = {f'"{name}"': clock() + int(after_s * NS_PER_S) for name, after_s in plan.mute_s.items()}
        self._held: Frame | None = None

    def apply(self, frame: Frame) -> Outcome:
        """What to do instead of just sending `frame`."""
        if self._mute_ns and self._is_mute(frame.text):
            return Outcome(())
        frame = frame._replace(text=self._falsified(frame.text))
        if self._strikes.fires("gap"):
            return Outcome(())
        frames: tuple[Frame, ...] = (frame, frame) if self._strikes.fires("duplicate") else (frame,)
        if self._held is not None:
            frames, self._held = (*frames, self._held), None
        elif self._strikes.fires("reorder"):
            *early, self._held = frames
            frames = tuple(early)
        delay_s = DELAY_S if self._strikes.fires("delay") else 0.0
        endings = [ending for ending in Ending if self._strikes.fires(ending.value)]
        return Outcome(frames, delay_s, endings[0] if endings else None)

    def rest(self) -> tuple[Frame, ...]:
        """The frame still held back when nothing follows it."""
        held, self._held = self._held, None
        return (held,) if held else ()

    def _is_mute(self, text: str) -> bool:
        text, now_ns = _plain(text), self._clock()
        return any(name in text and now_ns >= from_ns for name, from_ns in self._mute_ns.items())

    def _falsified(self, text: str) -> str:
        if self._strikes.planned("bad-checksum") and '"checksum":' in text and self._strikes.fires("bad-checksum"):
            text = _CHECKSUM.sub(lambda found: f"{found[1]}{int(found[2]) ^ 0x5A5A5A5A}", text)
        if self._strikes.planned("skew") and self._dated(text) and self._strikes.fires("skew"):
            text = _MILLISECONDS.sub(lambda found: f"{found[1]}{int(found[2]) + SKEW_S * 1000}", text)
            text = _RFC3339.sub(lambda found: found[1] + _later(found[2]), text)
        return text[: len(text) // 2] if self._strikes.fires("malformed") else text

    def _dated(self, text: str) -> bool:
        return _MILLISECONDS.search(text) is not None or _RFC3339.search(text) is not None


def _later(instant: str) -> str:
    moved = datetime.strptime(instant, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC) + timedelta(seconds=SKEW_S)
    return f"{moved:%Y-%m-%dT%H:%M:%S}"
