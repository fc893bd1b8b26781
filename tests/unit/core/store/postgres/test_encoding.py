"""What numpy writes for PostgreSQL, held against what the server makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from core.errors import PermanentError
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.publishers import PUBLISHERS
from core.model.records import Records, Schema
from core.store.postgres.encoding import (
    Values,
    array_parameter,
    big,
    bytes_column,
    column,
    copy_buffer,
    number,
    small,
)
from core.store.postgres.packed import Chunk, pack, unpack
from core.store.postgres.store import PostgresTickStore
from core.store.postgres.tables import (
    LAST_NS,
    digest_identities,
    has_digest,
    has_id,
    ordinal_identities,
)  # fmt: skip
from core.store.repository import SeriesKey
from core.store.segment import expected_head
from tests.conformance.ticks import T0, ticks

EVER = 2**64 - 1
COLUMNS = (column("few", "integer"), column("many", "bigint"), column("flag", "boolean"), bytes_column("raw", 5))
VALUES: tuple[Values, ...] = (
    np.array([-(2**31), 0, 2**31 - 1], np.int32),
    np.array([-(2**63), -1, 2**63 - 1], np.int64),
    np.array([True, False, True]),
    np.array([b"\x00\x01\x02\x03\x04", b"\xff" * 5, bytes(5)], "V5"),
)


@pytest.fixture
def store(migrated_url: str) -> Iterator[PostgresTickStore]:
    """A store on a new database."""
    opened = PostgresTickStore(migrated_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("rows", [3, 1, 0])
def test_arrays_are_what_the_server_reads(postgres_url: str, rows: int) -> None:
    """The binary form of an array holds the values of every type at its limits, and none when it is empty."""
    with psycopg.connect(postgres_url) as connection:
        for kind, values in zip(COLUMNS, VALUES, strict=True):
            result = connection.pgconn.exec_params(
                f"SELECT unnest($1::{kind.type}[])".encode(), [array_parameter(kind, values[:rows])], None, [1], 1
            )
            found = [result.get_value(row, 0) for row in range(result.ntuples)]
            expected = [values[row : row + 1].astype(kind.wire).tobytes() for row in range(rows)]
            assert found == expected, result.error_message


def test_copies_are_what_the_server_reads(postgres_url: str) -> None:
    """The rows of a COPY come back as they were."""
    with psycopg.connect(postgres_url) as connection:
        names = sql.SQL(", ").join(sql.SQL(f"{kind.name} {kind.type}") for kind in COLUMNS)
        connection.execute(sql.SQL("CREATE TABLE copied ({})").format(names))
        with connection.cursor().copy("COPY copied FROM STDIN (FORMAT binary)") as copy:
            copy.write(copy_buffer(COLUMNS, VALUES))
        found = connection.execute("SELECT * FROM copied").fetchall()
    assert found == [
        (int(few), int(many), bool(flag), raw.tobytes()) for few, many, flag, raw in zip(*VALUES, strict=True)
    ]


def test_numbers_keep_their_sign() -> None:
    """A parameter and what comes back are the same number at the limits; NULL counts as nothing."""
    for value in (-(2**63), -1, 0, 2**63 - 1):
        assert number(big(value)) == value
    for value in (-(2**31), -1, 0, 2**31 - 1):
        assert number(small(value)) == value
    assert number(None) == 0


def test_identities_never_meet() -> None:
    """Ordinals, digests and ids have ranges of their own; ordinals ascend and keep the sequence."""
    batch = ticks(range(2**32 - 3, 2**32 + 3))
    ordinals = ordinal_identities(batch, 2**30 - 7)
    assert (np.diff(ordinals) > 0).all()
    assert ((ordinals & 0xFFFF_FFFF) == batch["sequence"]).all()
    digests = digest_identities(batch)
    assert len(set(digests.tolist())) == len(batch)
    for values, digest, real in (
        (ordinals, False, False),
        (digests, True, False),
        (np.array([-5, 2**61]), False, True),
    ):
        assert (has_digest(values) == digest).all()
        assert (has_id(values) == real).all()


@st.composite
def anything(draw: st.DrawFn) -> tuple[Schema, str, Records]:
    """Records of random bytes that are valid in some series of some venue."""
    schema = draw(st.sampled_from([Schema.TRADES, Schema.QUOTES, Schema.BOOK, Schema.BARS_1D]))
    venue = draw(st.sampled_from(["KRAKEN", "XNAS.ITCH"]))
    rows = draw(st.integers(1, 6))
    size = schema.dtype.itemsize
    made = np.frombuffer(draw(st.binary(min_size=rows * size, max_size=rows * size)), schema.dtype).copy()
    length_and_type, _ = expected_head(SeriesKey(venue, "ANY", schema))
    made["length"], made["rtype"] = length_and_type & 0xFF, length_and_type >> 8 & 0xFF
    made["publisher_id"] = (
        PUBLISHERS[venue].publisher_id if venue in PUBLISHERS else made["publisher_id"] % OWN_PUBLISHERS
    )
    instants = st.sampled_from([1, T0, T0 + 1, LAST_NS - 1])
    made["ts_event"] = draw(st.lists(instants, min_size=rows, max_size=rows))
    if schema.is_bars:
        made["ts_event"] = np.arange(rows) + T0
        made["volume"] >>= np.uint64(1)
    return schema, venue, made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=anything())
def test_every_bit_comes_back(store: PostgresTickStore, case: tuple[Schema, str, Records]) -> None:
    """Whatever a valid record holds is read byte for byte, of every schema and of any publisher."""
    schema, venue, batch = case
    series = SeriesKey(venue, f"S{len(store.series())}", schema)
    assert store.append(series, batch, 0).rows == len(batch)
    expected = batch[np.argsort(batch["ts_event"], kind="stable")].tobytes()
    assert store.read(series, 0, EVER).tobytes() == expected
    assert store.latest(series, len(batch)).tobytes() == expected


def test_packs_come_back_or_say_so() -> None:
    """A chunk comes back as it was packed; a flipped bit, a cut end or a wrong count is found, never read."""
    batch = ticks(range(1, 200))
    packed = pack(Chunk(batch, np.arange(1, 200)))
    good = {"records": packed.records, "identities": packed.identities, "sha256": packed.sha256}
    back = unpack(Schema.TRADES, rows=packed.rows, **good)
    assert back.records.tobytes() == batch.tobytes()
    assert back.identities.tolist() == list(range(1, 200))
    for part, content in good.items():
        for damaged in (content[:-1], content[:20], b"", bytes([content[0] ^ 1]) + content[1:], content[:-1] + b"?"):
            with pytest.raises(PermanentError):
                unpack(Schema.TRADES, rows=packed.rows, **(good | {part: damaged}))
    with pytest.raises(PermanentError):
        unpack(Schema.TRADES, rows=packed.rows + 1, **good)
