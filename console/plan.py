"""What an engine is asked to do: plain values, made from the command line and the settings, read by `supervise`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

import attrs

from core.errors import UsageError

if TYPE_CHECKING:
    from cattrs import Converter

    from console.alerting.plan import AlertPlan
    from console.paper.plan import PaperPlan

ProviderName = Literal["kraken", "binance", "kraken_futures", "databento"]
LIVE_PROVIDERS: Final[tuple[ProviderName, ...]] = get_args(ProviderName)
DEMO_PROVIDERS: Final[frozenset[ProviderName]] = frozenset({"kraken_futures"})
"""Those whose venue has a place to practise, with other prices than its market."""
DATASET_PROVIDERS: Final[frozenset[ProviderName]] = frozenset({"databento"})
"""Those that carry many venues, one a dataset."""
BARS: Final = ("1s", "1m", "1h")
"""How long the bars may be that these stream."""
SIMULATED: Final = "simulated"


@attrs.frozen(kw_only=True)
class FeedPlan:
    """One provider and what it streams. `speed` is a factor, None as fast as the engine takes it.

    An empty `symbols` streams everything the simulated venue or the recording offers. `demo` streams from the venue's
    own place to practise, `redundant` over two connections at once. `dataset` is which one of a provider that has
    many, `bars` the lengths of those to be streamed from it.
    """

    provider: ProviderName
    symbols: tuple[str, ...] = ()
    simulated: bool = False
    demo: bool = False
    redundant: bool = False
    dataset: str = ""
    bars: tuple[str, ...] = ()
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
class StorePlan:
    """Where records are kept: in PostgreSQL when there is a `database_url`, in files otherwise. Finished days are
    compressed after `compress_after_days` and removed after `keep_days`; 0 means never."""

    database_url: str = attrs.field(default="", repr=False)
    durable: bool = True
    sync_s: float = 1.0
    compress_after_days: int = 1
    keep_days: int = 0


@attrs.frozen(kw_only=True)
class CachePlan:
    """How many of the newest trades of a symbol are kept at hand and for how long after the last one: in memory, and
    in Redis when there is a `redis_url`."""

    memory_ticks: int = 1000
    memory_ttl_s: float = 300.0
    redis_url: str = attrs.field(default="", repr=False)
    redis_ticks: int = 10_000
    redis_ttl_s: float = 3600.0


@attrs.frozen(kw_only=True)
class SpendingPlan:
    """What may be spent on history in a UTC day and in a month, in USD as text; empty is no limit."""

    daily_budget_usd: str = ""
    monthly_budget_usd: str = ""


@attrs.frozen(kw_only=True)
class LogPlan:
    """What is logged and how: the lowest `level`, other ones for parts as (part, level), `format` "text" or "json"; a
    file has up to `max_bytes`, and so many older `files` are kept. `secrets` are values that are never logged."""

    level: str = "info"
    levels: tuple[tuple[str, str], ...] = ()
    format: str = "text"
    max_bytes: int = 4 << 20
    files: int = 3
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class EnginePlan:
    """Everything an engine needs to know.

    It ends with its recording when `until_end`, and after `duration_s` unless that is 0.
    `named` tells an instance name that an operator chose from one made up. `public_symbols` are those whose rings
    other processes may look for (all when None). `split` runs each feed in a process of its own; such a child has the
    parent's name as `ring_owner` and, when the parent stores what it publishes, `stored_elsewhere`. `read_only`
    refuses everything that changes what the engine does. With `paper` strategies trade on what is streamed, with
    accounts that are not real; with `alerts` it watches over itself. With a `metrics_port` Prometheus is answered
    there, on loopback; 0 is any that is free. Directories are created when they are needed.
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
    store: StorePlan = StorePlan()
    cache: CachePlan | None = None
    spending: SpendingPlan = SpendingPlan()
    paper: PaperPlan | None = None
    log: LogPlan = LogPlan()
    alerts: AlertPlan | None = None
    metrics_port: int | None = None
    until_end: bool = False
    duration_s: float = 0.0
    split: bool = False
    read_only: bool = False
    ring_owner: str = ""
    stored_elsewhere: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.feeds:
            raise UsageError("nothing to stream", "no provider", hint="name one with --provider")
        if self.until_end and any(feed.source != "recording" for feed in self.feeds):
            raise UsageError("no end to wait for", "--until-end", hint="it needs --recording FILE")


def encode_plan(plan: EnginePlan) -> bytes:
    """A plan as one line of JSON, for `decode_plan` in another process."""
    return json.dumps(_converter().unstructure(plan)).encode() + b"\n"


def decode_plan(line: bytes) -> EnginePlan:
    """The plan that `encode_plan` wrote."""
    return _converter().structure(json.loads(line), EnginePlan)


def _converter() -> Converter:
    from cattrs.preconf.json import make_converter

    # numpy comes with them, and many who read a plan's parts do not need that.
    from console.alerting.plan import AlertPlan
    from console.paper.plan import PaperPlan

    attrs.resolve_types(EnginePlan, globals() | {"AlertPlan": AlertPlan, "PaperPlan": PaperPlan})
    converter = make_converter()
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Path, lambda value, _kind: Path(value))
    return converter


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
    return list(dict.fromkeys(expanded))
