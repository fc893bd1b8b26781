"""Definitions as instruments."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from core.model.instruments import Instrument, Product
from providers.databento.archive import Archive, layout_of
from providers.databento.symbols import read_definitions
from providers.simulated.databento_library import Library, with_definitions


def test_real_definitions_of_every_version(captures: Path) -> None:
    """Futures have their steps and money; a share without a stated step is shown with four decimals."""
    found: dict[str, Instrument] = {}
    for name in ("naut_futures_settlement_definition.dbn.zst", "dbn_test_data.definition.v1.dbn.zst",
                 "dbn_test_data.definition.v2.dbn.zst", "dbn_test_data.definition.v3.dbn.zst"):  # fmt: skip
        with Archive(captures / "databento" / name) as archive:
            for each in read_definitions(archive.pages(), archive.header.dataset):
                assert found.setdefault(each.symbol, each) == each
    future, share = found["ESH6"], found["MSFT"]
    assert set(found) == {"ESZ5", "ESH6", "MSFT"}
    assert (future.venue, future.base, future.quote, future.settle) == ("GLBX.MDP3", "ES", "USD", "USD")
    assert (future.product, future.price_decimals, future.price_increment_e9) == (
        Product.LINEAR_FUTURE, 2, 250_000_000)  # fmt: skip
    assert (future.quantity_decimals, future.quantity_increment_e8) == (0, 100_000_000)
    assert (share.venue, share.product, share.price_decimals) == ("XNAS.ITCH", Product.EQUITY, 4)


@pytest.mark.parametrize(
    ("increment_e9", "decimals"), [(1_000_000_000, 0), (15_625_000, 6), (1, 9), (5_000_000_000, 0), (0, 4), (-1, 4)]
)
def test_steps_decide_the_decimals(increment_e9: int, decimals: int) -> None:
    """As many decimals as the step needs, and four when it makes no sense."""
    library = with_definitions(Library(dataset="X", names={1: "AB"}, records=[]), increment_e9=increment_e9)
    page = np.frombuffer(library.records[0].encoded, layout_of("definition")[0])
    (found,) = read_definitions([page], "X")
    assert found.price_decimals == decimals


def test_options_and_nameless_things_are_left_out() -> None:
    """What has no product here, or no name, is no instrument."""
    empty = Library(dataset="X", names={1: "AB", 2: "CD"}, records=[])
    option = with_definitions(attrs.evolve(empty, names={1: "AB"}), instrument_class="C")
    nameless = with_definitions(attrs.evolve(empty, names={2: ""}))
    for library in (option, nameless):
        page = np.frombuffer(library.records[0].encoded, layout_of("definition")[0])
        assert read_definitions([page], "X") == []
