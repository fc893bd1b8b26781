"""DBN files as Databento sends them, good and bad."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest
import zstandard

from core.errors import ConfigurationError, ConsoleError, NotFoundError, PermanentError, TransientError
from providers.databento.archive import SCHEMAS, Archive, layout_of
from tests.unit.providers.databento.support import TRADES

TRADES_V3 = "dbn_test_data.trades.v3.dbn.zst"


def read(path: Path, rows: int = 1000) -> bytes:
    """All records of a file."""
    with Archive(path) as archive:
        return b"".join(page.tobytes() for page in archive.pages(rows))


def plain(path: Path) -> bytes:
    """What a compressed sample holds."""
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


def test_every_sample_is_read_as_the_vendor_reads_it(captures: Path) -> None:
    """All samples, of versions 1 to 3, plain and compressed: as many records as the vendor's decoder finds, byte for
    byte; fragments without a header are refused."""
    seen = set()
    for path in sorted((captures / "databento").iterdir()):
        if ".frag" in path.name:
            with pytest.raises(PermanentError):
                read(path)
            continue
        raw = plain(path) if path.suffix == ".zst" else path.read_bytes()
        as_is: Any = dbn.VersionUpgradePolicy.AS_IS
        decoder = dbn.DBNDecoder(upgrade_policy=as_is)
        decoder.write(raw)
        decoded: list[Any] = decoder.decode()
        metadata, *records = decoded
        with Archive(path) as archive:
            pages = list(archive.pages(rows=7))
            header = archive.header
        assert sum(map(len, pages)) == len(records), path.name
        assert b"".join(page.tobytes() for page in pages) == b"".join(map(bytes, records)), path.name
        assert (header.dataset, header.schema) == (metadata.dataset, str(metadata.schema))
        assert set(header.mappings) == set(metadata.mappings)
        assert all(len(page) <= 7 for page in pages)
        seen.add((header.version, header.schema))
    assert {version for version, _ in seen} == {1, 2, 3}
    assert {schema for _, schema in seen} == set(SCHEMAS)


def test_a_file_that_is_cut_anywhere_is_told(captures: Path, tmp_path: Path) -> None:
    """Of every shorter copy only those that end between two records are read; the others may be fetched again."""
    raw = plain(captures / "databento" / TRADES_V3)
    size = layout_of("trades")[0].itemsize
    path = tmp_path / "cut.dbn"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        if length >= len(raw) - 2 * size and (len(raw) - length) % size == 0:
            assert len(read(path)) == 2 * size - (len(raw) - length)
            continue
        with pytest.raises((TransientError, PermanentError)) as caught:
            read(path)
        assert isinstance(caught.value, TransientError) or length < 8


def test_a_compressed_file_that_is_cut_anywhere_is_told(captures: Path, tmp_path: Path) -> None:
    """No prefix of a compressed file passes for the whole."""
    raw = (captures / "databento" / TRADES_V3).read_bytes()
    path = tmp_path / "cut.dbn.zst"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises((TransientError, PermanentError)):
            read(path)


def test_no_damage_is_more_than_an_error(captures: Path, tmp_path: Path) -> None:
    """Whatever single byte is wrong, plain or compressed: an error of ours or other records, never a crash."""
    path = tmp_path / "damaged"
    for raw in (plain(captures / "databento" / TRADES_V3), (captures / "databento" / TRADES_V3).read_bytes()):
        for at in range(len(raw)):
            path.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
            with contextlib.suppress(ConsoleError):
                assert len(read(path)) % 48 == 0


def test_corrupt_data_are_not_fetched_again(captures: Path, tmp_path: Path) -> None:
    """A damaged frame is for the operator: fetching costs money."""
    raw = bytearray((captures / "databento" / TRADES).read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path = tmp_path / "corrupt.dbn.zst"
    path.write_bytes(raw)
    with pytest.raises(PermanentError):
        read(path)


def test_records_of_another_schema_are_refused(captures: Path, tmp_path: Path) -> None:
    """A file is what its header says, to the last record."""
    raw = bytearray(plain(captures / "databento" / TRADES_V3))
    raw[-47] = 0x01
    path = tmp_path / "mixed.dbn"
    path.write_bytes(raw)
    with pytest.raises(PermanentError, match="record 2"):
        read(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file is not found, a directory is a matter of configuration."""
    with pytest.raises(NotFoundError):
        Archive(tmp_path / "none.dbn")
    with pytest.raises(ConfigurationError):
        Archive(tmp_path)


@pytest.mark.parametrize(
    ("schema", "record"),
    [("trades", dbn.TradeMsg), ("mbo", dbn.MBOMsg), ("bbo-1s", dbn.BBOMsg), ("ohlcv-1d", dbn.OHLCVMsg)],
)
def test_our_layouts_are_the_vendors(schema: str, record: type[dbn.DBNRecord]) -> None:
    """Names, offsets and sizes agree with the vendor's."""
    ours, theirs = layout_of(schema)[0], np.dtype(record._dtypes)
    assert ours.itemsize == theirs.itemsize
    shared = [name for name in ours.names or () if not name.startswith("_")]
    assert {name: ours.fields[name][1] for name in shared if ours.fields} == {
        name: theirs.fields[name][1] for name in shared if theirs.fields
    }
