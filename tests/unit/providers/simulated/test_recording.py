"""Reading captures: formats, exact times, and what cannot be played."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from core.errors import ConfigurationError, NotFoundError
from providers.simulated.capture_lines import Protocol
from providers.simulated.recording import Recording

_TRADE = '{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000123,"s":"BTCUSDT","t":1}}'
_TICKER = '{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT"}}'
_BOOK = '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","timestamp":"2024-01-01T00:00:00.000001Z"}]}'


def _open(tmp_path: Path, *contents: str | bytes, protocol: Protocol | None = None) -> Recording:
    paths = []
    for number, content in enumerate(contents):
        path = tmp_path / f"capture{number}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return Recording.open(paths, protocol=protocol, speed=None)


def _times(recording: Recording) -> list[int]:
    return [frame.received_ns for frame in recording.frames]


def test_exact_epochs(tmp_path: Path) -> None:
    """Epochs are read digit by digit: no float comes near them."""
    content = (
        f"1633998512.0633569: {_TRADE}\n1633998512.063356901: {_TRADE}\n1633998513: {_TRADE}\n"
        f"1723161253937085768 {_TICKER}\n"
    )
    assert _times(_open(tmp_path, content)) == [
        1633998512_063356900,
        1633998512_063356901,
        1633998513_000000000,
        1723161253937085768,
    ]


def test_json_lines(tmp_path: Path) -> None:
    """A message alone is received at its own time, one without a time at the next known one, or at the last."""
    recording = _open(tmp_path, f"{_TICKER}\n{_TRADE}\n{_TICKER}\n")
    assert _times(recording) == [1700000000_123000000] * 3
    kraken = _open(tmp_path, f"{_BOOK}\n")
    assert kraken.protocol == "kraken"
    assert _times(kraken) == [1704067200_000001000]


def test_frames_are_untouched(tmp_path: Path) -> None:
    """Text is kept as it came, odd spacing and unknown fields included; gzip or plain makes no difference."""
    odd = '{ "data" : {"x":1.00, "E":1},  "stream":"btcusdt@trade" , "new":[1]}'
    content = f"1633998512.5: {odd}\n"
    for each in (content, gzip.compress(content.encode())):
        recording = _open(tmp_path, each)
        assert [frame.text for frame in recording.frames] == [odd]
        assert recording.streams == {"btcusdt@trade"}


def test_session_messages_are_left_out(tmp_path: Path) -> None:
    """What was sent, acknowledgements and heartbeats are the session's own and are not played."""
    recording = _open(
        tmp_path,
        "wss://ws.kraken.com/v2 <-> 1700000000.1\n"
        'wss://ws.kraken.com/v2 <- 1700000000.2: {"method":"subscribe"}\n'
        '1700000000.3: {"channel":"status","type":"update","data":[{"system":"online"}]}\n'
        '1700000000.4: {"method":"subscribe","success":true,"result":{"channel":"book"}}\n'
        '1700000000.5: {"channel":"heartbeat"}\n\n'
        f"1700000000.6: {_BOOK}\n",
    )
    assert [frame.text for frame in recording.frames] == [_BOOK]


def test_order_of_several_files(tmp_path: Path) -> None:
    """Files are played in the order of their times whatever their order given; within one the order is its own."""
    early = f"1633998512.5: {_TRADE}\n1633998511.0: {_TICKER}\n"
    late = f"1633998513.5: {_TICKER}\n"
    for contents in ((early, late), (late, early)):
        assert _times(_open(tmp_path, *contents)) == [
            1633998512_500000000,
            1633998511_000000000,
            1633998513_500000000,
        ]


def test_real_captures(captures: Path) -> None:
    """The real captures are recognised, complete, and described."""
    day = Recording.open([captures / "binance/spot_btcusdt_20240808.txt.gz"], protocol=None, speed=None)
    assert (day.protocol, len(day.frames), day.symbols) == ("binance", 41248, ("BTCUSDT",))
    assert json.loads(day.snapshots["BTCUSDT"])["lastUpdateId"] == 50093239218
    kraken = Recording.open(
        [captures / "kraken_spot/v2_book_btcusd_d10_20230730_wire.jsonl"], protocol="kraken", speed=2.0
    )
    assert (kraken.symbols, len(kraken.frames)) == (("BTC/USD",), 301)
    assert kraken.frames[0].received_ns == kraken.frames[1].received_ns == 1690730998_343415000


def test_captures_with_metadata(captures: Path) -> None:
    """Symbols beyond the universe come with the venue's own description and REST answers, and not without."""
    names = ("binance_ws_20211012.txt", "binance_rest_depth_20211012.txt", "binance_exchangeinfo_20211012.json.gz")
    paths = [captures / "binance" / name for name in names]
    recording = Recording.open(paths, protocol="binance", speed=None)
    assert set(recording.metadata) == set(recording.snapshots) == {"NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"}
    assert json.loads(recording.metadata["BLZETH"].entry)["quoteAsset"] == "ETH"
    assert recording.frames[0].received_ns == 1633998512_063356900
    with pytest.raises(ConfigurationError, match=r"NKNUSDT.*exchangeInfo"):
        Recording.open(paths[:2], protocol="binance", speed=None)


