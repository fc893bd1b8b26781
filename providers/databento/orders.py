"""Databento's batch orders: paid for once, and delivered as files that may be fetched again for nothing.

Methods block, as those of `History` do, and are called in threads by its `ask`. The vendor's client downloads too,
but waits for ever when it is refused: so the files are fetched here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from core.clock import NS_PER_S, monotonic_ns
from core.errors import PermanentError, TransientError
from core.flow.printable import printable
from providers.databento.errors import refusal, translated
from providers.databento.history import (
    ANSWER_S,
    DATA_S,
    Download,
    History,
    RangeRequest,
    asked_of,
    check_file,
)
from providers.databento.order_answers import (
    STATES,
    Order,
    OrderFile,
    checked_file_name,
    checked_order_id,
    read_files,
    read_order,
    read_orders,
)

if TYPE_CHECKING:
    from requests import Response

WHOLE: Final = frozenset({"ohlcv-1h", "ohlcv-1d"})
"""The schemas that have so few records that an order of them is one file; of others there is a file a day."""
SLOWEST_BYTES_PER_S: Final = 1024
"""A transfer that is slower is given up, so that no thread is kept for ever."""

_URL: Final = re.compile(r"https://[a-z0-9.-]+(:\d{1,5})?/[A-Za-z0-9/._~%+=&?-]*")
_VENDOR: Final = ".databento.com"
_CHUNK_BYTES: Final = 1 << 16
_REFUSAL_BYTES: Final = 1 << 16


class Orders:
    """The batch orders of the account that `history` has the key of. What its methods raise, these do too."""

    def __init__(self, history: History) -> None:
        self._history = history

    def place(self, request: RangeRequest) -> Order:
        """Order a range, which is charged for. When this raises a `TransientError` the order may have been placed all
        the same, and be among those `placed`."""
        asked = f"ordering {request.said}"
        with translated(asked):
            found: Any = self._history.client.batch.submit_job(
                **asked_of(request),
                encoding="dbn",
                compression="zstd",
                split_duration="none" if request.schema in WHOLE else "day",
            )
            return read_order(found, request)

    def placed(self, *, since_ns: int = 0) -> tuple[Order, ...]:
        """Every order since `since_ns` that is not expired, of records as we read them. What cannot be understood is
        logged and left out."""
        with translated("orders"):
            found: Any = self._history.client.batch.list_jobs(states=STATES, since=since_ns or None)
            return read_orders(found)

    def files(self, order_id: str) -> tuple[OrderFile, ...]:
        """The files of an order that is done, by name; those of data alone. None when it found no record.

        Raises:
            NotFoundError: there is no such order, or it expired.
        """
        with translated(f"files of {checked_order_id(order_id)}"):
            found: Any = self._history.client.batch.list_files(order_id)
            return read_files(found)

    def fetch(
        self,
        order_id: str,
        file: OrderFile,
        directory: Path,
        request: RangeRequest,
        *,
        left: threading.Event | None = None,
    ) -> Download:
        """Download `file` into `directory`, or what is missing of it there, and read it to its end. Costs nothing.

        It is of the size and the hash that were announced, and its records are those of `request`, which is the
        order's: of that dataset and schema, and of that time.
        What came is kept when the transfer ends early, also with `left` set, and is gone on with by the next call.
        Memory is bounded, whatever the size. A directory is for the files of one order.

        Raises:
            TransientError: the transfer was cut; what came is damaged, and was removed; somebody else fetches it.
            PermanentError: the file is as the vendor meant it, and not what was asked for. It was removed.
        """
        asked = f"fetching {checked_file_name(file.name)} of {checked_order_id(order_id)}"
        path = directory / file.name
        with translated(asked):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _claimed(path, asked) as handle:
                have = handle.seek(0, os.SEEK_END)
                if have != file.size_bytes:
                    self._transfer(asked, file, handle, have=have if have < file.size_bytes else 0, left=left)
                with ExitStack() as undo:
                    undo.callback(path.unlink)
                    records = _verified(asked, file, path, handle, request)
                    undo.pop_all()
        return Download(path=path, records=records, size_bytes=file.size_bytes)

    def _transfer(
        self, asked: str, file: OrderFile, handle: BufferedRandom, *, have: int, left: threading.Event | None
    ) -> None:
        with self._opened(asked, file, have=have) as response:
            goes_on = response.status_code == 206  # and where it does not, the hash tells
            begin = have if goes_on else 0
            handle.truncate(begin)
            handle.seek(begin)
            if response.status_code != 200 and not goes_on:
                raise TransientError(asked, f"HTTP {response.status_code}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise TransientError(asked, "the answer is encoded")
            _copy(asked, response, handle, missing=file.size_bytes - begin, left=left)

    @contextmanager
    def _opened(self, asked: str, file: OrderFile, *, have: int) -> Iterator[Response]:
        import requests
        from databento.common.system import USER_AGENT
        from requests.auth import HTTPBasicAuth

        client = self._history.client
        if not _is_ours(file.url, client.gateway):  # the key goes with the request
            raise PermanentError(asked, f"the file is said to be at {printable(file.url, 100)}")
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-{file.size_bytes - 1}"
        key = HTTPBasicAuth(client.key, "")
        with requests.get(file.url, headers=headers, auth=key, stream=True, timeout=(ANSWER_S, DATA_S)) as response:
            # A range that cannot be had is answered with 416: the file begins anew.
            if response.status_code >= 400 and response.status_code != 416:
                raise refusal(asked, status=response.status_code, body=_json(response), headers=response.headers)
            yield response


def _copy(
    asked: str, response: Response, handle: BufferedRandom, *, missing: int, left: threading.Event | None
) -> None:
    end_ns = monotonic_ns() + int((DATA_S + missing / SLOWEST_BYTES_PER_S) * NS_PER_S)
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
        missing -= len(chunk)
        if missing < 0:
            handle.truncate(0)
            raise TransientError(asked, "more came than was announced")
        handle.write(chunk)
        handle.flush()  # so that whoever goes on after a kill finds it
        if left is not None and left.is_set():
            raise TransientError(asked, "left behind")
        if monotonic_ns() > end_ns:
            raise TransientError(asked, "the transfer is too slow")
    if missing:
        raise TransientError(asked, "the transfer was cut")


def _verified(asked: str, file: OrderFile, path: Path, handle: BufferedRandom, request: RangeRequest) -> int:
    handle.seek(0)
    if hashlib.file_digest(handle, "sha256").hexdigest() != file.sha256:
        raise TransientError(asked, "it came damaged", hint="fetch it again")
    try:
        return check_file(path, request, within=True)
    except TransientError as error:  # as it was announced, byte for byte: another download would be the same
        raise PermanentError(asked, error.subject) from error


@contextmanager
def _claimed(path: Path, asked: str) -> Iterator[BufferedRandom]:
    # For one at a time, threads that were left behind included; a killed process lets go by itself.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "r+b") as handle:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(asked, "it is being fetched already") from None
        if os.fstat(fd).st_nlink == 0:
            raise TransientError(asked, "it was removed meanwhile")
        yield handle


def _is_ours(url: str, gateway: str) -> bool:
    # Strictly: what two parsers may read in two ways is nobody's.
    if _URL.fullmatch(url) is None:
        return False
    host, own = urlsplit(url).hostname or "", urlsplit(gateway).hostname or ""
    return host == own or (host.endswith(_VENDOR) and own.endswith(_VENDOR))


def _json(response: Response) -> object:
    try:
        return json.loads(response.raw.read(_REFUSAL_BYTES, decode_content=True) or b"")
    except ValueError:
        return None
