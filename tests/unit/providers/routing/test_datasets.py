"""The table of datasets beside the vendor's own list."""

from __future__ import annotations

from pathlib import Path

from databento import Dataset

from providers.databento.names import check_dataset
from providers.routing.assets import EXCHANGES, AssetType
from providers.routing.datasets import DATASETS, UNPLACED


def test_every_dataset_is_one_that_the_vendor_has() -> None:
    """No name is made up, and each can be asked for."""
    named = {*DATASETS.values(), *UNPLACED}
    assert named <= {str(one) for one in Dataset}
    assert [check_dataset(name) for name in sorted(named)] == sorted(named)
    assert not set(UNPLACED) & set(DATASETS.values())


def test_the_four_exchanges_of_globex_share_one_dataset() -> None:
    """CME, CBOT, NYMEX and COMEX are traded on one platform."""
    found = {DATASETS[AssetType.FUTURES, name] for name in ("CME", "CBOT", "NYMEX", "COMEX", "GLOBEX")}
    assert found == {"GLBX.MDP3"}
    assert DATASETS[AssetType.EQUITY, "NASDAQ"] == "XNAS.ITCH"


def test_the_page_lists_every_exchange_with_its_dataset() -> None:
    """What an operator reads is what is routed by."""
    page = (Path(__file__).resolve().parents[4] / "docs" / "routing.md").read_text(encoding="utf-8")
    rows = {kind: next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |")) for kind in AssetType}
    told = {
        kind: set(row.removeprefix(f"| `{kind}` | ").removesuffix(" |").split(", ")) for kind, row in rows.items()
    }
    for kind in AssetType:
        names = {one.name for one in EXCHANGES if kind in one.asset_types}
        assert told[kind] == {
            f"{name} (`{DATASETS[kind, name]}`)" if (kind, name) in DATASETS else name for name in names
        }
