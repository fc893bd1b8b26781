"""The provider's catalogue, and what it refuses before it asks anybody."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from core.errors import AuthenticationError, ConfigurationError, NotFoundError, RefusedError, UsageError
from core.model.records import Schema
from providers.base import Endpoints, Provider, Searchable
from providers.databento.key import VARIABLE
from providers.databento.provider import MAX_SYMBOLS, Databento
from providers.simulated.databento_library import with_definitions
from tests.unit.providers.databento.gateways import instrument
from tests.unit.providers.databento.support import BARS, KEY, archive, library


def provider(rest_url: str, *symbols: str) -> Databento:
    """A provider whose gateway nobody runs."""
    return Databento("GLBX.MDP3", symbols, Endpoints(stream_url="127.0.0.1:9", rest_url=rest_url), key=KEY)


@pytest.mark.trio
async def test_the_catalogue_is_what_was_asked_for(captures: Path) -> None:
    """It has the named symbols alone; others are looked up one by one; what is not defined is not found."""
    found = with_definitions(attrs.evolve(library(captures), names={118: "ESU4", 119: "NQU4"}))
    async with archive(found) as (_, running):
        standing = provider(running.rest_url, "ESU4", "NOPE")
        catalogue = await standing.catalogue()
        assert [each.symbol for each in catalogue.instruments()] == ["ESU4"]
        future = catalogue.resolve("ESU4")
        assert (future.venue, future.quote, future.price_decimals) == ("GLBX.MDP3", "USD", 2)
        assert (await standing.look_up("NQU4")).venue_symbol == "NQU4"
        with pytest.raises(NotFoundError):
            await standing.look_up("YMU4")
        assert standing._schemas == (Schema.TRADES, Schema.QUOTES)
        assert len(await provider(running.rest_url).catalogue()) == 0
    checked: Provider = standing
    assert isinstance(checked, Searchable)


@pytest.mark.trio
async def test_a_dataset_without_anything_to_stream(captures: Path) -> None:
    """Bars alone are nothing for a live stream."""
    async with archive(library(captures, BARS)) as (_, running):
        with pytest.raises(NotFoundError, match="neither trades nor books"):
            await provider(running.rest_url, "ESU4").catalogue()


@pytest.mark.trio
async def test_bars_that_a_dataset_does_not_have(captures: Path) -> None:
    """Whoever asks for them is told, instead of never getting any; those it has join what is streamed."""
    found = library(captures)
    for offered in ((), ("ohlcv-1h",)):
        async with archive(with_definitions(attrs.evolve(found, offered=offered))) as (_, running):
            endpoints = Endpoints(stream_url="127.0.0.1:9", rest_url=running.rest_url)
            standing = Databento("GLBX.MDP3", ["ESU4"], endpoints, bars=[Schema.BARS_1H], key=KEY)
            if offered:
                await standing.catalogue()
                assert standing.info.schemas == (Schema.TRADES, Schema.QUOTES, Schema.BARS_1H)
            else:
                with pytest.raises(NotFoundError, match="no such bars"):
                    await standing.catalogue()


def test_what_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no dataset, no address, too many symbols, no stream that runs."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(AuthenticationError):
        Databento("GLBX.MDP3", ["ESU4"])
    with pytest.raises(UsageError):
        Databento("", ["ESU4"], key=KEY)
    with pytest.raises(UsageError):
        Databento("GLBX.MDP3", ["ESU4"] * (MAX_SYMBOLS + 1), key=KEY)
    with pytest.raises(ConfigurationError):
        Databento("GLBX.MDP3", [], Endpoints(stream_url="wss://x", rest_url="https://x"), key=KEY)
    idle = Databento("GLBX.MDP3", [], key=KEY)
    with pytest.raises(RefusedError):
        idle.subscribe(instrument())
    with pytest.raises(RefusedError):
        idle.unsubscribe("ESU4")
    assert idle.intervals == ()
