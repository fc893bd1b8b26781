"""Databento's archive: what there is, what it costs, and ranges of records into files.

Every method blocks, in the vendor's own client; `History.ask` and `History.fetch` run them in threads that a
cancelled task leaves behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import trio

from core.clock import parse_rfc3339_ns
from core.errors import ConfigurationError, PermanentError, RefusedError, TransientError, UsageError
from core.flow.printable import printable
from core.model.records import Records
from providers.databento.archive import SCHEMAS, Archive
from providers.databento.client import require_client
from providers.databento.errors import translated
from providers.databento.key import ApiKey
from providers.databento.quiet import PART_SUFFIX, quieten
from providers.venue.transport import parse_address

if TYPE_CHECKING:
    from databento import Historical

T = TypeVar("T")

ADDRESS: Final = "https://hist.databento.com"
MAX_SYMBOLS: Final = 2000
THREADS: Final = 4
ANSWER_S: Final = 30
DATA_S: Final = 100
"""How long the archive may be silent, and before data: also how long a thread that was left behind lives on."""


@attrs.frozen(kw_only=True)
class RangeRequest:
    """Records of `schema` with `start_ns` <= time < `end_ns`: by receipt where records have one. `symbols` are
    names in the notation `stype_in`.

    Raises:
        UsageError: it makes no sense, or asks for more symbols than the archive takes.
    """

    dataset: str
    schema: str
    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int
    stype_in: str = "raw_symbol"
    limit: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.schema not in SCHEMAS:
            raise UsageError("no such schema", printable(self.schema, 40), hint=f"there are {', '.join(SCHEMAS)}")
        if not 1 <= len(self.symbols) <= MAX_SYMBOLS:
            raise UsageError("bad request", f"{len(self.symbols)} symbols", hint=f"name 1 to {MAX_SYMBOLS}")
        if not 0 <= self.start_ns < self.end_ns:
            raise UsageError("bad request", "it ends before it begins")

    @property
    def said(self) -> str:
        """The request in a few words."""
        return f"{self.dataset} {self.schema}"


@attrs.frozen(kw_only=True)
class DatasetRange:
    """What the account may have of a dataset: from `start_ns` to `end_ns`, and of each schema."""

    start_ns: int
    end_ns: int
    schemas: Mapping[str, tuple[int, int]]


@attrs.frozen(kw_only=True)
class DayCondition:
    """What a day of a dataset is worth: `available`, `degraded`, `pending`, `missing`. Days are `YYYY-MM-DD`."""

    day: str
    condition: str
    last_modified: str


@attrs.frozen(kw_only=True)
class Resolution:
    """What symbols meant: for each the (first day, day after the last, name); those known in a part of the time, and
    those not known at all."""

    mappings: Mapping[str, tuple[tuple[str, str, str], ...]]
    partial: tuple[str, ...]
    not_found: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Download:
    """A file that was fetched and read to its end: `records` of them, `size_bytes` on the disk."""

    path: Path
    records: int
    size_bytes: int


class History:
    """The archive at `address`, which must speak TLS. Methods may be called from any thread, several at a time.

    All of them raise:
        AuthenticationError: the key is not accepted.
        ResourceExhaustedError: too many requests; it says how long to wait.
        TransientError: no answer, or one that cannot be understood.
        NotFoundError, UsageError, RefusedError, PermanentError: the archive refuses the request.
        ConfigurationError: the address is none, or the vendor's client is not there.
    """

    def __init__(self, key: ApiKey, address: str = "") -> None:
        require_client()
        self._key = key
        self._address = address or ADDRESS
        self._threads = trio.CapacityLimiter(THREADS)

    async def ask(self, function: Callable[[], T]) -> T:
        """What `function`, a call of a method below, returns. A cancelled task goes at once: the thread ends when the
        archive answers or has been silent for too long. `THREADS` run at a time, those left behind included."""
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=self._threads)

    async def fetch(self, request: RangeRequest, path: Path, *, expected: int | None = None) -> Download:
        """`download` in a thread. When it is cancelled before the file is whole, nothing appears at `path`."""
        left = threading.Event()
        try:
            return await self.ask(partial(self.download, request, path, expected=expected, left=left))
        except trio.Cancelled:
            left.set()
            raise

    def schemas(self, dataset: str) -> tuple[str, ...]:
        """The schemas that a dataset has."""
        with translated(f"schemas of {dataset}"):
            return tuple(map(str, self.client.metadata.list_schemas(dataset)))

    def datasets(self) -> tuple[str, ...]:
        """Every dataset there is."""
        with translated("datasets"):
            return tuple(map(str, self.client.metadata.list_datasets()))

    def dataset_range(self, dataset: str) -> DatasetRange:
        """From when to when there is data of `dataset`."""
        with translated(f"range of {dataset}"):
            found: Any = self.client.metadata.get_dataset_range(dataset)
            schemas = {str(name): _span(span) for name, span in found.get("schema", {}).items()}
            start_ns, end_ns = _span(found)
            return DatasetRange(start_ns=start_ns, end_ns=end_ns, schemas=schemas)

    def conditions(self, dataset: str, *, first_day: str, last_day: str) -> tuple[DayCondition, ...]:
        """What each day from `first_day` to `last_day`, both included, is worth."""
        with translated(f"condition of {dataset}"):
            found = self.client.metadata.get_dataset_condition(dataset, first_day, last_day)
            return tuple(
                DayCondition(
                    day=str(each["date"]),
                    condition=str(each["condition"]),
                    last_modified=str(each.get("last_modified_date") or ""),
                )
                for each in found
            )

    def cost_usd(self, request: RangeRequest) -> Decimal:
        """What the range costs, in dollars."""
        with translated(f"cost of {request.said}"):
            cost = Decimal(str(self.client.metadata.get_cost(**asked_of(request))))
            if not cost.is_finite() or cost < 0:
                raise ValueError(f"a cost of {cost}")
            return cost

    def record_count(self, request: RangeRequest) -> int:
        """How many records the range has."""
        with translated(f"size of {request.said}"):
            return _count(self.client.metadata.get_record_count(**asked_of(request)))

    def billable_bytes(self, request: RangeRequest) -> int:
        """How many bytes of the range are charged for: uncompressed."""
        with translated(f"size of {request.said}"):
            return _count(self.client.metadata.get_billable_size(**asked_of(request)))

    def resolve(
        self,
        dataset: str,
        symbols: Sequence[str],
        *,
        first_day: str,
        end_day: str,
        stype_in: str = "raw_symbol",
        stype_out: str = "instrument_id",
    ) -> Resolution:
        """What `symbols` meant from `first_day` to `end_day`, exclusive."""
        with translated(f"symbols of {dataset}"):
            found = self.client.symbology.resolve(
                dataset, list(symbols), stype_in=stype_in, stype_out=stype_out, start_date=first_day, end_date=end_day
            )
            return Resolution(
                mappings={
                    str(name): tuple((str(each["d0"]), str(each["d1"]), str(each["s"])) for each in intervals)
                    for name, intervals in found["result"].items()
                },
                partial=tuple(map(str, found.get("partial") or ())),
                not_found=tuple(map(str, found.get("not_found") or ())),
            )

    def download(
        self, request: RangeRequest, path: Path, *, expected: int | None = None, left: threading.Event | None = None
    ) -> Download:
        """Stream a range into a compressed DBN file and read it to its end. What this costs is charged for.

        The file appears at `path` once it is whole, of the dataset and schema asked for, and, when `expected` is
        given, of so many records. Memory is bounded, whatever the size. With `left` set it does not appear at all.

        Raises:
            RefusedError: there is such a file already.
            TransientError: the transfer was cut; see also the class.
            PermanentError: what came is damaged or something else.
        """
        if path.exists():
            raise RefusedError("will not overwrite", str(path), hint="remove it, or name another")
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
        try:
            with translated(f"fetching {request.said}", part=part):
                self.client.timeseries.get_range(**asked_of(request), path=part)
            records = check_file(part, request, expected=expected)
            if left is not None and left.is_set():
                raise TransientError(f"fetching {request.said}", "left behind")
            size_bytes = part.stat().st_size
            _publish(part, path)
            return Download(path=path, records=records, size_bytes=size_bytes)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    @cached_property
    def client(self) -> Historical:
        """The vendor's own client. Use it within `translated`."""
        import databento

        if not parse_address(self._address, kind="REST", schemes=("http", "https")).secure:
            raise ConfigurationError("bad REST address", printable(self._address), hint="the archive speaks https")
        quieten()
        client = databento.Historical(self._key.value, gateway=self._address.rstrip("/"))
        client.metadata.TIMEOUT = client.symbology.TIMEOUT = client.batch.TIMEOUT = ANSWER_S
        client.timeseries.TIMEOUT = DATA_S
        return client


