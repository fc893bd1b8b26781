"""Opens the sources that a plan needs, their simulated stand-ins when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs
import trio

from console.backfill.ordering import PROVIDER, Shop
from console.backfill.plan import Planned
from console.backfill.sold import SoldHistory
from console.backfill.source import Source
from console.backfill.told import ToldHistory
from console.plan import FeedPlan, ProviderName
from console.venues import find_endpoints
from console.wiring import make_provider
from core.model.instruments import InstrumentRegistry
from core.store.spending import Budget, Ledger
from providers.databento.history import History
from providers.databento.key import ApiKey, read_key

if TYPE_CHECKING:
    from config.schema import AddressSettings, Settings


@attrs.frozen(kw_only=True)
class Opening:
    """What sources are opened with; without a `ledger` nothing can be bought."""

    settings: Settings
    registry: InstrumentRegistry
    staging: Path = Path()
    budget: Budget = attrs.Factory(Budget)
    ledger: Ledger | None = None
    simulated: bool = False
    faults: str = ""
    seed: int = 1


class Sources:
    """The sources of plans, each opened once, with what is run here for them in `nursery`."""

    def __init__(self, opening: Opening, nursery: trio.Nursery) -> None:
        self._opening, self._nursery = opening, nursery
        self._opened: dict[str, Source] = {}

    async def open(self, planned: Planned) -> Source:
        """The source of a plan. Raises `ConsoleError`: no key, no such place, or the venue cannot be asked."""
        assert planned.route is not None
        name = planned.route.provider
        if name not in self._opened:
            self._opened[name] = await self._open(cast("ProviderName", name), planned.route.dataset)
        return self._opened[name]

    def __call__(self, planned: Planned) -> Source:
        """The source of a plan, which was opened before."""
        assert planned.route is not None
        return self._opened[planned.route.provider]

    async def _open(self, name: ProviderName, dataset: str) -> Source:
        opening = self._opening
        plan = self._feed_plan(name, dataset)
        if name == PROVIDER:
            return SoldHistory(
                Shop(
                    history=await self._archive(plan),
                    ledger=opening.ledger,
                    budget=opening.budget,
                    staging=opening.staging,
                )
            )
        endpoints, _ = await find_endpoints(plan, self._nursery)
        return ToldHistory(make_provider(plan, endpoints), opening.registry)

    async def _archive(self, plan: FeedPlan) -> History:
        if plan.source != "simulated":
            return History(read_key(), plan.rest_url)
        from providers.simulated.databento_venue import KEY

        endpoints, _ = await find_endpoints(plan, self._nursery)
        assert endpoints is not None
        return History(ApiKey(KEY), endpoints.rest_url)

    def _feed_plan(self, name: ProviderName, dataset: str) -> FeedPlan:
        opening = self._opening
        venue: AddressSettings = getattr(opening.settings.venues, name)
        return FeedPlan(
            provider=name,
            simulated=opening.simulated,
            dataset=dataset,
            seed=opening.seed,
            faults=opening.faults,
            stream_url=venue.stream_url,
            rest_url=venue.rest_url,
        )
