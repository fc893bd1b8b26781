"""The archive through the vendor's own client, over TLS, from a local server."""

from __future__ import annotations

import logging
import warnings
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trio

from core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    RefusedError,
    ResourceExhaustedError,
    TransientError,
    UsageError,
)
from providers.databento.archive import Archive
from providers.databento.history import History, RangeRequest
from providers.databento.key import ApiKey
from providers.databento.quiet import quieten
from providers.simulated.databento_archive import RETRY_AFTER_S
from providers.simulated.databento_faults import Fault
from tests.unit.providers.databento.support import BARS, KEY, QUOTES, TRADES, archive, library, whole_range

FILES = {
    "trades": TRADES,
    "mbp-1": QUOTES,
    "ohlcv-1m": BARS,
    "bbo-1m": "naut_futures_settlement_bbo-1m_2025-12-19T14-25-00_2025-12-19T14-35-00.dbn.zst",
    "mbo": "naut_orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst",
    "mbp-10": "dbn_test_data.mbp-10.v3.dbn.zst",
    "definition": "naut_futures_settlement_definition.dbn.zst",
}


@pytest.mark.trio
@pytest.mark.parametrize("schema", ["trades", "mbp-1", "ohlcv-1m", "bbo-1m", "mbo", "mbp-10", "definition"])
async def test_a_range_arrives_as_it_is_stored(captures: Path, tmp_path: Path, schema: str) -> None:
    """A download holds the very bytes of the library's records, and its symbols."""
    found = library(captures, FILES[schema])
    request = whole_range(found, schema)
    async with archive(found) as (history, _):
        count = await history.ask(partial(history.record_count, request))
        fetched = await history.fetch(request, tmp_path / "range.dbn.zst", expected=count)
    stored = [each.encoded for each in found.records if each.schema == schema]
    with Archive(fetched.path) as read:
        pages = list(read.pages(rows=50))
        assert set(read.header.symbols) == set(found.names.values())
    assert (fetched.records, fetched.size_bytes) == (len(stored), fetched.path.stat().st_size)
    assert len(stored) > 0
    assert np.concatenate(pages).tobytes() == b"".join(stored)
    assert max(map(len, pages)) <= 50


@pytest.mark.trio
async def test_what_is_asked_before_paying(captures: Path) -> None:
    """Cost, size, count, range, condition, schemas and symbols come back in exact types."""
    found = library(captures)
    request = whole_range(found)
    async with archive(found) as (history, running):
        assert await history.ask(partial(history.record_count, request)) == 120
        assert await history.ask(partial(history.billable_bytes, request)) == 120 * 48
        assert await history.ask(partial(history.cost_usd, request)) == Decimal("0.00576")
        span = await history.ask(partial(history.dataset_range, "GLBX.MDP3"))
        assert (span.start_ns, span.end_ns) == found.span_ns == span.schemas["trades"]
        days = partial(history.conditions, "GLBX.MDP3", first_day="2024-07-01", last_day="2024-07-02")
        assert [(each.day, each.condition) for each in await history.ask(days)] == [
            ("2024-07-01", "available"),
            ("2024-07-02", "available"),
        ]
        assert set(await history.ask(partial(history.schemas, "GLBX.MDP3"))) == {"trades", "mbp-1"}
        assert await history.ask(history.datasets) == ("GLBX.MDP3",)
        symbol = request.symbols[0]
        resolve = partial(
            history.resolve, "GLBX.MDP3", [symbol, "NOPE"], first_day="2024-07-01", end_day="2024-07-02"
        )
        resolved = await history.ask(resolve)
        assert resolved.mappings[symbol][0][:2] == ("2024-07-01", "2024-07-02")
        assert resolved.not_found == ("NOPE",)
    assert running.asked[0][1]["start"] == str(request.start_ns)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", ResourceExhaustedError),
        ("500", TransientError),
        ("422", UsageError),
        ("402", RefusedError),
        ("404", NotFoundError),
        ("page", TransientError),
    ],
)
async def test_refusals_say_what_to_do_next(captures: Path, fault: Fault, error: type[ConsoleError]) -> None:
    """Each status becomes the kind of error that says what happens next."""
    found = library(captures)
    async with archive(found) as (history, running):
        running.faults.append(fault)
        with pytest.raises(error) as caught:
            await history.ask(partial(history.record_count, whole_range(found)))
        if isinstance(caught.value, ResourceExhaustedError):
            assert caught.value.retry_after_s == RETRY_AFTER_S
        assert await history.ask(partial(history.record_count, whole_range(found))) == 120


