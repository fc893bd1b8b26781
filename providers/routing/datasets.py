"""Which Databento dataset holds what of which exchange. Every name is one that the vendor's own client knows."""

from __future__ import annotations

from typing import Final

from providers.routing.assets import AssetType

DATASETS: Final[dict[tuple[AssetType, str], str]] = {
    **{
        (AssetType.FUTURES, exchange): dataset
        for exchange, dataset in {
            "CME": "GLBX.MDP3",
            "CBOT": "GLBX.MDP3",
            "NYMEX": "GLBX.MDP3",
            "COMEX": "GLBX.MDP3",
            "GLOBEX": "GLBX.MDP3",
            "CFE": "XCBF.PITCH",
            "ICEUS": "IFUS.IMPACT",
            "ICEEU": "IFEU.IMPACT",
            "ICEEU_FINANCIALS": "IFLL.IMPACT",
            "ENDEX": "NDEX.IMPACT",
            "EUREX": "XEUR.EOBI",
            "EEX": "XEEE.EOBI",
            "OSE": "XOSE.ITCH",
            "TOCOM": "XTKT.ITCH",
        }.items()
    },
    **{
        (AssetType.EQUITY, exchange): dataset
        for exchange, dataset in {
            "NASDAQ": "XNAS.ITCH",
            "BX": "XBOS.ITCH",
            "PSX": "XPSX.ITCH",
            "NYSE": "XNYS.PILLAR",
            "ARCA": "ARCX.PILLAR",
            "AMERICAN": "XASE.PILLAR",
            "NATIONAL": "XCIS.PILLAR",
            "TEXAS": "XCHI.PILLAR",
            "BZX": "BATS.PITCH",
            "BYX": "BATY.PITCH",
            "EDGA": "EDGA.PITCH",
            "EDGX": "EDGX.PITCH",
            "IEX": "IEXG.TOPS",
            "MEMX": "MEMX.MEMOIR",
            "PEARL": "EPRL.DOM",
            "BLUE_OCEAN": "OCEA.MEMOIR",
            "TOKYO": "XTKS.FLEX",
        }.items()
    },
}
"""Dataset by asset type and exchange, the full depth of each where there is one."""

UNPLACED: Final[dict[str, AssetType]] = dict.fromkeys(
    (
        "DBEQ.BASIC",
        "EQUS.ALL",
        "EQUS.MINI",
        "EQUS.PLUS",
        "EQUS.SIP",
        "EQUS.SUMMARY",
        "FINN.NLS",
        "FINY.TRADES",
        "XCIS.BBO",
        "XCIS.TRADES",
        "XCIS.TRADESBBO",
        "XNAS.BASIC",
        "XNAS.NLS",
        "XNAS.QBBO",
        "XNYS.BBO",
        "XNYS.TRADES",
        "XNYS.TRADESBBO",
    ),
    AssetType.EQUITY,
)
"""What the datasets hold that are of several exchanges, or less than there is of one: they are had by name alone."""