def asked_of(request: RangeRequest) -> dict[str, Any]:
    """The request in the words of the vendor's client."""
    asked: dict[str, Any] = {
        "dataset": request.dataset,
        "schema": request.schema,
        "symbols": list(request.symbols),
        "start": request.start_ns,
        "end": request.end_ns,
        "stype_in": request.stype_in,
    }
    return asked if request.limit is None else asked | {"limit": request.limit}


def check_file(path: Path, request: RangeRequest, *, expected: int | None = None, within: bool = False) -> int:
    """Read the file at `path` to its end; returns how many records it has.

    Raises:
        TransientError: it is cut, or has not as many records as `expected`.
        PermanentError: it is damaged, of another dataset or schema than `request`, or, `within`, of another time.
    """
    records = 0
    with Archive(path) as archive:
        header = archive.header
        if (header.dataset, header.schema) != (request.dataset, request.schema):
            came = printable(f"{header.dataset} {header.schema}", 60)
            raise PermanentError(f"fetching {request.said}", f"{came} came instead")
        for page in archive.pages():
            records += len(page)
            if within and not _is_within(page, request):
                raise PermanentError(f"fetching {request.said}", "records of another time came")
    if expected is not None and records != expected:
        raise TransientError(f"fetching {request.said}", f"{records} of {expected} records came")
    return records


def _is_within(page: Records, request: RangeRequest) -> bool:
    times = page["ts_recv" if "ts_recv" in (page.dtype.names or ()) else "ts_event"]
    return len(times) == 0 or bool(times.min() >= request.start_ns and times.max() < request.end_ns)


def _publish(part: Path, path: Path) -> None:
    # A link, unlike a rename, does not replace what somebody else put there meanwhile.
    try:
        os.link(part, path)
    except FileExistsError:
        raise RefusedError("will not overwrite", str(path), hint="remove it, or name another") from None
    except OSError as error:
        raise ConfigurationError("cannot write", f"{path}: {error.strerror}") from error


def _span(found: Mapping[str, Any]) -> tuple[int, int]:
    return instant_ns(found["start"]), instant_ns(found["end"])


def instant_ns(text: str) -> int:
    """The instant of `2024-01-01`, `2024-01-01T00:00:00.000000000Z`, or the same with an offset of zero or none.

    Raises:
        ValueError: it is written in another way.
    """
    text = text.replace("+00:00", "Z").replace(" ", "T")
    text = text if "T" in text else f"{text}T00:00:00Z"
    return parse_rfc3339_ns(text if text.endswith("Z") else f"{text}Z")


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value