@pytest.mark.trio
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("half", TransientError),
        ("silent_half", TransientError),
        ("corrupt", PermanentError),
        ("bad_header", PermanentError),
        ("wrong_schema", PermanentError),
        ("page", PermanentError),
        ("500", TransientError),
    ],
)
async def test_a_spoilt_download_leaves_nothing(
    captures: Path, tmp_path: Path, fault: Fault, error: type[ConsoleError]
) -> None:
    """Half a file, a corrupt frame and another schema are refused, and nothing stays on the disk."""
    found = library(captures)
    async with archive(found) as (history, running):
        running.faults.append(fault)
        with pytest.raises(error) as caught:
            await history.fetch(whole_range(found), tmp_path / "range.dbn.zst")
        assert caught.value.retryable == issubclass(error, TransientError)
    assert [path for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.mark.trio
async def test_fewer_records_than_announced_are_refused(captures: Path, tmp_path: Path) -> None:
    """A body that ends early between two records is found by the count asked for before."""
    found = library(captures)
    async with archive(found) as (history, _):
        with pytest.raises(TransientError, match="120 of 121"):
            await history.fetch(whole_range(found), tmp_path / "range.dbn.zst", expected=121)


@pytest.mark.trio
async def test_an_existing_file_is_respected(captures: Path, tmp_path: Path) -> None:
    """A download never replaces a file, and then costs nothing."""
    found = library(captures)
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    async with archive(found) as (history, running):
        with pytest.raises(RefusedError):
            await history.fetch(whole_range(found), tmp_path / "mine")
    assert (running.asked, (tmp_path / "mine").read_text(encoding="utf-8")) == ([], "mine")


@pytest.mark.trio
async def test_a_place_where_nothing_can_be_written(captures: Path, tmp_path: Path) -> None:
    """It is a matter of configuration, and found before anything is paid for."""
    found = library(captures)
    async with archive(found) as (history, running):
        with pytest.raises(ConfigurationError):
            await history.fetch(whole_range(found), tmp_path / "nowhere" / "range.dbn.zst")
    assert running.asked == []


@pytest.mark.trio
async def test_a_wrong_key_is_an_authentication_error(captures: Path) -> None:
    """401 ends with exit code 6, and no message holds the key."""
    found = library(captures)
    async with archive(found, key=ApiKey("db-secretsecretsecretsecretsecret")) as (history, _):
        with pytest.raises(AuthenticationError) as caught:
            await history.ask(partial(history.cost_usd, whole_range(found)))
    assert caught.value.exit_code == 6
    assert "secretsecret" not in f"{caught.value!s}{caught.value!r}{history.__dict__!r}"


@pytest.mark.trio
async def test_warnings_become_log_lines(captures: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`X-Warning` is logged without control characters, and raises no Python warning."""
    found = library(captures)
    caplog.set_level(logging.WARNING, "ringside.databento")
    async with archive(found) as (history, running):
        running.faults.append("warning")
        await history.ask(partial(history.record_count, whole_range(found)))
    assert [line for line in caplog.messages if "\\x1b[31m warns" in line]
    assert not any("\x1b" in line for line in caplog.messages)


def test_other_warnings_go_where_they_went(recwarn: pytest.WarningsRecorder) -> None:
    """The hook takes the client's warnings alone."""
    quieten()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("not ours", UserWarning, stacklevel=1)
    assert [str(each.message) for each in caught] == ["not ours"]
    assert len(recwarn) == 0


@pytest.mark.trio
async def test_no_connection_may_work_later(tmp_path: Path) -> None:
    """A refused connection is transient; an untrusted certificate says what to set."""
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    history = History(KEY, f"https://127.0.0.1:{port}")
    with pytest.raises(TransientError):
        await history.ask(history.datasets)


@pytest.mark.trio
async def test_an_untrusted_archive_is_not_believed(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for ends the request, and the hint says what to set."""
    async with archive(library(captures)) as (history, running):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(TransientError, match="REQUESTS_CA_BUNDLE"):
            await history.ask(history.datasets)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.certificate))


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "ftp://x", "nonsense", "https://"])
def test_an_address_without_tls_is_refused(address: str) -> None:
    """The client would silently speak TLS to a plain server."""
    with pytest.raises(ConfigurationError):
        History(KEY, address).datasets()


@pytest.mark.trio
@pytest.mark.parametrize("downloads", [False, True])
async def test_a_mute_archive_is_left_at_once(captures: Path, tmp_path: Path, downloads: bool) -> None:
    """A cancelled request does not wait for its thread."""
    found = library(captures)
    async with archive(found) as (history, running):
        running.faults.append("mute")
        request = whole_range(found)
        with trio.move_on_after(0.3) as scope:
            if downloads:
                await history.fetch(request, tmp_path / "range.dbn.zst")
            else:
                await history.ask(partial(history.record_count, request))
        assert scope.cancelled_caught
        assert trio.current_time() < scope.deadline + 1.0
        assert await history.ask(partial(history.record_count, request)) == 120


def test_nonsense_is_not_even_asked() -> None:
    """A request that cannot be answered is refused before it is sent."""
    good = {"dataset": "GLBX.MDP3", "schema": "trades", "symbols": ("ESU4",), "start_ns": 1, "end_ns": 2}
    RangeRequest(**good)  # type: ignore[arg-type]
    for change in ({"schema": "imbalance"}, {"symbols": ()}, {"symbols": ("A",) * 2001}, {"end_ns": 1}):
        with pytest.raises(UsageError):
            RangeRequest(**good | change)  # type: ignore[arg-type]
