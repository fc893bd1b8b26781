"""The feeds of the engines that run on this machine, as the engines describe them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs
import msgspec

from console.batch.control import ask
from console.plan import DATASET_PROVIDERS, ProviderName
from core.errors import ConfigurationError, ConsoleError, NotFoundError, UnreachableError
from core.flow.printable import printable
from core.model.publishers import SIMULATED_PREFIX

STATUS_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 15.0
DEAD: Final = "dead"


@attrs.frozen(kw_only=True)
class RunningFeed:
    """One feed of an engine. `streamed` are the venue's names of the symbols that are streamed now, by symbol."""

    instance: str
    provider: str
    venue: str
    recorded: bool
    streamed: Mapping[str, str]

    @property
    def source(self) -> tuple[str, bool]:
        """The provider, and whether its venue is simulated."""
        return self.provider, self.venue.startswith(SIMULATED_PREFIX)

    def is_meant(self, wanted: Collection[tuple[ProviderName, bool]], *, dataset: str = "") -> bool:
        """Whether it streams what one of `wanted` streams: the market itself, no recording and no place to practise.

        `dataset` narrows down those of a provider that has many.
        """
        if self.provider in DATASET_PROVIDERS:
            own = dataset in {"", self.venue.removeprefix(SIMULATED_PREFIX)}
        else:
            own = self.venue.removeprefix(SIMULATED_PREFIX) == self.provider.upper()
        return own and not self.recorded and self.source in wanted

    def find(self, name: str) -> str | None:
        """The streamed symbol that `name`, in upper case, means: a symbol or the venue's name; None for none."""
        if name in self.streamed:
            return name
        return next((symbol for symbol, venues in self.streamed.items() if venues.upper() == name), None)


@attrs.frozen(kw_only=True)
class RunningEngine:
    """One engine. One that does not answer has its `problem`, no `feeds`, and what it `announced` alone: the symbols
    that it serves publicly, by venue."""

    instance: str
    providers: tuple[str, ...]
    announced: Mapping[str, tuple[str, ...]]
    feeds: tuple[RunningFeed, ...] = ()
    problem: ConsoleError | None = None

    def may_stream(self, source: tuple[ProviderName, bool]) -> bool:
        """Whether it has a feed of this provider, as far as can be told from what it announced."""
        provider, simulated = source
        known = [venue.startswith(SIMULATED_PREFIX) for venue in self.announced]
        return provider in self.providers and (not known or simulated in known)


class _Connection(msgspec.Struct):
    venue: str


class _Feed(msgspec.Struct):
    symbol: str
    venue: str
    venue_symbol: str
    streaming: bool = True


class _Status(msgspec.Struct):
    source: str
    connections: list[_Connection]
    feeds: list[_Feed]


def ask_announced(
    instance: str, operation: str, *, timeout_s: float = ANSWER_TIMEOUT_S, **asked: Any
) -> dict[str, Any]:
    """The answer of an engine that is announced, and that may be gone all the same.

    Raises:
        UnreachableError: it is gone, or does not answer.
        ConsoleError: what it refused with; a `NotFoundError` speaks of what was asked, never of the engine.
    """
    from ringbuf.control import socket_path

    try:
        return ask(instance, operation, timeout_s=timeout_s, **asked)
    except NotFoundError as error:
        if socket_path(instance).exists():
            raise
        raise UnreachableError("the engine is gone", instance) from error


def running_engines(instance: str = "") -> list[RunningEngine]:
    """The engines that run, by name; only the one called `instance` if that is given.

    Raises:
        ConfigurationError: the service registry cannot be read.
        NotFoundError: no engine of that name runs.
    """
    from ringbuf import discovery
    from ringbuf.layout import RingError

    try:
        states = [state for state in discovery.instances() if state.health != DEAD]
    except RingError as error:
        raise ConfigurationError("service registry cannot be read", str(error)) from error
    wanted = [state for state in states if instance in {"", state.instance}]
    if instance and not wanted:
        running = ", ".join(state.instance for state in states) or "none"
        raise NotFoundError("no such engine", printable(instance, 40), hint=f"running: {running}")
    return [_asked(RunningEngine(instance=state.instance, providers=state.providers, announced=state.symbols))
            for state in wanted]  # fmt: skip


def _asked(engine: RunningEngine) -> RunningEngine:
    try:
        answer = ask_announced(engine.instance, "status", timeout_s=STATUS_TIMEOUT_S)
        return attrs.evolve(engine, feeds=_read_feeds(engine, answer))
    except ConsoleError as error:
        return attrs.evolve(engine, problem=error)


def _read_feeds(engine: RunningEngine, answer: Mapping[str, Any]) -> tuple[RunningFeed, ...]:
    try:
        status = msgspec.convert(answer, type=_Status)
    except msgspec.ValidationError as error:
        raise UnreachableError("the engine answers something else", engine.instance, hint=str(error)) from error
    return tuple(
        RunningFeed(
            instance=engine.instance,
            provider=provider,
            venue=connection.venue,
            recorded=status.source == "recording",
            streamed={
                row.symbol: row.venue_symbol
                for row in status.feeds
                if row.streaming and row.venue == connection.venue
            },
        )
        # Both are in the order in which the feeds were planned.
        for provider, connection in zip(engine.providers, status.connections, strict=False)
    )


def who_streams(engines: list[RunningEngine]) -> dict[tuple[str, str], list[str]]:
    """The engines that stream a (venue, symbol), by name. Of those that do not answer what they announced counts."""
    found: dict[tuple[str, str], list[str]] = {}
    for engine in engines:
        pairs = [(feed.venue, symbol) for feed in engine.feeds for symbol in feed.streamed]
        if engine.problem is not None:
            pairs = [(venue, symbol) for venue, symbols in engine.announced.items() for symbol in symbols]
        for pair in pairs:
            found.setdefault(pair, []).append(engine.instance)
    return found
