"""From a plan to objects: the only place that knows which class stands behind which name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from console.plan import LIVE_PROVIDERS, FeedPlan, ProviderName
from core.clock import NS_PER_MS, wall_ns
from core.model.publishers import SIMULATED_PREFIX
from core.model.records import Schema
from providers.base import Endpoints, Provider, ProviderInfo

if TYPE_CHECKING:
    from providers.simulated.faults import FaultPlan
    from providers.simulated.market import MarketSource
    from providers.simulated.recording import Recording

Make = Callable[[Endpoints | None, str], Provider]


def _kraken(endpoints: Endpoints | None, prefix: str) -> Provider:
    from providers.kraken.spot.provider import KrakenSpot

    return KrakenSpot(venue=prefix + "KRAKEN") if endpoints is None else KrakenSpot(endpoints, prefix + "KRAKEN")


def _binance(endpoints: Endpoints | None, prefix: str) -> Provider:
    from providers.binance.provider import BinanceSpot

    return BinanceSpot(venue=prefix + "BINANCE") if endpoints is None else BinanceSpot(endpoints, prefix + "BINANCE")


def _kraken_futures(endpoints: Endpoints | None, prefix: str) -> Provider:
    from providers.kraken.futures.provider import LIVE, KrakenFutures

    return KrakenFutures(endpoints or LIVE, prefix + "KRAKEN_FUTURES")


def _kraken_futures_demo() -> Provider:
    from providers.kraken.futures.provider import DEMO, DEMO_VENUE, KrakenFutures

    return KrakenFutures(DEMO, DEMO_VENUE)


def _databento(plan: FeedPlan, endpoints: Endpoints | None) -> Provider:
    from providers.databento.provider import Databento

    bars = [Schema(f"ohlcv-{length}") for length in plan.bars]
    if plan.source != "simulated":
        return Databento(plan.dataset, plan.symbols, endpoints, bars=bars)
    from providers.databento.key import ApiKey
    from providers.simulated.databento_market import DATASET
    from providers.simulated.databento_venue import KEY

    return Databento(DATASET, plan.symbols, endpoints, bars=bars, key=ApiKey(KEY))


_PROVIDERS: dict[ProviderName, Make] = {
    "kraken": _kraken,
    "binance": _binance,
    "kraken_futures": _kraken_futures,
}
# Binance ends every connection after 24 hours.
_LIFETIMES_S: dict[ProviderName, tuple[float, float]] = {"binance": (22.5 * 3600, 23.5 * 3600)}
_DEMOS: dict[ProviderName, Callable[[], Provider]] = {"kraken_futures": _kraken_futures_demo}


def provider_infos() -> list[ProviderInfo]:
    """What each live provider can do, in the order of `LIVE_PROVIDERS`. Nothing is connected, no key is needed."""
    from providers.binance.provider import INFO as BINANCE
    from providers.databento.provider import INFO as DATABENTO
    from providers.kraken.futures.provider import INFO as KRAKEN_FUTURES
    from providers.kraken.spot.provider import INFO as KRAKEN

    by_name = {info.name: info for info in (KRAKEN, BINANCE, KRAKEN_FUTURES, DATABENTO)}
    return [by_name[name] for name in LIVE_PROVIDERS]


def make_provider(plan: FeedPlan, endpoints: Endpoints | None) -> Provider:
    """The provider of a plan, at `endpoints` or, when None, at its venue's own address.

    Generated data gets a venue name of its own, and so does what comes from a venue's place to practise; a recording
    keeps its venue's.
    """
    if plan.provider == "databento":
        return _databento(plan, endpoints)
    if plan.demo:
        return _DEMOS[plan.provider]()
    prefix = SIMULATED_PREFIX if plan.source == "simulated" else ""
    return _PROVIDERS[plan.provider](endpoints, prefix)


def make_legs(plan: FeedPlan, endpoints: Endpoints | None) -> Provider:
    """What `make_provider` gives, on two connections where the plan asks for that, and with connections that are
    replaced in time where the venue ends them. Its sink must drop trades that it has seen."""
    lifetime = _LIFETIMES_S.get(plan.provider)
    if plan.source == "recording" or not (plan.redundant or lifetime):
        return make_provider(plan, endpoints)
    from providers.venue.leg_runs import Lifetime
    from providers.venue.legs import Legs

    return Legs(
        partial(make_provider, plan, endpoints),
        legs=2 if plan.redundant else 1,
        lifetime=Lifetime(earliest_s=lifetime[0], latest_s=lifetime[1]) if lifetime else None,
    )


def make_source(plan: FeedPlan) -> MarketSource | Recording:
    """What the simulated venue of a plan plays: a recording, or the seeded generator. Raises `ConsoleError`."""
    if plan.recordings:
        assert plan.provider != "databento", "the plan was checked"
        from providers.simulated.recording import Recording

        return Recording.open(plan.recordings, protocol=plan.provider, speed=plan.speed)
    from providers.simulated.market import MarketSource

    # Milliseconds since the epoch grow faster than any simulated market trades, so that two runs of a day never give
    # one number to two trades, which the store would take for duplicates.
    return MarketSource(plan.seed, first_id=wall_ns() // NS_PER_MS)


def make_faults(plan: FeedPlan) -> FaultPlan | None:
    """The faults of a plan. Raises `UsageError` for one that is not on its provider's menu."""
    return parse_faults(plan.faults, plan.provider) if plan.faults else None


def parse_faults(text: str, provider: ProviderName) -> FaultPlan:
    """The faults in `text`. Raises `UsageError` for one that is not on the provider's menu."""
    from providers.simulated.databento_faults import DATABENTO
    from providers.simulated.faults import VENUES, FaultPlan

    return FaultPlan.parse(text, DATABENTO if provider == "databento" else VENUES)
