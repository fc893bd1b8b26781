"""What the commands that fetch history read off a command line."""

from __future__ import annotations

import argparse

import pytest

from console.batch.backfill_options import add_request_options, check_exchange, kept_request, wish_of
from console.batch.times import instant_of
from core.clock import DAY_NS, NS_PER_S, parse_rfc3339_ns
from core.errors import UsageError
from core.model.records import Schema

NOW_NS = parse_rfc3339_ns("2026-11-22T10:30:15.5Z")
MINUTE_NS = 60 * NS_PER_S


def asked(*arguments: str) -> argparse.Namespace:
    """A command line as the commands read it."""
    parser = argparse.ArgumentParser()
    add_request_options(parser)
    return parser.parse_args(["--symbols", "ESH5", *arguments])


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("30d", NOW_NS - 30 * DAY_NS),
        ("-12h", NOW_NS - 720 * MINUTE_NS),
        ("90M", NOW_NS - 90 * MINUTE_NS),
        ("0d", NOW_NS),
        ("9999999d", 0),
        ("-1.5h", NOW_NS - 90 * MINUTE_NS),
        ("1h30m", NOW_NS - 90 * MINUTE_NS),
        ("30s", NOW_NS - 30 * NS_PER_S),
        ("2w", NOW_NS - 14 * DAY_NS),
        ("2026-11-21", parse_rfc3339_ns("2026-11-21T00:00:00Z")),
        ("2026-11-21T02:00:00+02:00", parse_rfc3339_ns("2026-11-21T00:00:00Z")),
        (str(NOW_NS), NOW_NS),
    ],
)
def test_an_instant_is_a_time_or_so_long_ago(text: str, expected_ns: int) -> None:
    """With a minus or without; never before 1970."""
    assert instant_of(text, now_ns=NOW_NS) == expected_ns


@pytest.mark.parametrize(
    "text",
    ["", "d", "-", "-d", "--3d", "+3d", "1.5", "3y", "1e3d", "12345678d", "\u0663d", "\xb2h", "d\x1b[31m", "30"],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    """In printable words, whatever was typed."""
    with pytest.raises(UsageError, match="bad time") as caught:
        instant_of(text, now_ns=NOW_NS)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("exchange", "simulated", "expected"),
    [
        ("binance", False, ("BINANCE", "", "", False)),
        ("SIM.BINANCE", False, ("BINANCE", "", "", True)),
        ("sim.binance", True, ("BINANCE", "", "", True)),
        ("glbx.mdp3", False, ("", "databento", "GLBX.MDP3", False)),
        ("GLBX.MDP3", True, ("", "databento", "GLBX.MDP3", True)),
        ("SIM.GLBX.MDP3", False, ("", "databento", "GLBX.MDP3", True)),
        ("DATABENTO", False, ("DATABENTO", "", "", False)),
        ("DATABENTO", True, ("", "databento", "SIM.DATABENTO", True)),
        ("SIM.DATABENTO", False, ("", "databento", "SIM.DATABENTO", True)),
    ],
)
def test_an_exchange_may_be_a_dataset_or_a_simulated_venue(
    exchange: str, simulated: bool, expected: tuple[str, str, str, bool]
) -> None:
    """What is stored can be named as it is stored, and means its source; reading it twice changes nothing."""
    arguments = asked("--start", "30d", "--exchange", exchange, *["--simulated"] * simulated)
    for _ in range(2):
        check_exchange(arguments)
        assert (arguments.exchange, arguments.provider, arguments.dataset, arguments.simulated) == expected


def test_what_was_named_stays() -> None:
    """A provider and a dataset of their own are not overruled by an exchange that is a dataset."""
    arguments = asked("--start", "30d", "--exchange", "GLBX.MDP3", "--provider", "other", "--dataset", "XNAS.ITCH")
    check_exchange(arguments)
    assert (arguments.provider, arguments.dataset, arguments.exchange) == ("other", "XNAS.ITCH", "")


def test_a_wish_goes_on_until_now() -> None:
    """Without an end it reaches to now, or behind a start that is later; an end, a schema and symbols are taken."""
    wish = wish_of(asked("--start=-12h"), now_ns=NOW_NS)
    assert (wish.symbols, wish.schema, wish.simulated) == (("ESH5",), Schema.TRADES, False)
    assert (wish.start_ns, wish.end_ns) == (NOW_NS - DAY_NS // 2, NOW_NS)
    later = wish_of(asked("--start", "2026-11-23"), now_ns=NOW_NS)
    assert later.end_ns == later.start_ns + 1
    many = asked("--start", "2d", "--end", "1d", "--schema", "ohlcv-1h", "--simulated", "--symbols", "ESH5,NQH5")
    wish = wish_of(many, now_ns=NOW_NS)
    assert (wish.symbols, wish.schema, wish.simulated) == (("ESH5", "NQH5"), Schema.BARS_1H, True)
    assert wish.end_ns == NOW_NS - DAY_NS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--start", "1d", "--end", "2d"), "ends before it begins"),
        (("--start", "1d", "--end", "1d"), "ends before it begins"),
        (("--start", "1970-01-01", "--end", "2200-01-01"), "too long"),
        (("--start", "1d", "--faults", "drop"), "faults without a simulated venue"),
        (("--start", "1d", "--symbols", "ES H5"), "bad symbol"),
        (("--start", "yesterday"), "bad time"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """Before anybody is asked for anything."""
    with pytest.raises(UsageError, match=said):
        wish_of(asked(*arguments), now_ns=NOW_NS)


@pytest.mark.parametrize("end", [(), ("--end", "1h")])
def test_what_is_kept_of_a_request_means_the_same_later(end: tuple[str, ...]) -> None:
    """So long ago, and now, are those of the first start, however much later it is gone on with."""
    arguments = asked("--start", "30d", "--exchange", "SIM.DATABENTO", "--schema", "ohlcv-1m", *end)
    check_exchange(arguments)
    kept = argparse.Namespace(**(vars(asked("--start", "0d")) | kept_request(arguments, now_ns=NOW_NS)))
    assert wish_of(kept, now_ns=NOW_NS + 9 * DAY_NS) == wish_of(arguments, now_ns=NOW_NS)
    assert (kept.provider, kept.dataset, kept.simulated) == ("databento", "SIM.DATABENTO", True)
