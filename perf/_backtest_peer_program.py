"""Another program's backtest, in an interpreter that has it: `_backtest_peer_program.py PEER WORK FILE RUNS`.

WORK is `bars` (trades to one-minute bars, moving averages of 5 and 20 of them) or `ticks` (exponential averages of
1/500 and 1/2000 on every trade); a position of 1.0 or none, 1 000 000 in cash, a fee of 0.1 %, filled at the next
price. FILE holds the trades as columns of numpy. Prints one object of JSON: the milliseconds of each run, preparation
from the columns included, the final equity and the number of fills. It imports nothing of this project.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

CASH, FEE = 1_000_000.0, 0.001
Found = tuple[float, int]
"""Final equity and fills."""


def main(peer: str, work: str, path: str, runs: str) -> None:
    """Print what the runs took and brought."""
    columns = np.load(path)
    ts_ns, price, quantity = columns["ts_ns"], columns["price_e9"] / 1e9, columns["quantity_e8"] / 1e8
    run = _PEERS[peer, work]()
    took_ms, found = [], (0.0, 0)
    for _ in range(int(runs)):
        began_s = time.perf_counter()
        found = run(ts_ns, price, quantity)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    print(json.dumps({"ms": took_ms, "equity": found[0], "fills": found[1]}))


def _crossings(above: Any) -> tuple[Any, Any]:
    before = np.concatenate(([False], above[:-1]))
    return above & ~before, before & ~above


def _vectorbt(close: Any, entries: Any, exits: Any, price: Any, engine: str) -> Found:
    # Filled at the next price; after the last there is none.
    vectorbt = importlib.import_module("vectorbt")
    portfolio = vectorbt.Portfolio.from_signals(
        close, entries, exits, price=price, size=1.0, fees=FEE, init_cash=CASH, freq="1min", engine=engine
    )
    return float(portfolio.final_value()), int(portfolio.orders.count())


def _vectorbt_bars(engine: str) -> Callable[..., Found]:
    def run(ts_ns: Any, price: Any, quantity: Any) -> Found:
        pandas = importlib.import_module("pandas")
        frame = pandas.DataFrame({"price": price, "volume": quantity}, index=pandas.DatetimeIndex(ts_ns))
        bars = frame["price"].resample("1min").ohlc()
        bars["volume"] = frame["volume"].resample("1min").sum()
        closed = bars["close"].to_numpy()
        # In whole cents: averages that are equal must not differ by a rounding.
        sums = np.concatenate(([0], np.cumsum(np.rint(closed * 100).astype(np.int64))))
        above = np.zeros(len(closed), bool)
        above[19:] = (sums[20:] - sums[15:-5]) * 4 > sums[20:] - sums[:-20]
        entries, exits = _crossings(above)
        entries[-1] = exits[-1] = False
        nexts = np.append(bars["open"].to_numpy()[1:], closed[-1])
        return _vectorbt(bars["close"], entries, exits, nexts, engine)

    return run


def _vectorbt_ticks(engine: str) -> Callable[..., Found]:
    def run(_ts_ns: Any, price: Any, _quantity: Any) -> Found:
        pandas = importlib.import_module("pandas")
        series = pandas.Series(price)
        fast = series.ewm(alpha=1 / 500, adjust=False).mean().to_numpy()
        slow = series.ewm(alpha=1 / 2000, adjust=False).mean().to_numpy()
        entries, exits = _crossings(fast > slow)
        entries[-1] = exits[-1] = False
        return _vectorbt(series, entries, exits, np.append(price[1:], price[-1]), engine)

    return run


def _nautilus(strategy: Callable[[Any, Any], Any]) -> Callable[..., Found]:
    def run(ts_ns: Any, price: Any, quantity: Any) -> Found:
        def of(module: str, name: str) -> Any:
            return getattr(importlib.import_module(f"nautilus_trader.{module}"), name)

        pandas = importlib.import_module("pandas")
        instrument = of("test_kit.providers", "TestInstrumentProvider").btcusdt_binance()
        instrument = of("model.instruments", "CurrencyPair").from_dict(
            instrument.to_dict(instrument) | {"maker_fee": str(FEE), "taker_fee": str(FEE)}
        )
        silent = of("config", "LoggingConfig")(log_level="OFF", bypass_logging=True)
        engine = of("backtest.engine", "BacktestEngine")(
            of("backtest.engine", "BacktestEngineConfig")(logging=silent)
        )
        money, tether = of("model.objects", "Money"), of("model.currencies", "USDT")
        engine.add_venue(
            of("model.identifiers", "Venue")("BINANCE"),
            of("model.enums", "OmsType").NETTING,
            of("model.enums", "AccountType").CASH,
            [money(CASH, tether), money(0, of("model.currencies", "BTC"))],
        )
        engine.add_instrument(instrument)
        frame = pandas.DataFrame(
            {
                "price": price,
                "quantity": np.maximum(quantity, 1e-5),  # it takes none that it would round to nothing
                "trade_id": np.arange(len(price)).astype(str),
                "buyer_maker": False,
            },
            index=pandas.DatetimeIndex(ts_ns, tz="UTC"),
        )
        engine.add_data(of("persistence.wranglers", "TradeTickDataWrangler")(instrument).process(frame))
        trader = strategy(of, instrument)
        engine.add_strategy(trader)
        engine.run()
        account = engine.cache.account_for_venue(of("model.identifiers", "Venue")("BINANCE"))
        coins = float(account.balance_total(of("model.currencies", "BTC")).as_double())
        equity = float(account.balance_total(tether).as_double()) + coins * float(price[-1])
        fills = len(engine.trader.generate_fills_report())
        engine.dispose()
        return equity, fills

    return run


def _nautilus_strategy(of: Any, instrument: Any, *, on_ticks: bool) -> Any:
    side, lots = of("model.enums", "OrderSide"), instrument.make_qty(1.0)

    class Crossing(of("trading.strategy", "Strategy")):  # type: ignore[misc]
        def on_start(self) -> None:
            self.held = self.above = False
            self.closes: list[float] = []
            self.fast = self.slow = 0.0
            if on_ticks:
                self.subscribe_trade_ticks(instrument.id)
            else:
                self.subscribe_bars(of("model.data", "BarType").from_str(f"{instrument.id}-1-MINUTE-LAST-INTERNAL"))

        def on_bar(self, bar: Any) -> None:
            self.closes = [*self.closes[-19:], float(bar.close)]
            if len(self.closes) == 20:
                self.go(sum(self.closes[-5:]) / 5 > sum(self.closes) / 20)

        def on_trade_tick(self, tick: Any) -> None:
            price = float(tick.price)
            self.fast = self.fast + (price - self.fast) / 500 if self.fast else price
            self.slow = self.slow + (price - self.slow) / 2000 if self.slow else price
            self.go(self.fast > self.slow)

        def go(self, above: bool) -> None:
            if above is not self.above:
                self.above = above
                order = self.order_factory.market(instrument.id, side.BUY if above else side.SELL, lots)
                self.submit_order(order)

    return Crossing()


def _hftbacktest() -> Callable[..., Found]:
    # It knows trades and no bars, and fills limit orders only: each is given 5.00 beyond the price, and filled there.
    numba, hft = importlib.import_module("numba"), importlib.import_module("hftbacktest")
    kinds = importlib.import_module("hftbacktest.types")
    good_till_cancelled, limit = hft.GTC, hft.LIMIT

    @numba.njit  # type: ignore[untyped-decorator]
    def trade(book: Any, found: Any) -> None:
        fast = slow = price = 0.0
        above, order = False, 0
        while book.wait_next_feed(False, 10**15) != 1:
            trades = book.last_trades(0)
            for number in range(len(trades)):
                price = trades[number].px
                fast = fast + (price - fast) / 500 if fast > 0 else price
                slow = slow + (price - slow) / 2000 if slow > 0 else price
            book.clear_last_trades(0)
            if (fast > slow) != above:
                above, order = fast > slow, order + 1
                if above:
                    book.submit_buy_order(0, order, price + 5.0, 1.0, good_till_cancelled, limit, False)
                else:
                    book.submit_sell_order(0, order, price - 5.0, 1.0, good_till_cancelled, limit, False)
                book.clear_inactive_orders(0)
        state = book.state_values(0)
        found[0] = state.balance + state.position * price - state.fee
        found[1] = state.num_trades

    def run(ts_ns: Any, price: Any, quantity: Any) -> Found:
        events = np.zeros(len(ts_ns), kinds.event_dtype)
        aggressor = np.where(np.arange(len(ts_ns)) % 2, kinds.BUY_EVENT, kinds.SELL_EVENT)
        events["ev"] = aggressor | kinds.TRADE_EVENT | kinds.EXCH_EVENT | kinds.LOCAL_EVENT
        events["exch_ts"] = events["local_ts"] = ts_ns
        events["px"], events["qty"] = price, quantity
        asset = hft.BacktestAsset().data([events]).linear_asset(1.0).constant_order_latency(0, 0)
        asset = asset.no_partial_fill_exchange().trading_value_fee_model(FEE, FEE).risk_adverse_queue_model()
        book = hft.HashMapMarketDepthBacktest([asset.tick_size(0.01).lot_size(0.0001).last_trades_capacity(10_000)])
        found = np.zeros(2)
        trade(book, found)
        book.close()
        return CASH + float(found[0]), int(found[1])

    return run


_PEERS: dict[tuple[str, str], Callable[[], Callable[..., Found]]] = {
    ("vectorbt rust", "bars"): partial(_vectorbt_bars, "rust"),
    ("vectorbt numba", "bars"): partial(_vectorbt_bars, "numba"),
    ("vectorbt rust", "ticks"): partial(_vectorbt_ticks, "rust"),
    ("vectorbt numba", "ticks"): partial(_vectorbt_ticks, "numba"),
    ("nautilus_trader", "bars"): partial(_nautilus, partial(_nautilus_strategy, on_ticks=False)),
    ("nautilus_trader", "ticks"): partial(_nautilus, partial(_nautilus_strategy, on_ticks=True)),
    ("hftbacktest", "ticks"): _hftbacktest,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
