"""Other programs' feeds beside ours: their way from a text to a trade, and from the socket to a handler."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from perf._peers import interpreter_with, output_of

PEERS = ("cryptofeed", "nautilus_trader")


def installed_peers() -> list[str]:
    """Those of `PEERS` that can be run here."""
    return [peer for peer in PEERS if interpreter_with(peer) is not None]


def peer_texts(peer: str, texts: Sequence[bytes]) -> list[bytes]:
    """Binance trades as `peer` wants them: cryptofeed reads the aggregated ones, which differ in three names."""
    if peer != "cryptofeed":
        return list(texts)
    return [
        text.replace(b'"e":"trade"', b'"e":"aggTrade"').replace(b'"t":', b'"a":').replace(b"@trade", b"@aggTrade")
        for text in texts
    ]


def text_rate(peer: str, texts: Sequence[bytes]) -> float:
    """Binance trades a second of its CPU time that `peer` makes of `texts`, without a socket."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join(peer_texts(peer, texts)))
        file.flush()
        return _run(peer, "text", file.name, len(texts))


def socket_rate(peer: str, url: str, count: int) -> float:
    """Trades a second of its CPU time that `peer` takes from a server that sends `count` of them, in its handler."""
    return _run(peer, "socket", url, count)


def _run(peer: str, way: str, source: str, count: int) -> float:
    interpreter = interpreter_with(peer)
    assert interpreter is not None, "only those that are installed are run"
    return float(output_of(interpreter, "_peer_program.py", peer, way, source, count))
