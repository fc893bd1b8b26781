"""Who serves a symbol: the tiers in their order, and the override before them."""

from __future__ import annotations

import pytest

from core.errors import NotFoundError, UsageError
from providers.routing.assets import AssetType
from providers.routing.reading import rules_of
from providers.routing.router import Decision, RouteRequest, decide
from providers.routing.rules import Purpose, Rules, Tier
from tests.unit.providers.routing.served import CAPABILITIES

PLAIN = rules_of(CAPABILITIES)
CONFIGURED = rules_of(
    CAPABILITIES,
    datasets={"futures@CME": "GLBX.MDP3", "equity@NASDAQ": "XNAS.ITCH"},
    asset_types={
        "futures": {"historical": "databento", "realtime": "databento"},
        "crypto": {"historical": "databento", "realtime": "kraken"},
    },
)
"""What an operator would write who thinks of one provider an asset type."""


def asked(decision: Decision) -> list[tuple[str, bool]]:
    """The rules that were considered, and which was taken."""
    return [(one.rule, one.accepted) for one in decision.considered]


@pytest.mark.parametrize(
    ("symbol", "exchange", "purpose", "expected"),
    [
        ("ESH5", "CME", "historical", ("databento", "GLBX.MDP3", "GLBX.MDP3")),
        ("ESH5", "CME", "realtime", ("databento", "GLBX.MDP3", "GLBX.MDP3")),
        ("CLZ5", "NYMEX", "historical", ("databento", "GLBX.MDP3", "GLBX.MDP3")),
        ("AAPL", "NASDAQ", "historical", ("databento", "XNAS.ITCH", "XNAS.ITCH")),
        ("BTCUSD", "KRAKEN", "historical", ("kraken", "", "KRAKEN")),
        ("BTCUSD", "KRAKEN", "realtime", ("kraken", "", "KRAKEN")),
        ("BTCUSDT", "BINANCE", "historical", ("binance", "", "BINANCE")),
        ("BTCUSDT", "binance", "realtime", ("binance", "", "BINANCE")),
    ],
)
@pytest.mark.parametrize("rules", [PLAIN, CONFIGURED], ids=["plain", "configured"])
def test_what_is_usual_needs_no_configuration(
    rules: Rules, symbol: str, exchange: str, purpose: Purpose, expected: tuple[str, str, str]
) -> None:
    """Futures and equities go to their dataset, pairs to the venue that is named, configured or not."""
    route = decide(RouteRequest(symbol=symbol, exchange=exchange, purpose=purpose), rules, CAPABILITIES).chosen()
    assert (route.provider, route.dataset, route.venue) == expected
    assert route.tier is Tier.ASSET_TYPE


def test_a_tier_that_cannot_serve_is_rejected_with_its_reason() -> None:
    """Databento, which is configured for all crypto, has no Kraken: the venue's own past is asked in its place."""
    request = RouteRequest(symbol="BTCUSD", exchange="KRAKEN", asset_type=AssetType.CRYPTO)
    decision = decide(request, CONFIGURED, CAPABILITIES)
    assert decision.chosen().provider == "kraken"
    assert asked(decision) == [
        ("routing.symbols.BTCUSD@KRAKEN", False),
        ("routing.asset_types.crypto", False),
        ("built in: crypto@KRAKEN", True),
        ("built in: crypto", False),
        ("routing.default_provider", False),
    ]
    rejected, default = decision.considered[1], decision.considered[-1]
    assert (rejected.provider, rejected.reason) == ("databento", "databento has no dataset for crypto@KRAKEN")
    assert default.reason == "not asked: built in: crypto@KRAKEN answers before"


