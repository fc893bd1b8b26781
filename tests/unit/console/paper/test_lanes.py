"""Who trades what on whose account, at the beginning and after a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from msgspec.structs import replace

from console.paper.lanes import Bench, load_runs, make_bench, wanted_keys
from console.paper.merging import GONE
from console.paper.plan import PaperPlan, RunPlan
from core.errors import ConfigurationError, ConsoleError, NotFoundError, RefusedError, UsageError
from core.model.instruments import Instrument, Product
from core.model.orders import OrderKind, OrderState, Side
from core.sim.accounts import AccountsConfig, AccountSpec, Limits, parse_amount
from core.sim.lines import OrderLine, PositionLine
from core.sim.paper import Desk
from core.sim.state import DeskState
from core.sim.trader import Sizing
from tests.unit.core.sim.examples import instrument

BTC = instrument()
ETH = attrs.evolve(BTC, symbol="ETHUSD", canonical="ETHUSD", base="ETH")
EURO = attrs.evolve(BTC, symbol="BTCEUR", canonical="BTCEUR", quote="EUR", settle="EUR")
SMA = RunPlan(label="sma", strategy="sma")
RSI = RunPlan(label="rsi", strategy="rsi")


def plan(*runs: RunPlan, **changes: Any) -> PaperPlan:
    """A plan of a desk with 1000 USD."""
    made = PaperPlan(
        desk="d",
        instance="i",
        state_directory=Path("/nowhere"),
        approved=Path("/nowhere/approved"),
        runs=runs or (SMA,),
        accounts=AccountsConfig.with_default("main", "USD", "1000"),
    )
    return attrs.evolve(made, **changes)


def bench(made: PaperPlan, *instruments: Instrument, last: DeskState | None = None) -> Bench:
    """What a session on them begins with."""
    return make_bench(made, load_runs(made), instruments or (BTC,), last)


def lanes(found: Bench) -> list[tuple[str, str, str, str]]:
    """Label, symbol, account and state of each lane."""
    return [(one.spec.label, one.spec.symbol, one.spec.account, one.state) for one in found.state.lanes]


def traded(found: Bench, *, held_e8: int = 5 * 10**7, orders: int = 0, label: str = "sma") -> DeskState:
    """The state after `label` bought BTC with the first account and gave so many orders."""
    state = found.state
    account = replace(
        state.accounts[0],
        positions=[
            PositionLine(
                venue=BTC.venue, symbol=BTC.symbol, quantity_e8=held_e8, cost_e12=0, realised_e12=0, margin_e12=0
            )
        ],
    )
    given = [_order(number + 1, label) for number in range(orders)]
    held = [replace(one, held_e8=held_e8 if one.spec.label == label else 0) for one in state.lanes]
    return replace(
        state,
        accounts=[account, *state.accounts[1:]],
        lanes=held,
        orders=given,
        next_number=orders + 1,
        sampled_ns=60,
    )


def _order(number: int, label: str) -> OrderLine:
    return OrderLine(
        number=number, lane=label, account="main", venue=BTC.venue, symbol=BTC.symbol, side=Side.BUY,
        type=OrderKind.LIMIT, quantity_e8=1, limit_e9=10**9, stop_e9=0, given_ns=1, active_ns=1, filled_e8=0,
        triggered=False, state=OrderState.WORKING, reason="", aim=0, locked="", locked_e12=0, resting=True,
    )  # fmt: skip


def test_each_strategy_has_a_lane_and_an_instance_on_each_symbol() -> None:
    """Labels, bars, modes and hashes stand in the state; two lanes share no memory."""
    made = plan(SMA, RunPlan(label="fast", strategy="sma", parameters={"short": "2"}, bars="20t", mode="each-tick"))
    found = bench(made, BTC, ETH)
    assert [(one.spec.label, one.spec.symbol, one.spec.bars) for one in found.state.lanes] == [
        ("sma", "BTCUSD", "1m"), ("sma", "ETHUSD", "1m"), ("fast", "BTCUSD", "20t"), ("fast", "ETHUSD", "20t"),
    ]  # fmt: skip
    assert len({id(one) for one in found.strategies.values()}) == 4
    assert found.strategies["fast", ETH.key].parameters["short"] == 2
    assert all(len(one.spec.sha256) == 64 for one in found.state.lanes)
    Desk(found.state, found.strategies)


def test_symbols_that_are_not_asked_for_are_not_traded() -> None:
    """Those of the plan, or of the strategy where it has its own."""
    made = plan(SMA, attrs.evolve(RSI, symbols=("ETHUSD",)), symbols=("BTCUSD",))
    assert lanes(bench(made, BTC, ETH, EURO)) == [
        ("sma", "BTCUSD", "main", "running"),
        ("rsi", "ETHUSD", "main", "running"),
    ]
    assert wanted_keys(made, load_runs(made), [BTC, ETH, EURO]) == {BTC.key, ETH.key}
    with pytest.raises(ConfigurationError, match="BTCEUR"):
        bench(made, EURO)


def test_accounts_are_found_by_label_by_strategy_and_by_name() -> None:
    """What the run says comes first, then the label, then the strategy, then the default; nobody else is told of."""
    accounts = AccountsConfig(
        AccountSpec("main", "USD", 10**12),
        (
            AccountSpec("a", "USD", 10**12, ("fast",)),
            AccountSpec("b", "USD", 10**12, ("sma", "nobody", "donchian")),
            AccountSpec("c", "USD", 10**12, (), 1, Limits(orders_per_minute=3)),
        ),
    )
    made = plan(
        SMA, attrs.evolve(SMA, label="fast"), attrs.evolve(SMA, label="own", account="c"), RSI, accounts=accounts
    )
    found = bench(made)
    assert [one.spec.account for one in found.state.lanes] == ["b", "a", "c", "main"]
    assert found.notes == ("account b is meant for nobody, which nobody runs",)
    assert found.state.limits["c"] == Limits(orders_per_minute=3)
    with pytest.raises(NotFoundError, match="main, a, b, c"):
        bench(plan(attrs.evolve(SMA, account="x"), accounts=accounts))


def test_the_default_account_has_the_currency_that_is_needed() -> None:
    """When its symbols agree; otherwise it is said which do not."""
    assert bench(plan(), EURO).state.accounts[0].currency == "EUR"
    with pytest.raises(ConfigurationError, match="BTCUSD in USD, BTCEUR in EUR"):
        bench(plan(), BTC, EURO)
    other = AccountsConfig.with_default("main", "USD", "1").add_simulation_account("e", "EUR", "1", ("rsi",))
    made = plan(SMA, attrs.evolve(RSI, symbols=("BTCEUR",)), symbols=("BTCUSD",), accounts=other)
    assert [one.currency for one in bench(made, BTC, EURO).state.accounts] == ["USD", "EUR"]


def test_an_account_in_another_currency_is_refused() -> None:
    """Account, symbol and both currencies are named."""
    with pytest.raises(ConfigurationError, match=r"account main has USDT, BTCEUR on SIM.EXCHANGE is settled in EUR"):
        bench(plan(currency="USDT", accounts=AccountsConfig.with_default("main", "USDT", "1")), EURO)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"runs": (attrs.evolve(SMA, strategy="smaa"),)}, NotFoundError, "sma"),
        ({"runs": (attrs.evolve(SMA, strategy="/nowhere/a.py"),)}, ConsoleError, "/nowhere/a.py"),
        ({"runs": (attrs.evolve(SMA, parameters={"short": "x"}),)}, UsageError, "short"),
        ({"runs": (attrs.evolve(SMA, bars="7m"),)}, UsageError, "unknown bars"),
        ({"runs": (attrs.evolve(SMA, mode="often"),)}, UsageError, "each-tick"),
        ({"sizing": Sizing(quantity_e8=3)}, UsageError, "steps of 0.0000001"),
        ({"slippage": "much"}, UsageError, "bad slippage"),
        ({"taker": "200%"}, UsageError, "200"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_begins(
    changes: Mapping[str, Any], kind: type[ConsoleError], said: str
) -> None:
    """Strategies, parameters, bars, modes, sizes and how orders are carried out."""
    with pytest.raises(kind, match=said):
        bench(plan(**{"runs": (SMA,)} | dict(changes)), attrs.evolve(BTC, quantity_increment_e8=10))


def test_a_file_that_is_not_approved_is_refused(tmp_path: Path) -> None:
    """Its hint is how to approve it."""
    path = tmp_path / "mine.py"
    path.write_text("import os\nos.abort()\n")
    with pytest.raises(RefusedError, match="--approve"):
        bench(plan(RunPlan(label="mine", strategy=str(path)), approved=tmp_path / "list"))


def test_a_desk_goes_on_with_what_it_holds() -> None:
    """Holdings, marks, numbers and accounts stay; a pause stays, a stop does not."""
    last = traded(bench(plan(SMA, RSI)), orders=2)
    last = replace(
        last,
        lanes=[replace(last.lanes[0], state="paused", reason="by an operator"),
               replace(last.lanes[1], state="stopped", reason="it raised")],
        markets=[replace(last.markets[0], mark_e9=7, newest_ns=9)],
    )  # fmt: skip
    found = bench(plan(SMA, RSI), last=last)
    assert [(one.held_e8, one.state, one.reason) for one in found.state.lanes] == [
        (5 * 10**7, "paused", "by an operator"),
        (0, "running", ""),
    ]
    assert found.state.accounts == last.accounts
    assert (found.state.markets[0].mark_e9, found.state.markets[0].newest_ns) == (7, 9)
    assert (found.state.next_number, found.state.sampled_ns, found.state.orders) == (3, 60, last.orders)
    assert [note.partition(":")[0] for note in found.notes] == [
        "sma on BTCUSD is still paused",
        "rsi on BTCUSD runs again; it was stopped",
    ]


def test_limits_and_executions_are_those_of_now() -> None:
    """What an account may do is for the settings to say, every time."""
    limited = AccountsConfig(AccountSpec("main", "USD", parse_amount("1000"), (), 1, Limits(orders_per_minute=5)))
    found = bench(plan(accounts=limited, slippage="2t"), last=bench(plan()).state)
    assert found.state.limits == {"main": Limits(orders_per_minute=5)}
    assert found.state.markets[0].execution.slippage.increments == 2


def test_accounts_come_and_stay() -> None:
    """A new one is added, one that is not in the settings any more is kept; both are said."""
    more = plan().accounts.add_simulation_account("b", "USD", "5")
    found = bench(plan(accounts=more), last=bench(plan()).state)
    assert [one.id for one in found.state.accounts] == ["main", "b"]
    assert found.notes == ("account b is new",)
    back = bench(plan(), last=found.state)
    assert [one.id for one in back.state.accounts] == ["main", "b"]
    assert back.notes == ("account b is not in the settings any more; it is kept",)
    Desk(back.state, back.strategies)


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        (AccountsConfig.with_default("main", "USD", "2000"), "initial balance.*has 1000 .*2000"),
        (AccountsConfig(AccountSpec("main", "USD", parse_amount("1000"), (), 3)), "leverage.*has 1 .*3"),
    ],
)
def test_an_account_does_not_change_under_what_it_traded(accounts: AccountsConfig, said: str) -> None:
    """Both values are named, and what to do."""
    with pytest.raises(ConfigurationError, match=f"{said}.*accounts reset"):
        bench(plan(accounts=accounts), last=traded(bench(plan())))


def test_a_currency_does_not_change_either() -> None:
    """Also not that of a default account which has none in the settings."""
    with pytest.raises(ConfigurationError, match=r"currency.*main has USD.*EUR"):
        bench(plan(), EURO, last=traded(bench(plan())))


def test_an_account_on_which_nothing_happened_takes_the_settings() -> None:
    """Its currency, beginning and leverage are those of now, and a halt of it stays."""
    before = bench(plan()).state
    halted = replace(before, accounts=[replace(before.accounts[0], halted="by hand", day_ns=1, day_e12=10**15)])
    accounts = AccountsConfig(AccountSpec("main", "USD", parse_amount("2000"), (), 3))
    found = bench(plan(accounts=accounts), EURO, last=halted)
    (account,) = found.state.accounts
    assert (account.currency, account.balances_e12, account.leverage) == ("EUR", {"EUR": 2000 * 10**12}, 3)
    assert (account.halted, account.day_ns) == ("by hand", 0)
    Desk(found.state, found.strategies)


def test_an_order_that_waits_keeps_its_account_as_it_is() -> None:
    """Also one that has set nothing aside."""
    before = bench(plan()).state
    waiting = replace(before, orders=[_order(1, "sma")], next_number=2)
    with pytest.raises(ConfigurationError, match=r"currency.*main has USD.*EUR"):
        bench(plan(), EURO, last=waiting)


def test_lanes_share_the_size_of_their_account_in_equal_parts() -> None:
    """What is asked for is divided by the lanes on an account, not by those on others; a quantity is not divided."""
    more = plan().accounts.add_simulation_account("b", "USD", "5")
    runs = (SMA, RSI, RunPlan(label="own", strategy="sma", symbols=("BTCUSD",), account="b"))
    sizing = Sizing(fraction_ppm=500_000)
    found = bench(plan(*runs, accounts=more, sizing=sizing), BTC, ETH).state.lanes
    assert {(one.spec.label, one.spec.sizing.fraction_ppm) for one in found} == {
        ("sma", 125_000),
        ("rsi", 125_000),
        ("own", 500_000),
    }
    found = bench(plan(SMA, RSI, sizing=Sizing(quantity_e8=10**8)), BTC, ETH).state.lanes
    assert [one.spec.sizing.quantity_e8 for one in found] == [10**8] * 4


def test_a_strategy_that_is_gone_leaves_what_it_holds() -> None:
    """Its lane is stopped, with the reason, and has no strategy; one that holds nothing is gone for good."""
    last = traded(bench(plan(SMA, RSI)), orders=1)
    found = bench(plan(RunPlan(label="ema", strategy="ema")), last=last)
    assert lanes(found) == [("ema", "BTCUSD", "main", "running"), ("sma", "BTCUSD", "main", "stopped")]
    left = found.state.lanes[1]
    assert (left.spec.strategy, left.held_e8, left.reason) == ("", 5 * 10**7, GONE)
    assert ("sma", BTC.key) not in found.strategies
    assert "accounts flatten sma" in found.notes[0]
    again = bench(plan(SMA), last=found.state)
    assert [(one.spec.strategy, one.state, one.held_e8) for one in again.state.lanes] == [
        ("sma", "running", 5 * 10**7)
    ]


def test_a_symbol_that_is_gone_keeps_its_market() -> None:
    """As long as somebody holds it; what is asked for and is not streamed now waits under its own lane."""
    last = traded(bench(plan(), BTC))
    found = bench(plan(symbols=("ETHUSD",)), ETH, last=last)
    assert [one.instrument.symbol for one in found.state.markets] == ["ETHUSD", "BTCUSD"]
    assert lanes(found) == [("sma", "ETHUSD", "main", "running"), ("sma", "BTCUSD", "main", "stopped")]
    waiting = bench(plan(symbols=("ETHUSD", "BTCUSD")), ETH, last=last)
    assert lanes(waiting) == [("sma", "ETHUSD", "main", "running"), ("sma", "BTCUSD", "main", "running")]
    empty = bench(plan(), BTC).state
    assert [one.instrument.symbol for one in bench(plan(), ETH, last=empty).state.markets] == ["ETHUSD"]


def test_holdings_do_not_move_to_another_account() -> None:
    """A strategy that holds something stays where it is; one that holds nothing may go."""
    more = plan().accounts.add_simulation_account("b", "USD", "5")
    moved = plan(attrs.evolve(SMA, account="b"), accounts=more)
    with pytest.raises(ConfigurationError, match=r"sma holds 0.5 BTCUSD .*main, and b"):
        bench(moved, last=traded(bench(plan(accounts=more))))
    assert lanes(bench(moved, last=bench(plan(accounts=more)).state)) == [("sma", "BTCUSD", "b", "running")]


def test_an_instrument_may_change_its_steps_and_not_what_it_is() -> None:
    """New steps count at once and are told; another base under the same name is refused while it is held."""
    last = traded(bench(plan()))
    found = bench(plan(), attrs.evolve(BTC, price_increment_e9=5 * 10**7), last=last)
    assert found.state.markets[0].instrument.price_increment_e9 == 5 * 10**7
    assert found.notes == ("the steps of price or quantity of BTCUSD on SIM.EXCHANGE changed",)
    for changes, said in (({"base": "XBT"}, "base was BTC and is XBT"),
                          ({"product": Product.LINEAR_PERPETUAL}, "product was spot")):  # fmt: skip
        other = attrs.evolve(BTC, **changes)
        with pytest.raises(ConfigurationError, match=said):
            bench(plan(), other, last=last)
        bench(plan(), other, last=bench(plan()).state)


def test_fees_that_the_settings_name_say_so() -> None:
    """The reports of a session tell whose the rates are: nobody gave them on a command line."""
    both = bench(plan(maker="0.1%", taker="0.2%")).state.markets[0].execution
    assert (both.fees.maker_ppm, both.fees.taker_ppm, both.fees.origin) == (1000, 2000, "settings")
    one = bench(plan(taker="0.2%")).state.markets[0].execution
    assert one.fees.origin.startswith("taker from the settings, else ")
