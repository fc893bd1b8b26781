"""What an engine is asked to do: plain values, made from the command line and the settings, read by `supervise`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, get_args

import attrs

from core.errors import UsageError

ProviderName = Literal["kraken", "binance"]
LIVE_PROVIDERS: Final[tuple[ProviderName, ...]] = get_args(ProviderName)
SIMULATED: Final = "simulated"


@attrs.frozen(kw_only=True)
class FeedPlan:
    """One provider and what it streams. `speed` is a factor, None as fast as the engine takes it.

    An empty `symbols` streams everything the simulated venue or the recording offers.
    """

    provider: ProviderName
    symbols: tuple[str, ...] = ()
    simulated: bool = False
    recordings: tuple[Path, ...] = ()
    speed: float | None = 1.0
    seed: int = 1
    faults: str = ""
    stream_url: str = ""
    rest_url: str = ""

    @property
    def source(self) -> str:
        """Where the data comes from: `live`, `simulated` or `recording`."""
        if self.recordings:
            return "recording"
        return "simulated" if self.simulated else "live"


@attrs.frozen(kw_only=True)
class EnginePlan:
    """Everything an engine needs to know.

    `named` tells an instance name that an operator chose from one made up; `public_symbols` are those whose rings
    other processes may look for (all when None). Directories are created when they are needed.
    """

    instance: str
    named: bool
    feeds: tuple[FeedPlan, ...]
    data_directory: Path
    state_directory: Path
    host: str = "daemon"
    persist: bool = False
    public_symbols: frozenset[str] | None = frozenset()
    ring_capacity: int = 65_536
    sync_s: float = 1.0
    until_end: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.feeds:
            raise UsageError("nothing to stream", "no provider", hint="name one with --provider")
        if self.until_end and any(feed.source != "recording" for feed in self.feeds):
            raise UsageError("no end to wait for", "--until-end", hint="it needs --recording FILE")


def expand_providers(text: str, *, simulated: bool) -> list[tuple[ProviderName, bool]]:
    """(provider, simulated) for each name in a comma-separated list; `simulated` is short for kraken's protocol.

    Raises:
        UsageError: a name that is no provider.
    """
    expanded: list[tuple[ProviderName, bool]] = []
    for name in dict.fromkeys(part.strip().lower() for part in text.split(",")):
        if name == SIMULATED:
            expanded.append(("kraken", True))
        elif name in LIVE_PROVIDERS:
            expanded.append((name, simulated))
        else:
            known = ", ".join((*LIVE_PROVIDERS, SIMULATED))
            raise UsageError("no such provider", ascii(name)[:40], hint=f"there are {known}")
    return expanded
