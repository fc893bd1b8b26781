"""What the simulated Databento archive has, what it sold, and how its answers look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from core.clock import NS_PER_S, wall_ns
from core.model.records import Records
from providers.simulated.databento_faults import Fault
from providers.simulated.databento_library import Library, encode_header

_BYTES_PER_USD: Final = 1_000_000
_KEPT_BODIES: Final = 256


@attrs.frozen
class Answer:
    """What is sent; in chunks, unless a header says how long it is."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class RefusalError(Exception):
    """The archive does not do what is asked: the vendor's name of the case, and its words."""


@attrs.frozen(kw_only=True)
class Charge:
    """What was paid for: the request that asked for it, on the page `page`, and the price."""

    page: str
    asked: Mapping[str, str]
    cost_usd: Decimal


@attrs.frozen(kw_only=True)
class Excerpt:
    """The records that a request asks for."""

    schema: str
    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int
    records: Records

    @property
    def cost_usd(self) -> Decimal:
        """What they cost."""
        return Decimal(self.records.nbytes) / _BYTES_PER_USD


@attrs.define(kw_only=True)
class Job:
    """One batch order."""

    order_id: str
    asked: Mapping[str, str]
    excerpt: Excerpt
    fault: Fault | None
    received_ns: int
    processing_s: float
    expired: bool = False
    files: Mapping[str, bytes] | None = None

    @property
    def state(self) -> str:
        """`queued`, `processing`, `done` or `expired`, now."""
        if self.expired:
            return "expired"
        worked_s = (wall_ns() - self.received_ns) / NS_PER_S
        if worked_s >= self.processing_s:
            return "done"
        return "queued" if 2 * worked_s < self.processing_s else "processing"


@attrs.define(kw_only=True)
class Desk:
    """The state of the archive at `address`. `conditions` are those of days that are not `available`; `listings` the
    (first day, day after the last) of symbols that were not listed always; an order takes `processing_s`. What was
    paid for is `charged`, and the orders are the `jobs`, oldest first. When `strict`, it refuses what the vendor
    does: a range that ends after the newest record, and one of symbols that nobody knows."""

    library: Library
    address: str = ""
    conditions: dict[str, str] = attrs.Factory(dict)
    listings: dict[str, Sequence[tuple[str, str]]] = attrs.Factory(dict)
    processing_s: float = 0.0
    strict: bool = False
    charged: list[Charge] = attrs.Factory(list)
    jobs: list[Job] = attrs.Factory(list)
    _bodies: dict[tuple[object, ...], bytes] = attrs.Factory(dict)

    def excerpt(self, asked: Mapping[str, str]) -> Excerpt:
        """The records that `asked` names.

        Raises:
            RefusalError: the vendor would not have it.
            LookupError, ValueError: it names none.
        """
        symbols, start_ns, end_ns = tuple(asked["symbols"].split(",")), int(asked["start"]), int(asked["end"])
        if self.strict and end_ns > self.library.span_ns[1]:
            raise RefusalError("data_end_after_available_end", "The dataset ends before the range.")
        if self.strict and not self.library.numbers(symbols):
            raise RefusalError("symbology_invalid_request", "None of the symbols could be resolved.")
        found = self.library.excerpt(asked["schema"], symbols, start_ns=start_ns, end_ns=end_ns)
        limit = int(asked["limit"]) if "limit" in asked else None
        return Excerpt(
            schema=asked["schema"], symbols=symbols, start_ns=start_ns, end_ns=end_ns, records=found[:limit]
        )

    def charge(self, page: str, asked: Mapping[str, str], excerpt: Excerpt) -> None:
        """Take the price of `excerpt`."""
        self.charged.append(Charge(page=page, asked=asked, cost_usd=excerpt.cost_usd))

    def encoded(self, excerpt: Excerpt, fault: Fault | None) -> bytes:
        """The file of `excerpt`, made once, spoilt as `fault` says."""
        key = (excerpt.schema, excerpt.symbols, excerpt.start_ns, excerpt.end_ns, len(excerpt.records), fault)
        if key not in self._bodies:
            if len(self._bodies) >= _KEPT_BODIES:
                self._bodies.clear()
            self._bodies[key] = _compressed(self.library, excerpt, fault)
        return self._bodies[key]


def json_answer(value: Any) -> Answer:
    """`value` as an answer."""
    return Answer(json.dumps(value).encode())


def detail(status: int, case: str, message: str) -> Answer:
    """A refusal in the vendor's own form."""
    said = {"case": case, "message": message, "status_code": status, "docs": "", "payload": {}}
    return Answer(json.dumps({"detail": said}).encode(), status)


def corrupted(body: bytes) -> bytes:
    """`body` with some octets in its midst changed."""
    middle = len(body) * 2 // 3
    return body[:middle] + bytes(octet ^ 0x55 for octet in body[middle : middle + 16]) + body[middle + 16 :]


def _compressed(library: Library, excerpt: Excerpt, fault: Fault | None) -> bytes:
    import zstandard

    header = encode_header(
        library.dataset,
        schema="status" if fault == "wrong_schema" else excerpt.schema,
        start_ns=excerpt.start_ns,
        end_ns=excerpt.end_ns,
        names=library.numbers(excerpt.symbols),
        live=False,
    )
    if fault == "bad_header":
        header = header[:4] + (100).to_bytes(4, "little") + bytes(100)
    body = zstandard.ZstdCompressor(write_checksum=True).compress(header + excerpt.records.tobytes())
    return corrupted(body) if fault == "corrupt" else body
