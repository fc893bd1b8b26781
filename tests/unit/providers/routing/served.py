"""Providers to route to, as the live ones describe themselves."""

from __future__ import annotations

from providers.routing.assets import AssetType
from providers.routing.rules import Capability

CAPABILITIES = {
    one.name: one
    for one in (
        Capability(name="kraken", venue="KRAKEN", asset_types=(AssetType.CRYPTO,), exchanges=("KRAKEN",)),
        Capability(name="binance", venue="BINANCE", asset_types=(AssetType.CRYPTO,), exchanges=("BINANCE",)),
        Capability(name="silent", venue="SILENT", has_history=False, exchanges=("SILENT",)),
        Capability(name="databento", by_dataset=True),
    )
}
"""By name. `silent` is a venue that is in no table, lists everything and has no history."""
