"""What Databento says of batch orders, as values: hostile until it was read here."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from core.errors import ConsoleError, PermanentError
from core.flow.printable import printable
from providers.databento.history import RangeRequest, instant_ns

STATES: Final = ("queued", "processing", "done")
"""What an order goes through, and then it expires."""

_READ: Final[Mapping[str, object]] = {"encoding": "dbn", "compression": "zstd", "stype_out": "instrument_id"}
_ORDER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}\.dbn\.zst")
_OF_A_DAY: Final = re.compile(r"[A-Za-z0-9-]*-(\d{8})\..*")
_TWO_DAYS: Final = re.compile(r"-\d{8}-\d{8}\.")
_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")
_BESIDE: Final = ".json"  # what lies beside the data: metadata, condition, symbology, manifest
_LARGEST_BYTES: Final = 1 << 40
_EPOCH: Final = date(1970, 1, 1).toordinal()

_log = logging.getLogger("ringside.databento")


@attrs.frozen(kw_only=True)
class Order:
    """A batch order of the account: `state` is one of `STATES`. Cost and sizes are None until they are known."""

    order_id: str
    state: str
    request: RangeRequest
    received_ns: int
    cost_usd: Decimal | None
    records: int | None
    billed_bytes: int | None


@attrs.frozen(kw_only=True)
class OrderFile:
    """One file of an order. `day` counts from the epoch, and is None for a file that is not of one day."""

    name: str
    size_bytes: int
    sha256: str
    url: str
    day: int | None


def read_order(found: Mapping[str, Any], request: RangeRequest) -> Order:
    """The order of `request` that an answer tells of.

    Raises:
        PermanentError, LookupError, TypeError, ValueError: it tells of none.
    """
    return Order(
        order_id=checked_order_id(found["id"]),
        state=found["state"] if found["state"] in STATES else STATES[0],
        request=request,
        received_ns=instant_ns(found["ts_received"]),
        cost_usd=_cost_usd(found.get("cost_usd")),
        records=_known(found.get("record_count")),
        billed_bytes=_known(found.get("billed_size")),
    )


def read_orders(found: Any) -> tuple[Order, ...]:
    """The orders of a list of them that are of a kind we place; what cannot be understood is logged and left out.

    Raises:
        TypeError: it is no list: that must not pass for an account without orders, which would pay once more.
    """
    return tuple(order for each in _listed(found) if (order := _known_order(each)) is not None)


def read_files(found: Any) -> tuple[OrderFile, ...]:
    """The data files of an order, by name.

    Raises:
        PermanentError, LookupError, TypeError, ValueError: one of them is none.
    """
    files = [_file(each) for each in _listed(found) if not str(each["filename"]).endswith(_BESIDE)]
    if len({each.name for each in files}) < len(files):
        raise ValueError("two files of one name")
    return tuple(sorted(files, key=lambda each: each.name))


def checked_order_id(text: Any) -> str:
    """`text`, which names an order, or a `PermanentError`."""
    return _checked(_ORDER_ID, text)


def checked_file_name(text: Any) -> str:
    """`text`, which names a data file in a directory and nothing else, or a `PermanentError`."""
    return _checked(_FILE_NAME, text)


def _listed(found: Any) -> Sequence[Mapping[str, Any]]:
    # Anything else would pass for an account without orders, and be paid for once more.
    if not isinstance(found, list):
        raise TypeError("no list")
    return found


def _known_order(found: Mapping[str, Any]) -> Order | None:
    try:
        if found["state"] not in STATES or found.get("split_symbols") or found.get("packaging") not in {None, "none"}:
            return None
        if any(found[name] != value for name, value in _READ.items()):
            return None
        return read_order(found, _request(found))
    except (ConsoleError, LookupError, TypeError, ValueError, AttributeError) as error:
        _log.warning("an order is not understood: %s", printable(str(error), 200))
        return None


def _request(found: Mapping[str, Any]) -> RangeRequest:
    symbols = found["symbols"]
    named = tuple(symbols.split(",") if isinstance(symbols, str) else symbols)
    texts = (*named, found["dataset"], found["schema"], found["stype_in"])
    if not all(isinstance(text, str) and text.isprintable() and text for text in texts):
        raise ValueError("a name that is none")
    return RangeRequest(
        dataset=found["dataset"],
        schema=found["schema"],
        symbols=named,
        start_ns=instant_ns(found["start"]),
        end_ns=instant_ns(found["end"]),
        stype_in=found["stype_in"],
        limit=None if found.get("limit") is None else _count(found["limit"]),
    )


def _file(found: Mapping[str, Any]) -> OrderFile:
    name = checked_file_name(found["filename"])
    announced = _SHA256.fullmatch(found["hash"])
    if announced is None:
        raise ValueError("a file without a hash")
    of_a_day = None if _TWO_DAYS.search(name) else _OF_A_DAY.fullmatch(name)
    return OrderFile(
        name=name,
        size_bytes=_count(found["size"]),
        sha256=announced[1],
        url=str(found["urls"]["https"]),
        day=date.fromisoformat(of_a_day[1]).toordinal() - _EPOCH if of_a_day else None,
    )


def _checked(shape: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or shape.fullmatch(text) is None:
        raise PermanentError("a name that is none", printable(str(text), 60))
    return text


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST_BYTES:
        raise ValueError("not a count")
    return value


def _known(value: Any) -> int | None:
    # What is only told, and not needed: an order that was paid is not lost over it.
    return value if type(value) is int and 0 <= value <= _LARGEST_BYTES else None


def _cost_usd(value: Any) -> Decimal | None:
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None
