"""From a command line and the settings to the plan of an engine."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from config.load import LoadedSettings, load
from config.operations import AlertingSettings, MetricsSettings
from config.paths import Paths, find_paths
from config.problems import SettingsError
from config.schema import AddressSettings, BackfillSettings, CacheSettings, Settings, VenueSettings
from console.batch.log_options import log_plan
from console.plan import (
    BARS,
    DATASET_PROVIDERS,
    DEMO_PROVIDERS,
    CachePlan,
    EnginePlan,
    FeedPlan,
    ProviderName,
    SpendingPlan,
    StorePlan,
    expand_providers,
)
from core.errors import ConfigurationError, NotFoundError, UsageError

if TYPE_CHECKING:
    from console.alerting.plan import AlertPlan
    from console.paper.plan import PaperPlan

MAX_DURATION_S = 1e9
MAX_PORT = 65_535


def load_settings(path: Path | None, paths: Paths, *, assigned: Sequence[str] = ()) -> LoadedSettings:
    """The settings in force, `assigned` before all others. Raises `ConfigurationError` with the first problem and how
    many more there are."""
    try:
        return load(path or paths.configuration_file, required=path is not None, assigned=assigned)
    except SettingsError as error:
        more = len(error.problems) - 1
        ask = "ringside --batch config check" + (f" -c {path}" if path else "")
        hint = f"and {more} more: {ask} tells all" if more else f"{ask} looks at all of them"
        raise ConfigurationError("settings cannot be used", error.problems[0], hint=hint) from error


def make_plan(arguments: argparse.Namespace, *, host: str) -> tuple[EnginePlan, Settings]:
    """The plan that the command line and the settings describe.

    Raises:
        ConsoleError: they contradict themselves or each other.
    """
    paths = find_paths()
    settings = load_settings(arguments.config, paths, assigned=arguments.assigned).settings
    feeds = feed_plans(arguments, settings)
    instance = arguments.instance_id or f"{feeds[0].provider}-{os.getpid()}"
    plan = EnginePlan(
        instance=instance,
        named=bool(arguments.instance_id),
        feeds=feeds,
        data_directory=paths.data,
        state_directory=paths.state,
        host=host,
        persist=arguments.persist or settings.store.persist,
        public_symbols=_public_symbols(arguments),
        ring_capacity=settings.ring.capacity,
        store=_store(settings),
        cache=cache_plan(settings.cache),
        spending=_spending(settings.backfill),
        paper=_paper(arguments, settings, paths, instance=instance),
        alerts=_alerts(settings.alerting),
        metrics_port=_metrics_port(arguments, settings.metrics),
        log=log_plan(settings, arguments),
        until_end=arguments.until_end,
        duration_s=_duration_s(arguments),
        split=arguments.split,
        read_only=arguments.read_only,
    )
    return plan, settings


def _paper(arguments: argparse.Namespace, settings: Settings, paths: Paths, *, instance: str) -> PaperPlan | None:
    section = settings.paper_trading
    if not (arguments.paper_trading or section.enabled):
        if arguments.strategy:
            raise UsageError("a strategy that nobody asks", arguments.strategy[0], hint="add --paper-trading")
        return None
    from console.paper.plan import paper_plan  # numpy comes with it, and --help does not need that

    if arguments.strategy:
        section = attrs.evolve(section, strategy="", strategies=tuple(arguments.strategy), run=())
    settings = attrs.evolve(settings, paper_trading=section)
    plan = paper_plan(settings, paths, instance=instance, isolated=arguments.split)
    if plan.has_files:
        # What comes from a file may hang or eat all memory, and must not take the feeds with it.
        return attrs.evolve(plan, isolated=True)
    from console.paper.lanes import load_runs

    load_runs(plan)  # what is no strategy is told before anything is started
    return plan


def _alerts(settings: AlertingSettings) -> AlertPlan | None:
    if not settings.enabled:
        return None
    from console.alerting.plan import alert_plan  # numpy comes with it, and --help does not need that

    return alert_plan(settings)


def _metrics_port(arguments: argparse.Namespace, settings: MetricsSettings) -> int | None:
    port: int | None = arguments.metrics_port
    if port is None:
        return settings.port if arguments.metrics or settings.enabled else None
    if not 1 <= port <= MAX_PORT:
        raise UsageError("no such port", str(port), hint=f"1 to {MAX_PORT}")
    return port


def _spending(settings: BackfillSettings) -> SpendingPlan:
    from console.spending import budget_of

    budget_of(settings)  # what is no amount is told before anything is started
    return SpendingPlan(daily_budget_usd=settings.daily_budget_usd, monthly_budget_usd=settings.monthly_budget_usd)


def _store(settings: Settings) -> StorePlan:
    return StorePlan(
        database_url=settings.database.url,
        durable=settings.database.durable,
        sync_s=settings.store.sync_s,
        compress_after_days=settings.store.compress_after_days,
        keep_days=settings.store.keep_days,
    )


def cache_plan(settings: CacheSettings) -> CachePlan | None:
    """The cache that the settings describe; None when there is to be none."""
    if not settings.enabled:
        return None
    return CachePlan(
        memory_ticks=settings.memory.max_ticks_per_symbol,
        memory_ttl_s=settings.memory.ttl_seconds,
        redis_url=settings.redis.url,
        redis_ticks=settings.redis.max_ticks_per_symbol,
        redis_ttl_s=settings.redis.ttl_seconds,
    )


def feed_plans(arguments: argparse.Namespace, settings: Settings) -> tuple[FeedPlan, ...]:
    """The feeds that the command line and the settings describe. Raises `ConsoleError`."""
    from core.model.symbology import parse_symbols  # numpy comes with it, and --help does not need that

    recordings = tuple(arguments.recording or ())
    for path in recordings:
        if not path.is_file():
            raise NotFoundError("not a file" if path.exists() else "no such recording", str(path))
    if arguments.speed != "1" and not recordings:
        raise UsageError("speed without a recording", arguments.speed, hint="add --recording FILE")
    symbols = parse_symbols(arguments.symbols) if arguments.symbols is not None else ()
    providers = expand_providers(arguments.provider or settings.engine.provider, simulated=arguments.simulated)
    if recordings and len(providers) > 1:
        raise UsageError("one recording, two providers", arguments.provider, hint="name the one it was recorded from")
    if arguments.dataset is not None and not any(name in DATASET_PROVIDERS for name, _ in providers):
        raise UsageError(
            "dataset without a provider that has one", ascii(arguments.dataset)[:40], hint="--provider databento"
        )
    if arguments.bars is not None and not any(name in DATASET_PROVIDERS for name, _ in providers):
        raise UsageError(
            "bars from a provider that has none", ascii(arguments.bars)[:40], hint="--provider databento"
        )
    if not symbols and not recordings and not any(simulated for _, simulated in providers):
        symbols = settings.engine.symbols
    speed = parse_speed(arguments.speed)
    return tuple(
        _feed(name, simulated, arguments, settings, symbols=symbols, recordings=recordings, speed=speed)
        for name, simulated in providers
    )


def _feed(
    name: ProviderName,
    simulated: bool,
    arguments: argparse.Namespace,
    settings: Settings,
    *,
    symbols: tuple[str, ...],
    recordings: tuple[Path, ...],
    speed: float | None,
) -> FeedPlan:
    if arguments.faults and not simulated and not recordings:
        raise UsageError("faults without a simulated venue", arguments.faults, hint="add --simulated")
    if arguments.faults:
        from console.wiring import parse_faults

        parse_faults(arguments.faults, name)
    if arguments.demo and recordings:
        raise UsageError("two sources for one provider", "--demo", hint="it streams from the venue itself")
    if arguments.demo and name not in DEMO_PROVIDERS:
        raise UsageError("no demo market", name, hint=f"--demo works with {', '.join(sorted(DEMO_PROVIDERS))}")
    dataset = _dataset(name, arguments, settings, simulated=simulated, recorded=bool(recordings))
    # The addresses in the settings are those of the market itself; the simulated venue stands for either.
    venue: AddressSettings = VenueSettings() if arguments.demo else getattr(settings.venues, name)
    return FeedPlan(
        provider=name,
        symbols=symbols,
        simulated=simulated,
        demo=arguments.demo and not simulated,
        redundant=_redundant(name, arguments, venue, recorded=bool(recordings)),
        dataset=dataset,
        bars=_bars(arguments.bars) if name in DATASET_PROVIDERS else (),
        recordings=recordings,
        speed=speed,
        seed=arguments.seed,
        faults=arguments.faults,
        stream_url=venue.stream_url,
        rest_url=venue.rest_url,
    )


def _redundant(name: ProviderName, arguments: argparse.Namespace, venue: AddressSettings, *, recorded: bool) -> bool:
    if not arguments.redundant:
        return isinstance(venue, VenueSettings) and venue.redundant and not recorded
    if recorded:
        raise UsageError("a recording is played once", "--redundant", hint="leave it out")
    if name in DATASET_PROVIDERS:
        raise UsageError("no second connection", name, hint="it replays what was missed; leave --redundant out")
    return True


def _dataset(
    name: ProviderName, arguments: argparse.Namespace, settings: Settings, *, simulated: bool, recorded: bool
) -> str:
    # Refused here and not when the feed begins: with exit codes of their own, and before anything is started.
    if name not in DATASET_PROVIDERS:
        return ""
    if recorded:
        raise UsageError("no recording for this provider", name, hint="leave it out")
    from providers.databento.key import read_key
    from providers.databento.names import check_dataset

    if simulated:
        if arguments.dataset is not None:
            raise UsageError(
                "the simulated venue has one dataset", ascii(arguments.dataset)[:40], hint="leave it out"
            )
        return ""
    dataset = check_dataset(arguments.dataset or settings.engine.dataset)
    read_key()
    return dataset


def _bars(text: str | None) -> tuple[str, ...]:
    lengths = tuple(dict.fromkeys(part.strip().lower() for part in (text or "").split(",") if part.strip()))
    if (text is not None and not lengths) or not set(lengths) <= set(BARS):
        raise UsageError("no such bars", ascii(text)[:40], hint=f"{', '.join(BARS)}; several by commas")
    return lengths


def _duration_s(arguments: argparse.Namespace) -> float:
    seconds: float = arguments.duration
    if not 0 <= seconds < MAX_DURATION_S:  # also refuses what is not a number
        raise UsageError("bad duration", str(seconds), hint="seconds, 0 for until stopped")
    return seconds


def parse_speed(text: str) -> float | None:
    """A factor above 0, or None for `max`. Raises `UsageError`."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError("bad speed", ascii(text)[:40], hint="a factor like 1, 10 or 0.5, or max")
    return speed


def _public_symbols(arguments: argparse.Namespace) -> frozenset[str] | None:
    from core.model.symbology import parse_symbols

    if arguments.ipc_symbols is not None:
        return frozenset(parse_symbols(arguments.ipc_symbols))
    return None if arguments.ipc else frozenset()
