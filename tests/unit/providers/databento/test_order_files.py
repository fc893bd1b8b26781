"""Files of batch orders: fetched once, gone on with, and believed when they are what was announced."""

from __future__ import annotations

import itertools
import sys
import threading
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from core.clock import NS_PER_S
from core.errors import (
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from providers.databento import orders as module
from providers.databento.history import History, RangeRequest
from providers.databento.order_answers import OrderFile
from providers.databento.orders import Orders
from providers.simulated.databento_archive import RETRY_AFTER_S
from providers.simulated.databento_faults import DOWNLOAD, Fault
from tests.unit.providers.databento.ordering import SUBMIT, minutes, ordered, prices, read, trades
from tests.unit.providers.databento.support import KEY, archive, whole_range

DEADLINE_S = 20


@pytest.mark.trio
@pytest.mark.parametrize(
    ("fault", "error", "kept"),
    [
        ("429", ResourceExhaustedError, False),
        ("500", TransientError, False),
        ("404", NotFoundError, False),
        ("page", TransientError, True),
        ("half", TransientError, True),
        ("silent_half", TransientError, True),
        ("corrupt", TransientError, False),
        ("more", TransientError, False),
    ],
)
async def test_a_spoilt_transfer_is_mended_by_the_next(
    tmp_path: Path, fault: Fault, error: type[ConsoleError], kept: bool
) -> None:
    """What came in good order is kept, what did not is gone; the next call brings the file, for nothing."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        orders, order_id, file = await ordered(history, request)
        fetch = partial(orders.fetch, order_id, file, tmp_path / "x", request)
        running.page_faults[DOWNLOAD].append(fault)
        with pytest.raises(error) as caught:
            await history.ask(fetch)
        if isinstance(caught.value, ResourceExhaustedError):
            assert caught.value.retry_after_s == RETRY_AFTER_S
        path = tmp_path / "x" / file.name
        assert (path.exists() and path.stat().st_size > 0) == kept
        if fault == "page":  # which is no beginning of the file: found out by the hash
            with pytest.raises(TransientError):
                await history.ask(fetch)
            assert not path.exists()
        assert (await history.ask(fetch)).records > 0
        ranges = [told["range"] for _, told in running.asked if "range" in told]
        assert bool(ranges) == kept
        assert len(prices(running)) == 1


@pytest.mark.trio
@pytest.mark.parametrize("fault", ["corrupt", "bad_header", "wrong_schema", "wrong_time"])
async def test_a_file_that_was_made_wrong_is_not_kept(tmp_path: Path, fault: Fault) -> None:
    """Damaged before it was hashed, of another schema, or of another time: another download would be the same."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        running.page_faults[SUBMIT].append(fault)
        orders, order_id, file = await ordered(history, request)
        with pytest.raises(PermanentError):
            await history.ask(partial(orders.fetch, order_id, file, tmp_path / "x", request))
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.trio
async def test_another_hash_than_announced_is_no_file(tmp_path: Path) -> None:
    """It is removed; with the right hash it is kept."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        running.page_faults["batch.list_files"].append("wrong_hash")
        orders, order_id, file = await ordered(history, request)
        with pytest.raises(TransientError, match="damaged"):
            await history.ask(partial(orders.fetch, order_id, file, tmp_path / "x", request))
        assert list((tmp_path / "x").iterdir()) == []
        files = await history.ask(partial(orders.files, order_id))
        assert (await history.ask(partial(orders.fetch, order_id, files[0], tmp_path / "x", request))).records > 0


@pytest.mark.trio
@pytest.mark.parametrize("ignored", [False, True])
async def test_half_a_file_is_gone_on_with(tmp_path: Path, ignored: bool) -> None:
    """Only the rest is asked for; an archive that sends the whole all the same is understood."""
    found = minutes(1)
    request = whole_range(found, "ohlcv-1m")
    async with archive(found) as (history, running):
        orders, order_id, file = await ordered(history, request)
        fetch = partial(orders.fetch, order_id, file, tmp_path / "x", request)
        running.page_faults[DOWNLOAD].extend(["half", "no_range"] if ignored else ["half"])
        with pytest.raises(TransientError):
            await history.ask(fetch)
        have = (tmp_path / "x" / file.name).stat().st_size
        assert read(await history.ask(fetch)) == found.arrays["ohlcv-1m"].tobytes()
        assert [told["range"] for _, told in running.asked if "range" in told] == [
            f"bytes={have}-{file.size_bytes - 1}"
        ]
        before = len(running.asked)
        assert (await history.ask(fetch)).records == 1440
        assert len(running.asked) == before


@pytest.mark.trio
@pytest.mark.parametrize("size", ["smaller", "equal", "larger"])
async def test_what_lay_there_before_is_not_believed(tmp_path: Path, size: str) -> None:
    """Bytes of something else are found out by the hash, and a file that is too large begins anew."""
    found = minutes(1)
    request = whole_range(found, "ohlcv-1m")
    async with archive(found) as (history, _):
        orders, order_id, file = await ordered(history, request)
        fetch = partial(orders.fetch, order_id, file, tmp_path, request)
        other = file.size_bytes + {"smaller": -50, "equal": 0, "larger": 50}[size]
        (tmp_path / file.name).write_bytes(bytes(other))
        if size != "larger":
            with pytest.raises(TransientError, match="damaged"):
                await history.ask(fetch)
            assert not (tmp_path / file.name).exists()
        assert read(await history.ask(fetch)) == found.arrays["ohlcv-1m"].tobytes()


@pytest.mark.trio
@pytest.mark.parametrize("missing", [1, 100, -1])
async def test_any_beginning_is_gone_on_with(tmp_path: Path, missing: int) -> None:
    """All but one byte, or one byte alone: the rest alone is fetched."""
    found = minutes(1)
    request = whole_range(found, "ohlcv-1m")
    async with archive(found) as (history, running):
        orders, order_id, file = await ordered(history, request)
        whole = await history.ask(partial(orders.fetch, order_id, file, tmp_path / "once", request))
        (tmp_path / file.name).write_bytes(whole.path.read_bytes()[:-missing])
        fetched = await history.ask(partial(orders.fetch, order_id, file, tmp_path, request))
        assert read(fetched) == found.arrays["ohlcv-1m"].tobytes()
        assert "range" in running.asked[-1][1]


FETCHING = """
import sys
from pathlib import Path
from providers.databento.history import History, RangeRequest
from providers.databento.key import ApiKey
from providers.databento.order_answers import OrderFile
from providers.databento.orders import Orders
address, key, directory, order_id, file, request = eval(sys.argv[1])
Orders(History(key, address)).fetch(order_id, file, Path(directory), request)
"""


@pytest.mark.trio
async def test_a_killed_download_goes_on_where_it_was(tmp_path: Path) -> None:
    """What a killed process had received is not fetched again, and nobody is kept from going on."""
    found = minutes(1)
    request = whole_range(found, "ohlcv-1m")
    async with archive(found) as (history, running):
        orders, order_id, file = await ordered(history, request)
        running.page_faults[DOWNLOAD].append("stall")
        told = f"'{running.rest_url}', ApiKey('{KEY.value}'), '{tmp_path}', '{order_id}', {file!r}, {request!r}"
        path = tmp_path / file.name
        async with trio.open_nursery() as nursery:
            command = partial(trio.run_process, [sys.executable, "-c", FETCHING, told], check=False)
            process = await nursery.start(command)
            with trio.fail_after(DEADLINE_S):
                while not (path.exists() and path.stat().st_size >= file.size_bytes // 2):
                    assert process.poll() is None
                    await trio.sleep(0.01)
            process.kill()
        fetched = await history.ask(partial(orders.fetch, order_id, file, tmp_path, request))
        assert read(fetched) == found.arrays["ohlcv-1m"].tobytes()
        assert running.asked[-1][1]["range"] == f"bytes={file.size_bytes // 2}-{file.size_bytes - 1}"


@pytest.mark.trio
async def test_one_fetches_at_a_time(tmp_path: Path) -> None:
    """Whoever comes second is told so, and one who is left behind stops and keeps what it has."""
    found = minutes(1)
    request = whole_range(found, "ohlcv-1m")
    async with archive(found) as (history, running):
        orders, order_id, file = await ordered(history, request)
        left = threading.Event()
        fetch = partial(orders.fetch, order_id, file, tmp_path, request, left=left)
        running.page_faults[DOWNLOAD].append("stall")
        with trio.move_on_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(history.ask, fetch)
                while not (tmp_path / file.name).exists() or (tmp_path / file.name).stat().st_size == 0:
                    await trio.sleep(0.01)
                with pytest.raises(TransientError, match="already"):
                    await history.ask(fetch)
                nursery.cancel_scope.cancel()
        left.set()
        (tmp_path / file.name).rename(tmp_path / "theirs")
        with pytest.raises(TransientError, match="left behind"):
            await history.ask(fetch)
        assert (tmp_path / file.name).stat().st_size > 0


@pytest.mark.trio
async def test_a_transfer_that_crawls_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and all of them never."""
    found = minutes(1)
    request = whole_range(found, "ohlcv-1m")
    hours = itertools.count(step=3600 * NS_PER_S)
    monkeypatch.setattr(module, "monotonic_ns", lambda: next(hours))
    async with archive(found) as (history, _):
        orders, order_id, file = await ordered(history, request)
        with pytest.raises(TransientError, match="too slow"):
            await history.ask(partial(orders.fetch, order_id, file, tmp_path, request))


@pytest.mark.trio
@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x.dbn.zst",
        "http://127.0.0.1/x.dbn.zst",
        "https://127.0.0.1@example.org/x.dbn.zst",
        "https://example.org\\@127.0.0.1/x.dbn.zst",
        "https://127.0.0.1.example.org/x.dbn.zst",
        "file:///etc/passwd",
        "",
    ],
)
async def test_the_key_goes_nowhere_else(tmp_path: Path, url: str) -> None:
    """A file that is said to be elsewhere is not asked for."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        orders, order_id, file = await ordered(history, request)
        before = len(running.asked)
        with pytest.raises(PermanentError, match="said to be at"):
            await history.ask(partial(orders.fetch, order_id, attrs.evolve(file, url=url), tmp_path, request))
        assert len(running.asked) == before


def test_names_that_are_none_touch_nothing(tmp_path: Path) -> None:
    """A file's name names a file of the directory, and an order's name an order."""
    orders = Orders(History(KEY, "https://127.0.0.1:1"))
    request = RangeRequest(dataset="GLBX.MDP3", schema="trades", symbols=("ESU4",), start_ns=1, end_ns=2)
    file = OrderFile(name="x.dbn.zst", size_bytes=1, sha256="0" * 64, url="https://127.0.0.1:1/x", day=None)
    for name in ("../x.dbn.zst", "/x.dbn.zst", ".x.dbn.zst", "a/b.dbn.zst", "x\n.dbn.zst", "x", "", "a" * 300):
        with pytest.raises(PermanentError, match="a name that is none"):
            orders.fetch("GLBX-1", attrs.evolve(file, name=name), tmp_path / "x", request)
    for order_id in ("", "../x", "a b", "\x1b", "x" * 101):
        with pytest.raises(PermanentError, match="a name that is none"):
            orders.fetch(order_id, file, tmp_path / "x", request)
        with pytest.raises(PermanentError, match="a name that is none"):
            orders.files(order_id)
    assert not (tmp_path / "x").exists()


@pytest.mark.trio
async def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A link, or a directory that is none, is a matter of configuration; what a link points at is left alone."""
    found = trades()
    request = whole_range(found)
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    async with archive(found) as (history, _):
        orders, order_id, file = await ordered(history, request)
        (tmp_path / file.name).symlink_to(tmp_path / "mine")
        for directory in (tmp_path, tmp_path / "mine"):
            with pytest.raises(ConfigurationError):
                await history.ask(partial(orders.fetch, order_id, file, directory, request))
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
