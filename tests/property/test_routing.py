"""Routing: whatever is asked for, there is one answer or one error, and the tiers are told in their order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotFoundError, UsageError
from providers.routing.assets import EXCHANGES, AssetType
from providers.routing.datasets import DATASETS
from providers.routing.reading import rules_of
from providers.routing.router import RouteRequest, decide
from providers.routing.rules import Tier
from tests.unit.providers.routing.served import CAPABILITIES

PROVIDERS = ["", *CAPABILITIES]
TABLES = st.fixed_dictionaries({"historical": st.sampled_from(PROVIDERS), "realtime": st.sampled_from(PROVIDERS)})
SYMBOLS = ["ESH5", "AAPL", "BTCUSD", "OPUSD", "7203"]
NAMES = [one.name for one in EXCHANGES]
REQUESTS = st.builds(
    RouteRequest,
    symbol=st.sampled_from(SYMBOLS) | st.text(max_size=12),
    exchange=st.sampled_from(["", *NAMES]) | st.text(max_size=12),
    asset_type=st.sampled_from([None, *AssetType]),
    provider=st.sampled_from(PROVIDERS) | st.text(max_size=12),
    dataset=st.sampled_from(["", "NEW.SET", *DATASETS.values()]),
    purpose=st.sampled_from(["historical", "realtime"]),
)


@settings(max_examples=300, deadline=None)
@given(
    REQUESTS,
    st.sampled_from(PROVIDERS),
    st.dictionaries(st.sampled_from([*AssetType, "crypto@KRAKEN", "futures@CME"]), TABLES, max_size=3),
    st.dictionaries(st.sampled_from([f"{symbol}@CME" for symbol in SYMBOLS]), TABLES, max_size=2),
)
def test_one_answer_or_one_error(
    request_: RouteRequest, default: str, asset_types: dict[str, dict[str, str]], symbols: dict[str, dict[str, str]]
) -> None:
    """A route is the one rule that was accepted; all before it were rejected and all behind it were not asked."""
    rules = rules_of(CAPABILITIES, default_provider=default, asset_types=asset_types, symbols=symbols)
    decision = decide(request_, rules, CAPABILITIES)
    tiers = [list(Tier).index(one.tier) for one in decision.considered]
    assert tiers == sorted(tiers)
    accepted = [one for one in decision.considered if one.accepted]
    assert (decision.route is None) == (decision.problem is not None) == (accepted == [])
    if decision.route is None:
        assert isinstance(decision.problem, (UsageError, NotFoundError))
        return
    (taken,) = accepted
    at = decision.considered.index(taken)
    assert (taken.provider, taken.dataset, taken.tier) == (
        decision.route.provider,
        decision.route.dataset,
        decision.route.tier,
    )
    assert all(one.reason.startswith("not asked") == (place > at) for place, one in enumerate(decision.considered))
    assert request_.provider in ("", taken.provider)
    assert request_.dataset in ("", taken.dataset)
    assert decision.route.venue
