"""The result of a backtest as one object for JSON: money, prices and quantities as exact text, no NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from console.backtests.execution import assumptions, fill_rule
from console.backtests.facts import described
from console.backtests.prepared import Prepared
from console.backtests.running import Finished
from core.clock import iso_ns
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.instruments import Instrument
from core.model.orders import Fill, Order, OrderState
from core.sim.accounts import format_amount
from core.sim.performance import drawdowns, periods
from core.sim.result import Metrics, RoundTrip
from core.sim.thinning import thin
from core.store.columns import exact

SCHEMA_VERSION: Final = 1
KIND: Final = "backtest"
CURVE_POINTS: Final = 1000
_MONEY: Final = "_e12"

Document = dict[str, Any]


def document(finished: Finished, *, all_orders: bool = False) -> Document:
    """What there is to say of a finished run; with `all_orders` its orders and fills, too."""
    prepared, result = finished.prepared, finished.result
    made: Document = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "command": prepared.command,
        "strategy": _strategy(finished),
        "instrument": instrument_facts(prepared.instrument, assumed=prepared.assumed),
        "data": described(prepared.data),
        "account": {
            "id": prepared.account,
            "currency": result.currency,
            "initial": format_amount(result.metrics.initial_e12),
            "final": format_amount(result.metrics.final_e12),
        },
        "execution": _execution(prepared),
        "assumptions": assumptions(prepared.execution, prepared.instrument.product, depth=prepared.books is not None),
        "metrics": metrics_facts(result.metrics),
        "equity": _equity(finished),
        "periods": [
            {"start_ns": start_ns, "start": iso_ns(start_ns), "return": _finite(gained)}
            for start_ns, gained in periods(result.curve)
        ],
        "trades": [_trade(number, trade) for number, trade in enumerate(result.trades, 1)],
    }
    if all_orders:
        made["orders"] = [_order(order) for order in result.orders]
        made["fills"] = [_fill(fill) for fill in result.fills]
    made["fingerprint"] = attrs.asdict(finished.fingerprint)
    made["warnings"] = _warnings(finished)
    made["took_s"] = round(finished.took_s, 6)
    return made


def _strategy(finished: Finished) -> dict[str, Any]:
    loaded = finished.prepared.loaded
    return {
        "name": finished.name,
        "parameters": dict(finished.parameters),
        "mode": finished.mode.value,
        "bars": str(finished.bars),
        "form": "array" if finished.result.array_form else "events",
        "events": finished.result.events,
        "file": str(loaded.source_path) if loaded.source_path else None,
        "sha256": loaded.sha256,
    }


def instrument_facts(instrument: Instrument, *, assumed: bool) -> dict[str, Any]:
    """What is said of an instrument; `assumed` tells that nobody described it."""
    return {
        "venue": instrument.venue,
        "symbol": instrument.symbol,
        "product": instrument.product.value,
        "base": instrument.base,
        "quote": instrument.quote,
        "settle": instrument.settle,
        "price_increment": exact(instrument.price_increment_e9, PRICE_DECIMALS),
        "quantity_increment": exact(instrument.quantity_increment_e8, QUANTITY_DECIMALS),
        "assumed": assumed,
    }


def _execution(prepared: Prepared) -> dict[str, Any]:
    execution, sizing = prepared.execution, prepared.sizing
    slippage, latency = execution.slippage, execution.latency
    made: dict[str, Any] = {
        "maker_ppm": execution.fees.maker_ppm,
        "taker_ppm": execution.fees.taker_ppm,
        "fees_origin": execution.fees.origin,
        "slippage": {"ppm": slippage.ppm, "increments": slippage.increments},
        "latency_ns": latency.base_ns,
        "jitter_ns": latency.jitter_ns,
        "touch": execution.touch,
        "depth": prepared.books is not None,
    }
    if sizing.quantity_e8:
        made["quantity"] = exact(sizing.quantity_e8, QUANTITY_DECIMALS)
    else:
        made["fraction_ppm"] = sizing.fraction_ppm
    return made | {"shorts": sizing.shorts, "fill_rule": fill_rule(execution, depth=prepared.books is not None)}


def metrics_facts(metrics: Metrics) -> dict[str, Any]:
    """All figures: money as exact text under its name without the unit, ratios as numbers or None."""
    return {name.removesuffix(_MONEY): _figure(name, value) for name, value in attrs.asdict(metrics).items()}


def _figure(name: str, value: Any) -> Any:
    if name.endswith(_MONEY) and value is not None:
        return format_amount(value)
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _equity(finished: Finished) -> Mapping[str, Sequence[Any]]:
    result, ticks = finished.result, finished.prepared.ticks
    curve = result.curve
    if not len(curve.ts_ns):
        return {"ts_ns": [], "equity": [], "drawdown": [], "price": []}
    kept = thin(curve.ts_ns, curve.equity, most=CURVE_POINTS)
    under = drawdowns(curve.equity, initial=result.metrics.initial_e12 / 10**12)
    at = np.maximum(np.searchsorted(ticks.ts_ns, curve.ts_ns[kept], side="right") - 1, 0)
    return {
        "ts_ns": curve.ts_ns[kept].tolist(),
        "equity": [_finite(value) for value in curve.equity[kept].tolist()],
        "drawdown": [_finite(value) for value in under[kept].tolist()],
        "price": (ticks.price_e9[at] / 10**PRICE_DECIMALS).tolist(),
    }


def _trade(number: int, trade: RoundTrip) -> dict[str, Any]:
    return {
        "number": number,
        "side": trade.side.value,
        "entry_ns": trade.entry_ns,
        "entry": iso_ns(trade.entry_ns),
        "exit_ns": trade.exit_ns,
        "exit": iso_ns(trade.exit_ns),
        "quantity": exact(trade.quantity_e8, QUANTITY_DECIMALS),
        "entry_price": exact(trade.entry_e9, PRICE_DECIMALS),
        "exit_price": exact(trade.exit_e9, PRICE_DECIMALS),
        "profit": format_amount(trade.profit_e12),
        "fees": format_amount(trade.fees_e12),
        "open": trade.open,
    }


TRADE_COLUMNS: Final = (
    "number", "side", "entry_ns", "entry", "exit_ns", "exit", "quantity", "entry_price", "exit_price", "profit",
    "fees", "open",
)  # fmt: skip


def _order(order: Order) -> dict[str, Any]:
    return {
        "number": order.number,
        "account": order.account,
        "side": order.side.value,
        "kind": order.kind.value,
        "quantity": exact(order.quantity_e8, QUANTITY_DECIMALS),
        "filled": exact(order.filled_e8, QUANTITY_DECIMALS),
        "limit": exact(order.limit_e9, PRICE_DECIMALS) if order.limit_e9 else None,
        "stop": exact(order.stop_e9, PRICE_DECIMALS) if order.stop_e9 else None,
        "given_ns": order.given_ns,
        "given": iso_ns(order.given_ns),
        "active_ns": order.active_ns,
        "state": order.state.value,
        "reason": order.reason,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "order": fill.order,
        "account": fill.account,
        "side": fill.side.value,
        "ts_ns": fill.ts_ns,
        "time": iso_ns(fill.ts_ns),
        "price": exact(fill.price_e9, PRICE_DECIMALS),
        "quantity": exact(fill.quantity_e8, QUANTITY_DECIMALS),
        "fee": format_amount(fill.fee_e12),
        "realised": format_amount(fill.realised_e12),
        "currency": fill.currency,
        "maker": fill.maker,
        "reason": fill.reason,
    }


def _warnings(finished: Finished) -> list[str]:
    prepared, result = finished.prepared, finished.result
    told = [*prepared.warnings, *result.warnings]
    if len(finished.events) and not result.orders:
        told.append("the strategy gave no order")
    waited = [order for order in result.orders if order.state is not OrderState.REJECTED]
    if waited and not result.fills:
        told.append(f"no order was ever filled; the first was {waited[0].state.value}: {waited[0].reason}")
    return told
