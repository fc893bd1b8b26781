"""Single trades for tests; feeds pack them by the read."""

from __future__ import annotations

from core.model.instruments import Instrument
from core.model.records import F_LAST
from providers.venue.packing import columns_of, pack_trades


def pack_trade(
    instrument: Instrument,
    *,
    price_e9: int,
    quantity_e8: int,
    side: bytes,
    trade_id: int,
    ts_event_ns: int,
    ts_recv_ns: int,
    flags: int = F_LAST,
) -> bytes:
    """One `TradeMsg`; see `pack_trades`."""
    trade = columns_of([(trade_id, ts_event_ns, price_e9, quantity_e8, side)])
    return pack_trades(instrument, trade, (ts_recv_ns,), flags)
