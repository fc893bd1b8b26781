"""A disk that is full while something is compressed: the error says so, and nothing is left half done."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard

from core.errors import ResourceExhaustedError
from core.store.aside import written_aside
from core.store.exporting import zstandard_file
from core.store.verify import verify_directory
from tests.conformance.ticks import TRADES, ticks
from tests.unit.core.store.sealed_days import DAY, EVER, Home
from tests.unit.core.store.test_faults import largest_file

ROWS = 40_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A store with a day of trades that hardly compress."""
    made = Home(tmp_path)
    trades = ticks(range(1, ROWS + 1))
    trades["price"] = np.random.default_rng(1).integers(1, 2**60, ROWS)
    made.store.append(TRADES, trades, ROWS)
    made.store.sync()
    yield made
    made.close()


@pytest.mark.parametrize("room_bytes", [0, 100, 200_000])
def test_a_full_disk_while_sealing(home: Home, room_bytes: int) -> None:
    """Sealing ends with the error of a full disk wherever that happens; nothing is lost, nothing is left over, and it
    goes on when there is room."""
    before = home.store.read(TRADES, 0, EVER).tobytes()
    with largest_file(room_bytes), pytest.raises(ResourceExhaustedError, match="sealing") as refused:
        home.store.compress(DAY + 1)
    assert refused.value.hint == "make room"
    assert home.names() == ["2025-11-22.dbn"]
    assert list(verify_directory(home.ticks, home.catalogue)) == []
    assert home.store.append(TRADES, ticks([ROWS + 1]), ROWS + 1).rows == 1
    [sealed] = home.store.compress(DAY + 1)
    assert sealed.rows == ROWS + 1
    assert before in home.store.read(TRADES, 0, EVER).tobytes()


@pytest.mark.parametrize("room_bytes", [0, 100_000])
def test_a_full_disk_while_a_compressed_file_is_written(tmp_path: Path, room_bytes: int) -> None:
    """The error is that of a full disk, and neither the file nor a part of it is there."""
    content = np.random.default_rng(1).bytes(1 << 20)
    path = tmp_path / "a.zst"
    with (
        largest_file(room_bytes),
        pytest.raises(ResourceExhaustedError, match="writing"),
        written_aside(path, replace=False) as file,
        zstandard_file(file) as compressed,
    ):
        compressed.write(content)
    assert list(tmp_path.iterdir()) == []


def test_what_an_error_cut_short_does_not_pass_for_whole() -> None:
    """The stream of something that failed midway does not end like a whole one; one that did not fail does."""
    content = np.random.default_rng(1).bytes(1 << 20)
    cut, whole = io.BytesIO(), io.BytesIO()

    def fail() -> None:
        with zstandard_file(cut) as compressed:
            compressed.write(content)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().decompress(cut.getvalue(), max_output_size=1 << 21, allow_extra_data=False)
    with zstandard_file(whole) as compressed:
        compressed.write(content)
    decompressed = zstandard.ZstdDecompressor().decompressobj()
    assert decompressed.decompress(whole.getvalue()) == content
    assert decompressed.eof
