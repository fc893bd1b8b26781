"""Where the venue of a plan is found, its simulated stand-in started when asked for; and what it lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from console.plan import FeedPlan
from console.wiring import make_faults, make_provider, make_source
from core.errors import ConfigurationError, TransientError, single_error
from core.model.symbology import SymbolMap
from providers.base import Endpoints

if TYPE_CHECKING:
    from providers.simulated.venue import RunningVenue

CATALOGUE_S = 45.0


def _always() -> bool:
    return True


async def find_endpoints(
    plan: FeedPlan, nursery: trio.Nursery, *, ready: Callable[[], bool] = _always
) -> tuple[Endpoints | None, tuple[str, ...]]:
    """Where the venue is (None: its own address) and, when it is run here, in `nursery`, what it offers.

    `ready` holds back the playback of a recording while it is False. Raises `ConsoleError`.
    """
    if plan.source == "live":
        return _configured(plan), ()
    from providers.simulated.universe import DEFAULT_SYMBOLS

    venue = await _start_venue(plan, nursery, ready)
    recorded = plan.source == "recording"
    return (
        Endpoints(
            stream_url=venue.stream_url,
            rest_url=venue.rest_url,
            receipts=venue.receipts,
            ends_on_clean_close=recorded,
        ),
        venue.symbols if recorded else DEFAULT_SYMBOLS,
    )


async def fetch_catalogue(plan: FeedPlan) -> SymbolMap:
    """What the venue of a plan lists, from the venue. Raises `ConsoleError`."""
    with single_error(), trio.move_on_after(CATALOGUE_S):
        async with trio.open_nursery() as nursery:
            endpoints, _ = await find_endpoints(plan, nursery)
            catalogue = await make_provider(plan, endpoints).catalogue()
            nursery.cancel_scope.cancel()
        return catalogue
    raise TransientError("no catalogue", f"{plan.provider} took longer than {CATALOGUE_S:g} s")


async def _start_venue(plan: FeedPlan, nursery: trio.Nursery, ready: Callable[[], bool]) -> RunningVenue:
    from providers.simulated.venue import serve_venue

    source = await trio.to_thread.run_sync(make_source, plan)
    if plan.provider == "databento":
        from providers.simulated.databento_venue import serve_databento
        from providers.simulated.faults import NO_FAULTS

        spoilt = partial(serve_databento, faults=make_faults(plan) or NO_FAULTS)
        vendor: RunningVenue = await nursery.start(spoilt, source)
        return vendor
    serve = partial(serve_venue, faults=make_faults(plan), ready=ready)
    venue: RunningVenue = await nursery.start(serve, plan.provider, source)
    return venue


def _configured(plan: FeedPlan) -> Endpoints | None:
    if not (plan.stream_url or plan.rest_url):
        return None
    if not (plan.stream_url and plan.rest_url):
        raise ConfigurationError(
            "half an address", plan.provider, hint="set both stream_url and rest_url under [venues]"
        )
    return Endpoints(stream_url=plan.stream_url, rest_url=plan.rest_url)