def test_the_symbol_comes_before_its_asset_type() -> None:
    """A rule of one symbol on one exchange concerns that one alone, and may bring a dataset of its own."""
    rules = rules_of(
        CAPABILITIES,
        symbols={"AAPL@NASDAQ": {"historical": "databento", "dataset": "EQUS.MINI"}},
        asset_types={"equity@NASDAQ": {"realtime": "databento", "dataset": "XNAS.BASIC"}},
    )
    past = decide(RouteRequest(symbol="AAPL", exchange="XNAS"), rules, CAPABILITIES).chosen()
    assert (past.tier, past.dataset, past.exchange) == (Tier.SYMBOL, "EQUS.MINI", "NASDAQ")
    live = decide(RouteRequest(symbol="AAPL", exchange="NASDAQ", purpose="realtime"), rules, CAPABILITIES)
    assert (live.chosen().tier, live.chosen().dataset) == (Tier.ASSET_TYPE, "XNAS.BASIC")
    assert live.considered[0].reason == "says nothing of realtime data"
    other = decide(RouteRequest(symbol="AAPL", exchange="NYSE"), rules, CAPABILITIES).chosen()
    assert other.dataset == "XNYS.PILLAR"


def test_the_default_is_asked_last() -> None:
    """Where the rule of the asset type names who cannot serve, the default may."""
    rules = rules_of(CAPABILITIES, default_provider="silent")
    request = RouteRequest(symbol="BTCUSD", asset_type=AssetType.CRYPTO, purpose="realtime")
    route = decide(request, rules, CAPABILITIES).chosen()
    assert (route.tier, route.provider, route.exchange) == (Tier.DEFAULT, "silent", "SILENT")


def test_history_and_live_data_are_apart() -> None:
    """A venue without a history serves what is live; of its past the reason says what is missing."""
    live = RouteRequest(symbol="ESH5", exchange="SILENT", asset_type=AssetType.FUTURES, purpose="realtime")
    assert decide(live, PLAIN, CAPABILITIES).chosen().provider == "silent"
    past = RouteRequest(symbol="ESH5", exchange="SILENT", asset_type=AssetType.FUTURES)
    decision = decide(past, PLAIN, CAPABILITIES)
    assert isinstance(decision.problem, NotFoundError)
    assert "silent has no history; databento has no dataset for futures@SILENT" in decision.problem.hint


def test_an_override_decides_before_all_tiers() -> None:
    """The dataset that is asked for is taken, though the table has another, and the tiers are not asked."""
    request = RouteRequest(symbol="AAPL", exchange="NASDAQ", provider="databento", dataset="EQUS.MINI")
    decision = decide(request, CONFIGURED, CAPABILITIES)
    route = decision.chosen()
    assert (route.tier, route.dataset) == (Tier.OVERRIDE, "EQUS.MINI")
    assert decision.considered[0].rule == "--provider databento --dataset EQUS.MINI"
    assert {one.tier for one in decision.considered} == set(Tier)


def test_a_dataset_alone_tells_its_provider_and_what_it_holds() -> None:
    """Neither an exchange nor an asset type is needed beside it."""
    route = decide(RouteRequest(symbol="ESH5", dataset="GLBX.MDP3"), PLAIN, CAPABILITIES).chosen()
    assert (route.provider, route.asset_reason) == ("databento", "GLBX.MDP3 holds futures")
    two_kinds = rules_of(CAPABILITIES, datasets={"equity@CME": "GLBX.MDP3"})
    shared = decide(RouteRequest(symbol="AAPL", dataset="GLBX.MDP3"), two_kinds, CAPABILITIES).chosen()
    assert shared.asset_type is AssetType.EQUITY
    unknown = decide(RouteRequest(symbol="AAPL", dataset="NEW.SET"), PLAIN, CAPABILITIES).chosen()
    assert unknown.reason.endswith("of which nothing is known here")


