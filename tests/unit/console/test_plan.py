"""From a command line to a plan."""

from __future__ import annotations

import argparse
from pathlib import Path

import attrs
import pytest

from console.batch import engine_options, engine_plan
from console.leg_rows import leg_rows
from console.plan import DEMO_PROVIDERS, EnginePlan, FeedPlan, expand_providers
from console.wiring import make_legs, make_provider
from core.errors import ConfigurationError, ConsoleError, NotFoundError, UsageError
from providers.venue.legs import Legs


def plan(*line: str) -> EnginePlan:
    """The plan of a `serve` command line."""
    parser = argparse.ArgumentParser()
    engine_options.add_engine_options(parser)
    return engine_plan.make_plan(parser.parse_args(line), host="daemon")[0]


def test_settings_fill_in_what_the_line_leaves_out() -> None:
    """Without options the settings' provider and symbols are streamed, privately and without a store."""
    found = plan()
    (feed,) = found.feeds
    assert (feed.provider, feed.symbols, feed.source) == ("kraken", ("BTCUSD", "ETHUSD", "SOLUSD"), "live")
    assert (found.persist, found.named, found.public_symbols) == (False, False, frozenset())


def test_several_providers_share_the_symbols() -> None:
    """Each named provider becomes a feed of its own; `simulated` is Kraken's protocol against the built-in venue."""
    found = plan("--provider", "kraken,binance", "--symbols", "BTCUSD", "--simulated", "--ipc", "--instance-id", "a")
    assert [(feed.provider, feed.source, feed.symbols) for feed in found.feeds] == [
        ("kraken", "simulated", ("BTCUSD",)),
        ("binance", "simulated", ("BTCUSD",)),
    ]
    assert (found.instance, found.named, found.public_symbols) == ("a", True, None)
    assert expand_providers("simulated", simulated=False) == [("kraken", True)]
    assert plan("--ipc-symbols", "btcusd").public_symbols == frozenset({"BTCUSD"})


def test_a_recording_needs_no_symbols(tmp_path: Path) -> None:
    """Everything it holds is streamed, at the speed asked for."""
    recording = tmp_path / "capture.txt"
    recording.write_text("", encoding="utf-8")
    found = plan("--provider", "binance", "--recording", str(recording), "--speed", "max", "--until-end")
    (feed,) = found.feeds
    assert (feed.source, feed.speed, feed.symbols, found.until_end) == ("recording", None, (), True)


def test_a_demo_market_is_a_venue_of_its_own(tmp_path: Path) -> None:
    """Its data never goes by the market's name, and addresses set for the market are not asked."""
    settings = tmp_path / "settings.toml"
    settings.write_text('[venues.kraken_futures]\nstream_url = "ws://x"\nrest_url = "http://x"\n', encoding="utf-8")
    line = ("--provider", "kraken_futures", "--symbols", "BTCUSD", "--config", str(settings))
    (market,), (demo,) = plan(*line).feeds, plan(*line, "--demo").feeds
    assert (market.demo, market.stream_url, demo.demo, demo.stream_url) == (False, "ws://x", True, "")
    assert make_provider(market, None).venue == "KRAKEN_FUTURES"
    assert make_provider(demo, None).venue == "KRAKEN_FUTURES_DEMO"
    for name in DEMO_PROVIDERS:
        assert make_provider(FeedPlan(provider=name, demo=True), None).venue.endswith("_DEMO")


def test_the_simulated_venue_stands_for_the_demo_market_too() -> None:
    """With --simulated nothing but the simulated venue is streamed, whichever market it is to stand for."""
    line = ["--provider", "kraken_futures", "--simulated"]
    assert plan(*line, "--demo").feeds == plan(*line).feeds


def test_two_connections_by_option_or_by_setting(tmp_path: Path) -> None:
    """The option holds for every provider named, the setting for its venue; a recording is played over one."""
    settings = tmp_path / "settings.toml"
    settings.write_text("[venues.binance]\nredundant = true\n", encoding="utf-8")
    both = ("--provider", "kraken,binance")
    assert [feed.redundant for feed in plan(*both).feeds] == [False, False]
    assert [feed.redundant for feed in plan(*both, "--redundant").feeds] == [True, True]
    assert [feed.redundant for feed in plan(*both, "--config", str(settings)).feeds] == [False, True]
    recorded = plan("--provider", "binance", "--recording", __file__, "--config", str(settings))
    assert [feed.redundant for feed in recorded.feeds] == [False]
    settings.write_text("[venues.databento]\nredundant = true\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="redundant: no such setting"):
        plan("--config", str(settings))


def test_plans_have_as_many_connections_as_they_need(tmp_path: Path) -> None:
    """Two where that was asked for; one that is replaced in time where the venue ends it; a plain one otherwise."""
    plain = FeedPlan(provider="kraken")
    recorded = FeedPlan(provider="binance", redundant=True, recordings=(tmp_path,))
    assert not isinstance(make_legs(plain, None), Legs)
    assert not isinstance(make_legs(recorded, None), Legs)
    assert leg_rows(make_legs(plain, None)) == leg_rows(None) == []
    for found, names in (
        (attrs.evolve(plain, redundant=True, simulated=True), ["SIM.KRAKEN 1", "SIM.KRAKEN 2"]),
        (FeedPlan(provider="binance"), ["BINANCE 1"]),
        (FeedPlan(provider="kraken_futures", demo=True, redundant=True), [
            "KRAKEN_FUTURES_DEMO 1", "KRAKEN_FUTURES_DEMO 2",
        ]),
    ):  # fmt: skip
        rows = leg_rows(make_legs(found, None))
        assert [(row["venue"], row["leg"], row["status"]) for row in rows] == [
            (name, number, "disconnected") for number, name in enumerate(names, start=1)
        ]
        assert [(row["brought_first"], row["missed"], row["hand_overs"]) for row in rows] == [(0, 0, 0)] * len(rows)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["--provider", "mtgox"], UsageError),
        (["--symbols", "BTC USD"], UsageError),
        (["--recording", "/nowhere/capture.gz"], NotFoundError),
        (["--speed", "fast"], UsageError),
        (["--speed", "-1"], UsageError),
        (["--duration", "-1"], UsageError),
        (["--duration", "nan"], UsageError),
        (["--speed", "nan"], UsageError),
        (["--until-end"], UsageError),
        (["--faults", "gap=3"], UsageError),
        (["--demo", "--provider", "kraken"], UsageError),
        (["--demo", "--provider", "kraken_futures,binance"], UsageError),
        (["--redundant", "--provider", "databento"], UsageError),
        (["--redundant", "--provider", "kraken,databento", "--simulated"], UsageError),
        (["--redundant", "--recording", __file__], UsageError),
        (["--config", "/nowhere.toml"], ConfigurationError),
    ],
)
def test_nonsense_is_refused(line: list[str], error: type[ConsoleError]) -> None:
    """Each contradiction has its kind of error, and with it its exit code."""
    with pytest.raises(error):
        plan(*line)


def test_bars_are_for_those_who_have_them() -> None:
    """Lengths by commas go to databento alone; others, and other lengths, are refused before anything is started."""
    line = ("--simulated", "--provider", "databento,kraken")
    assert [feed.bars for feed in plan(*line, "--bars", "1m, 1H,1m").feeds] == [("1m", "1h"), ()]
    assert plan(*line).feeds[0].bars == ()
    for provider, lengths in (("kraken", "1m"), ("databento", "1d"), ("databento", "1m,x\x1b"), ("databento", ",")):
        with pytest.raises(UsageError, match="bars"):
            plan("--simulated", "--provider", provider, "--bars", lengths)