def test_kraken_metadata(captures: Path) -> None:
    """Kraken's own description is preferred, its old asset names notwithstanding."""
    paths = [
        captures / "kraken_spot" / name
        for name in ("v2_book_btcusd_d10_20230730_wire.jsonl", "rest_assetpairs_full_20210417.json.gz")
    ]
    metadata = Recording.open(paths, protocol=None, speed=None).metadata["BTC/USD"]
    assert metadata.key == "XXBTZUSD"
    assert '"leverage_buy":[2,3,4,5]' in metadata.entry


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kraken_spot/v1_trade_20210417.txt", "WebSocket v1"),
        ("kraken_spot/v1_book1000_20210417.txt", "WebSocket v1"),
        ("kraken_futures/session_20210722.txt", "Kraken Futures"),
        ("binance/rest_aggtrades_pages.jsonl", "not a message"),
        ("binance/binance_exchangeinfo_20211012.json.gz", "no market data"),
        ("kraken_spot/rest_trades_xbtusdt_first500.json", "no market data"),
    ],
)
def test_other_captures(captures: Path, name: str, reason: str) -> None:
    """Captures of other protocols and documents without market data are refused with the reason."""
    with pytest.raises(ConfigurationError, match=reason):
        Recording.open([captures / name], protocol=None, speed=None)


def test_wrong_venue(tmp_path: Path) -> None:
    """A capture of one venue is not played as the other's, nor both at once."""
    with pytest.raises(ConfigurationError, match="capture of Kraken"):
        _open(tmp_path, _BOOK, protocol="binance")
    with pytest.raises(ConfigurationError, match="two venues"):
        _open(tmp_path, _BOOK, _TRADE)


@pytest.mark.parametrize(
    "line",
    [
        '1633998512.5: {"stream":"btcusdt@trade","data":{"e":"tra',
        "1633998512.5: ",
        "1633998512.5",
        f"16339985125: {_TRADE}",
        f"1633998512.1234567890: {_TRADE}",
        f"-1633998512.5: {_TRADE}",
        f"1.6e9: {_TRADE}",
        f"1633998512 {_TRADE}",
        "hello",
        "{}",
        '{"channel":"book","data":[{"price":1}]}',
        '{"channel":"book","data":[{"symbol":"BTC/USD","timestamp":"yesterday"}]}',
        '{"stream":"btcusdt@trade","data":7}',
        "https://api.binance.com/api/v3/depth?symbol=BTCUSDT -> 1633998512.5",
        "https://api.binance.com/api/v3/depth?symbol=BTCUSDT -> 1633998512.5: {",
        "https://api.binance.com/api/v3/klines -> 1633998512.5: {}",
        "https://[api/v3/depth -> 1633998512.5: {}",
        '{"stream":"btcusdt@trade","data":{"E":1e40}}',
        '{"stream":"btcusdt@trade","data":{"E":-1}}',
        '{"stream":"btcusdt@trade","data":' + "[" * 20_000,
    ],
)
def test_damaged_lines(tmp_path: Path, line: str) -> None:
    """A damaged line is named by file and number; nothing is played."""
    with pytest.raises(ConfigurationError, match=r"capture0, line 2"):
        _open(tmp_path, f"1633998512.5: {_TRADE}\n{line}\n")


def test_no_control_characters(tmp_path: Path) -> None:
    """A symbol with control characters cannot reach the terminal through the error that names it."""
    with pytest.raises(ConfigurationError) as caught:
        _open(tmp_path, r'1633998512.5: {"stream":"\u001b[2Jx@trade","data":{}}')
    assert str(caught.value).isprintable()


def test_not_text(tmp_path: Path) -> None:
    """Bytes that are no text are a damaged line."""
    with pytest.raises(ConfigurationError, match=r"line 1.*UTF-8"):
        _open(tmp_path, b"\xff\xfe\x00rubbish\n")


def test_unreadable_files(tmp_path: Path) -> None:
    """Missing, empty, cut or unreadable files are clear errors."""
    with pytest.raises(NotFoundError, match="nowhere"):
        Recording.open([tmp_path / "nowhere"], protocol=None, speed=None)
    with pytest.raises(ConfigurationError, match="cannot read"):
        Recording.open([tmp_path], protocol=None, speed=None)
    with pytest.raises(ConfigurationError, match="no market data"):
        _open(tmp_path, "")
    with pytest.raises(ConfigurationError, match="cannot read"):
        _open(tmp_path, gzip.compress(f"{_TRADE}\n".encode() * 100)[:-20])
    with pytest.raises(ConfigurationError, match="no market data"):
        Recording.open([], protocol=None, speed=None)
    with pytest.raises(ConfigurationError, match="carries a time"):
        _open(tmp_path, _TICKER)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_bad_speeds(tmp_path: Path, speed: float) -> None:
    """A speed that is no positive number is refused."""
    with pytest.raises(ConfigurationError, match="speed"):
        Recording.open([tmp_path], protocol=None, speed=speed)


def test_unclear_snapshot(tmp_path: Path) -> None:
    """A depth snapshot without its symbol cannot be told to one of several symbols."""
    other = _TRADE.replace("btcusdt", "ethusdt")
    content = f'1633998512.5: {_TRADE}\n1633998512.6: {{"lastUpdateId":5,"bids":[],"asks":[]}}\n'
    assert _open(tmp_path, content).snapshots == {"BTCUSDT": '{"lastUpdateId":5,"bids":[],"asks":[]}'}
    with pytest.raises(ConfigurationError, match="line 2"):
        _open(tmp_path, f"{content}1633998512.7: {other}\n")
