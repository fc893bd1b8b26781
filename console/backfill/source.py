"""Where history comes from, seen from whoever fetches it: one shape for who tells it and for who sells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Protocol

import attrs

from console.backfill.plan import Planned, Price
from core.model.instruments import Instrument
from core.model.records import Records


@attrs.frozen(kw_only=True)
class Listed:
    """When a symbol could be traded, as far as the source has it: from `start_ns` to `end_ns`, exclusive. `said` is
    what to tell of a range that is cut by it."""

    start_ns: int
    end_ns: int
    said: str


@attrs.frozen(kw_only=True, eq=False)
class Delivery:
    """Records of one series, oldest first. With them the stretch from where the last delivery ended to `until_ns`,
    exclusive, is told in full.

    `newest_id` is as in `TickSink.append`; without one, what is new is told by what the store had of `among_ns`, from
    and until, before the first delivery with that value. `instrument` describes whose they are, where the venue says
    so; `rejected` records could not be read.
    """

    records: Records
    until_ns: int
    newest_id: int = 0
    among_ns: tuple[int, int] = (0, 0)
    instrument: Instrument | None = None
    rejected: int = 0


@attrs.frozen
class Allowance:
    """What may still be spent: `most_usd` is all that this command has left, None without a limit."""

    most_usd: Decimal | None = None


Say = Callable[[str], None]
"""Told what is being waited for, in a few words."""


class Source(Protocol):
    """One provider's history. Its methods raise `ConsoleError`."""

    @property
    def sells(self) -> bool:
        """Whether what it tells has a price."""

    async def listed(self, planned: Planned) -> Listed | None:
        """When the symbol could be traded; None when that is not known. Raises `NotFoundError` for an unknown one."""

    async def conditions(self, planned: Planned) -> Mapping[str, str]:
        """What each day of the plan is worth, by date, where the source says so."""

    async def price(self, planned: Planned) -> Price:
        """What the spans that are left come to."""

    def deliver(
        self, planned: Planned, start_ns: int, end_ns: int, *, job_id: str, allowance: Allowance, say: Say
    ) -> AsyncIterator[Delivery]:
        """The records of one of the spans, piece by piece, the last of which ends at `end_ns`. What this costs is
        paid, unless it was paid before.

        Raises:
            RefusedError: it costs more than is allowed.
        """
