"""The half of a provider that is alike at venues with one connection and one feed on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import attrs
import trio
from trio import TaskStatus

from core.model.instruments import Instrument
from providers.base import (
    Endpoints,
    FeedCounters,
    Historical,
    ProviderInfo,
    Sink,
    Subscription,
    not_streaming,
)
from providers.connection import ConnectionState
from providers.venue.backoff import Reconnecting
from providers.venue.market_feed import MarketFeed
from providers.venue.ws_client import Waker, run_feed


@attrs.frozen(kw_only=True)
class Pace:
    """How a connection is kept: a venue silent for `silence_s` is asked, and left when it says nothing for `answer_s`
    more; two texts are sent no closer than `send_interval_s`. All in seconds. `reconnecting` is how soon and how
    often it may be opened anew."""

    silence_s: float
    answer_s: float
    send_interval_s: float
    reconnecting: Reconnecting = attrs.Factory(Reconnecting)


class SymbolFeed(Protocol):
    """A feed whose symbols come and go while it runs; see `Provider` for each."""

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too."""

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`."""

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted and what the venue says to it."""


AnyFeed = TypeVar("AnyFeed", bound=SymbolFeed)


class OneFeedProvider(Generic[AnyFeed]):
    """What is alike of providers with one feed at a time, at `endpoints`, under the name `info.venue`. A recording,
    which plays all that it has, has no past to ask for."""

    def __init__(self, endpoints: Endpoints, info: ProviderInfo) -> None:
        self.info = attrs.evolve(info, has_history=info.has_history and not endpoints.ends_on_clean_close)
        self.venue = info.venue
        self.connection = ConnectionState(info.venue)
        self._endpoints = endpoints
        self._feed: AnyFeed | None = None
        self._waker = Waker()

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too; see `Provider.subscribe`."""
        counters = self._running().subscribe(instrument)
        self._waker.wake()
        return counters

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`; see `Provider.unsubscribe`."""
        self._running().unsubscribe(symbol)
        self._waker.wake()

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted and what the venue says to it; see `Provider.subscriptions`."""
        return {} if self._feed is None else self._feed.subscriptions()

    def _running(self) -> AnyFeed:
        if self._feed is None:
            raise not_streaming(self.venue)
        return self._feed


class FeedProvider(OneFeedProvider[MarketFeed[Any, Any]], ABC):
    """Streams one `MarketFeed`; a venue's provider adds its catalogue, its feed, its pace and its past."""

    @abstractmethod
    def _feed_of(self, instruments: Sequence[Instrument], sink: Sink) -> MarketFeed[Any, Any]:
        """A fresh feed of this venue."""

    @abstractmethod
    def _past(self) -> Historical:
        """The venue's past, within the limits that all share who ask its host."""

    @abstractmethod
    def _pace(self) -> Pace:
        """How the venue wants its connections kept."""

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream trades, quotes and ten-level books of `instruments` into `sink` until cancelled.

        Reports the counters once it begins; see `Provider.stream`. Returns only when the stream ended for good, and
        raises `PermanentError` when the venue refuses every symbol.
        """
        self._feed = feed = self._feed_of(instruments, sink)
        pace = self._pace()
        task_status.started(feed.counters)
        try:
            await run_feed(
                feed,
                self._endpoints,
                self.connection,
                silence_s=pace.silence_s,
                answer_s=pace.answer_s,
                send_interval_s=pace.send_interval_s,
                reconnecting=pace.reconnecting,
                counters=feed.active,
                waker=self._waker,
            )
        finally:
            self._feed = None

    def history(self) -> Historical | None:
        """The venue's past; see `Provider.history`. To be called on the event loop."""
        return self._past() if self.info.has_history else None