def test_a_provider_alone_tells_its_exchange_or_finds_a_dataset() -> None:
    """A venue has one exchange; of many datasets the configured one comes before that of the table."""
    kraken = decide(RouteRequest(symbol="OPUSD", provider="kraken"), PLAIN, CAPABILITIES).chosen()
    assert (kraken.exchange, kraken.asset_reason) == ("KRAKEN", "KRAKEN lists crypto")
    request = RouteRequest(symbol="ESH5", exchange="CME", provider="databento")
    assert decide(request, PLAIN, CAPABILITIES).chosen().dataset == "GLBX.MDP3"
    table = {"ESH5@CME": {"realtime": "databento", "dataset": "OWN.SET"}}
    rules = rules_of(CAPABILITIES, symbols=table)
    assert decide(request, rules, CAPABILITIES).chosen().dataset == "OWN.SET"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (RouteRequest(symbol="BTCUSD", exchange="BINANCE", provider="kraken"), "kraken serves KRAKEN, not BINANCE"),
        (RouteRequest(symbol="AAPL", exchange="NASDAQ", provider="kraken"), "kraken serves crypto, not equity"),
        (RouteRequest(symbol="BTCUSD", exchange="KRAKEN", provider="databento"), "no dataset for crypto@KRAKEN"),
        (RouteRequest(symbol="ESH5", provider="databento"), "no dataset for futures without an exchange"),
        (RouteRequest(symbol="AAPL", exchange="NASDAQ", dataset="GLBX.MDP3"), "GLBX.MDP3 holds futures, not equity"),
        (RouteRequest(symbol="BTCUSD", provider="kraken", dataset="GLBX.MDP3"), "kraken has no datasets"),
        (RouteRequest(symbol="BTCUSD", provider="silent", asset_type=AssetType.CRYPTO), "silent has no history"),
    ],
)
def test_an_override_that_cannot_work_is_never_replaced(request_: RouteRequest, reason: str) -> None:
    """It is an error with its reason, and no tier is asked in its place."""
    decision = decide(request_, CONFIGURED, CAPABILITIES)
    assert isinstance(decision.problem, UsageError)
    assert reason in decision.problem.hint
    assert {one.reason for one in decision.considered[1:]} == {
        "not asked: what is asked for by name is never replaced"
    }
    with pytest.raises(UsageError):
        decision.chosen()


def test_without_an_exchange_only_what_is_configured_says_which_is_meant() -> None:
    """What is built in does not choose a venue; a rule of the operator does."""
    request = RouteRequest(symbol="BTCUSD", purpose="realtime")
    plain = decide(request, PLAIN, CAPABILITIES)
    assert isinstance(plain.problem, UsageError)
    assert "add --exchange, one of KRAKEN" in plain.problem.hint
    configured = decide(request, CONFIGURED, CAPABILITIES).chosen()
    assert (configured.provider, configured.exchange) == ("kraken", "KRAKEN")


def test_an_exchange_that_nobody_serves_has_every_reason_in_the_error() -> None:
    """What was asked on the way is told once each."""
    decision = decide(RouteRequest(symbol="BTCUSD", exchange="COINBASE", purpose="realtime"), PLAIN, CAPABILITIES)
    assert isinstance(decision.problem, NotFoundError)
    expected = "kraken serves KRAKEN, not COINBASE; databento has no dataset for crypto@COINBASE"
    assert decision.problem.hint == expected
    assert not any(one.accepted for one in decision.considered)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (RouteRequest(symbol=""), UsageError),
        (RouteRequest(symbol="A,B", exchange="NYSE"), UsageError),
        (RouteRequest(symbol="\x1b[2J", exchange="CME"), UsageError),
        (RouteRequest(symbol="A" * 10_000, exchange="CME"), UsageError),
        (RouteRequest(symbol="OPUSD"), UsageError),
        (RouteRequest(symbol="ESH5", exchange="\x00" * 10_000), NotFoundError),
        (RouteRequest(symbol="ESH5", exchange="CME", provider="databnto"), NotFoundError),
        (RouteRequest(symbol="ESH5", exchange="CME", provider="\x1b" * 10_000), NotFoundError),
        (RouteRequest(symbol="ESH5", exchange="CME", asset_type=AssetType.EQUITY), UsageError),
    ],
)
def test_a_request_that_makes_no_sense_is_a_problem_and_nothing_was_asked(
    request_: RouteRequest, kind: type[Exception]
) -> None:
    """Whatever comes from outside: a decision with an error that is short and can be printed."""
    decision = decide(request_, CONFIGURED, CAPABILITIES)
    assert type(decision.problem) is kind
    assert str(decision.problem).isprintable()
    assert len(str(decision.problem)) < 300
    assert decision.considered == ()
