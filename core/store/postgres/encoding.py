"""Arrays in PostgreSQL's binary formats: every value of a column at once, by filling one structured array.

Nothing here knows of a connection, or of what the columns mean.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_ARRAY_HEAD: Final = struct.Struct(">iiIii")
_TYPES: Final = {"integer": (23, ">i4"), "bigint": (20, ">i8"), "boolean": (16, "?")}
_BYTEA: Final = 17


@attrs.frozen
class Column:
    """A column: its name, PostgreSQL's name and number of its type, and the dtype of one value on the wire."""

    name: str
    type: str
    oid: int
    wire: str


def column(name: str, kind: str) -> Column:
    """A column of the type `kind`: "integer", "bigint" or "boolean"."""
    oid, wire = _TYPES[kind]
    return Column(name, kind, oid, wire)


def bytes_column(name: str, size_bytes: int) -> Column:
    """A column of the type bytea whose values all have `size_bytes`."""
    return Column(name, "bytea", _BYTEA, f"V{size_bytes}")


def array_parameter(kind: Column, values: Values) -> bytes:
    """`values`, one-dimensional, as the binary form of a PostgreSQL array of the type of the column."""
    cells = np.empty(len(values), [("length", ">i4"), ("value", kind.wire)])
    cells["length"] = np.dtype(kind.wire).itemsize
    cells["value"] = values
    dimensions = 1 if len(values) else 0
    head = _ARRAY_HEAD.pack(dimensions, 0, kind.oid, len(values), 1)
    return head + cells.tobytes() if dimensions else head[:12]


def value_parameter(kind: Column, values: Values) -> bytes:
    """The one value of `values` as the binary form of the type of the column."""
    return np.asarray(values, kind.wire).tobytes()


def copy_buffer(columns: Sequence[Column], arrays: Sequence[Values]) -> bytes:
    """Rows for COPY ... (FORMAT binary), whole: `arrays` has the values of each of `columns`, all of one length."""
    fields: list[tuple[str, str]] = [("columns", ">i2")]
    for number, kind in enumerate(columns):
        fields += [(f"length{number}", ">i4"), (f"value{number}", kind.wire)]
    rows = np.empty(len(arrays[0]), fields)
    rows["columns"] = len(columns)
    for number, (kind, values) in enumerate(zip(columns, arrays, strict=True)):
        rows[f"length{number}"] = np.dtype(kind.wire).itemsize
        rows[f"value{number}"] = values
    return b"".join((_COPY_HEAD, rows.tobytes(), _COPY_END))


def from_wire(kind: Column, content: bytes) -> Values:
    """The values of a column that the server sent one after the other."""
    return np.frombuffer(content, kind.wire)


def big(value: int) -> bytes:
    """A bigint parameter."""
    return value.to_bytes(8, "big", signed=True)


def small(value: int) -> bytes:
    """An integer parameter."""
    return value.to_bytes(4, "big", signed=True)


def number(content: bytes | None) -> int:
    """The integer or bigint that the server sent; 0 for NULL."""
    return int.from_bytes(content, "big", signed=True) if content else 0
