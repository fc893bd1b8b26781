"""The rows of the status that tell how each of several connections to one venue stands."""

from __future__ import annotations

from typing import Any

from console.status import connection_row
from providers.base import Provider
from providers.venue.legs import LegReport, Legs


def leg_rows(provider: Provider | None) -> list[dict[str, Any]]:
    """One row a leg, shaped as that of its venue's connection and named after it, `KRAKEN 1`; none for a provider
    that has one connection and no more.

    `brought_first` counts the trades of this stream that no other leg had before, `missed` those that another had and
    this one did not, `hand_overs` the connections that a fresh one replaced in time.
    """
    return [
        connection_row(report.connection, venue=f"{report.connection.venue} {report.leg}", restarts=0)
        | {
            "leg": report.leg,
            "brought_first": report.brought_first,
            "missed": report.missed,
            "hand_overs": report.hand_overs,
        }
        for report in leg_reports(provider)
    ]


def leg_reports(provider: Provider | None) -> list[LegReport]:
    """What each leg of a provider reports; nothing of one that has none."""
    return provider.reports() if isinstance(provider, Legs) else []
