"""Other programs' feeds beside ours: their way from a text to a trade, and from the socket to a handler.

They run in an interpreter of their own, for what they need is not what we need: `RINGSIDE_PEERS` names it, else it is
`peers/bin/python` inside our virtual environment, else our own. `pip install cryptofeed nautilus_trader` there adds
them; those that it does not have are left out with a word on stderr.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PEERS = ("cryptofeed", "nautilus_trader")
_PROGRAM = Path(__file__).with_name("_peer_program.py")
_LONGEST_RUN_S = 120


def installed_peers() -> list[str]:
    """Those of `PEERS` that can be run here."""
    look = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
    found = [
        peer for peer in PEERS if subprocess.run([_interpreter(), "-c", look, peer], check=False).returncode == 0
    ]
    for peer in PEERS:
        if peer not in found:
            print(f"{peer} is not installed in {_interpreter()}: left out", file=sys.stderr)
    return found


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


def _interpreter() -> str:
    beside = Path(sys.prefix) / "peers/bin/python"
    return os.environ.get("RINGSIDE_PEERS") or str(beside if beside.exists() else sys.executable)


def _run(peer: str, way: str, source: str, count: int) -> float:
    # In a folder that goes: cryptofeed writes its log where it stands.
    with tempfile.TemporaryDirectory() as folder:
        command = [_interpreter(), str(_PROGRAM), peer, way, source, str(count)]
        found = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=_LONGEST_RUN_S
        )
    return float(found.stdout.splitlines()[-1])
