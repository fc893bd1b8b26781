"""Other programs' way from a received text to a trade of theirs: no socket, no gap checks, nothing published.

Those that are not installed are left out by whoever asks: `pip install cryptofeed nautilus_trader` adds them.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Sequence

PEERS = {"binance trade": ("cryptofeed", "nautilus_trader")}
"""Which peer reads which kind of message."""


def peer_rate(peer: str, texts: Sequence[bytes]) -> float:
    """Binance trades a second that `peer` makes of `texts`, one after another."""
    return _cryptofeed(texts) if peer == "cryptofeed" else _nautilus(texts)


def _cryptofeed(texts: Sequence[bytes]) -> float:
    # It wants aggregated trades, which differ in two names, and knows symbols from the network alone.
    aggregated = [
        text.replace(b'"e":"trade"', b'"e":"aggTrade"').replace(b'"t":', b'"a":').decode() for text in texts
    ]
    symbols = importlib.import_module("cryptofeed.symbols").Symbols
    venue = importlib.import_module("cryptofeed.exchanges").Binance
    symbols.set(venue.id, {"BTC-USDT": "BTCUSDT"}, {"instrument_type": {"BTC-USDT": "spot"}})
    made = 0

    async def count(_trade: object, _receipt_s: float) -> None:
        nonlocal made
        made += 1

    async def read_all() -> float:
        feed = venue(symbols=["BTC-USDT"], channels=["trades"], callbacks={"trades": count})
        started = time.process_time()
        for text in aggregated:
            await feed.message_handler(text, None, time.time())
        return time.process_time() - started

    elapsed_s = asyncio.run(read_all())
    assert made == len(texts), made
    return made / elapsed_s


def _nautilus(texts: Sequence[bytes]) -> float:
    msgspec = importlib.import_module("msgspec")
    market = importlib.import_module("nautilus_trader.adapters.binance.spot.schemas.market")
    envelope = importlib.import_module("nautilus_trader.adapters.binance.common.schemas.market")
    identifiers = importlib.import_module("nautilus_trader.model.identifiers")
    which = msgspec.json.Decoder(envelope.BinanceDataMsgWrapper).decode
    decode = msgspec.json.Decoder(market.BinanceSpotTradeMsg).decode
    instruments = {"BTCUSDT": identifiers.InstrumentId.from_str("BTCUSDT.BINANCE")}
    made = 0
    started = time.process_time()
    for text in texts:
        if "@trade" in which(text).stream:
            data = decode(text).data
            data.parse_to_trade_tick(instrument_id=instruments[data.s], ts_init=time.time_ns())
            made += 1
    elapsed_s = time.process_time() - started
    assert made == len(texts), made
    return made / elapsed_s
