"""Kraken Futures' REST answers: past trades, tickers, and what its complaints mean."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConsoleError, NotFoundError, PermanentError, ResourceExhaustedError, TransientError
from core.model.records import BUY, NO_SIDE, SELL
from providers.kraken.futures.answers import HistoryPage, parse_executions
from providers.kraken.futures.errors import is_harmless, named_product, read_refusal, venue_error
from providers.kraken.futures.tickers import parse_tickers

VENUE = "KRAKEN_FUTURES"


def _executions(captures: Path) -> bytes:
    return (captures / "kraken_futures" / "rest_public_executions.json").read_bytes()


def _page(*fills: dict[str, Any], **fields: Any) -> HistoryPage:
    elements = [{"event": {"Execution": {"execution": fill}}} for fill in fills]
    return parse_executions(json.dumps({"elements": elements, "len": len(fills), **fields}).encode(), venue=VENUE)


def _fill(**fields: Any) -> dict[str, Any]:
    return {"uid": "u", "timestamp": 5, "price": "2.5", "quantity": "1", "takerOrder": {"direction": "Buy"}, **fields}


def test_real_executions_are_exact(captures: Path) -> None:
    """Uid, time, price, quantity and the taker's side, newest first as the answer has them, and where to go on."""
    page = parse_executions(_executions(captures), venue=VENUE)
    rows = [(each.ts_event_ns, each.price_e9, each.quantity_e8, each.side) for each in page.executions]
    assert rows == [
        (1764206270368_000_000, 90_771_000_000_000, 1_130_000, SELL),
        (1764206268219_000_000, 90_766_000_000_000, 60_000, BUY),
        (1764206268219_000_000, 90_766_000_000_000, 60_000, BUY),
    ]
    assert [each.uid[:8] for each in page.executions] == ["419060e5", "553b3f49", "4e9cc105"]
    assert (page.next_token, page.rejected) == ("test_token_123", 0)


def test_executions_cut_at_every_byte_are_not_understood(captures: Path) -> None:
    """Half an answer is a disturbance, never an exception of another kind."""
    body = _executions(captures).rstrip()
    for length in range(len(body)):
        with pytest.raises(TransientError, match="not understood"):
            parse_executions(body[:length], venue=VENUE)


@pytest.mark.parametrize(
    "fields",
    [{"price": "x"}, {"price": 2.5}, {"price": "0"}, {"price": "-1"}, {"quantity": "0"}, {"quantity": "1e-9"},
     {"timestamp": "5"}, {"timestamp": -1}, {"uid": "x" * 65}],
)  # fmt: skip
def test_an_execution_that_does_not_fit_is_left_out_and_counted(fields: dict[str, Any]) -> None:
    """The others of its page are kept."""
    page = _page(_fill(), _fill(**fields), _fill(uid="v"))
    assert ([each.uid for each in page.executions], page.rejected, page.next_token) == (["u", "v"], 1, "")


def test_the_last_page_has_no_token_and_an_unknown_side_is_none() -> None:
    """A null token is none; fields nobody knows are skipped."""
    page = _page(_fill(takerOrder={"direction": "Both"}, new=[1]), continuationToken=None, later={})
    assert (page.next_token, page.executions[0].side) == ("", NO_SIDE)


def test_tickers_tell_the_state_of_each_product() -> None:
    """Numbers exactly as written, missing ones None, rows that cannot be read left out."""
    body = (
        b'{"result":"success","tickers":[{"symbol":"pi_xbtusd","markPrice":90771.11752545156,"openInterest":5,'
        b'"suspended":false,"postOnly":true,"vol24h":1e3},{"symbol":"IN_X","markPrice":"x"},{"symbol":5},{}]}'
    )
    (state,) = parse_tickers(body, venue=VENUE).values()
    assert (state.product_id, state.mark_price, state.index_price) == (
        "PI_XBTUSD", Decimal("90771.11752545156"), None,
    )  # fmt: skip
    assert (state.open_interest, state.suspended, state.post_only) == (Decimal(5), False, True)
    with pytest.raises(TransientError, match="not understood"):
        parse_tickers(b"<html>", venue=VENUE)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"result": "error", "error": "apiLimitExceeded"}, ResourceExhaustedError),
        ({"result": "error", "error": "notFound"}, NotFoundError),
        ({"result": "error", "error": "marketUnavailable"}, TransientError),
        ({"result": "error", "error": "authenticationError"}, PermanentError),
        ({"result": "error", "error": "\x1b[2J"}, PermanentError),
        ({"result": "error", "errors": [{"code": 11, "message": "Argument invalid: symbol"}]}, PermanentError),
        ({"result": "error"}, PermanentError),
    ],
)
def test_both_shapes_of_refusal_are_classified(body: dict[str, Any], error: type[ConsoleError]) -> None:
    """Each answer that refuses is its own kind of error, whatever was asked, without control characters."""
    content = json.dumps(body).encode()
    for parse in (parse_executions, parse_tickers):
        with pytest.raises(error) as caught:
            parse(content, venue=VENUE)
        assert type(caught.value) is error
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"result":"success"}', b'{"result":5}', b"[" * 20_000, b"\xff"])
def test_what_does_not_refuse_is_no_refusal(body: bytes) -> None:
    """Pages, success and garbage are left to others."""
    assert read_refusal("GET /", body) is None


def test_what_alerts_mean() -> None:
    """The product in a complaint, the harmless ones, and the wait after a limit."""
    assert named_product("Couldn't subscribe to invalid product `not_real`") == "NOT_REAL"
    assert named_product("Couldn't subscribe to invalid feed") == ""
    assert is_harmless("Already subscribed to feed, re-requesting")
    assert not is_harmless("Json Error")
    limit = venue_error("Exceeded rate limit", operation="x")
    assert isinstance(limit, ResourceExhaustedError)
    assert limit.retry_after_s == 10.0
    assert str(venue_error("", operation="x")) == "x: no reason given"
