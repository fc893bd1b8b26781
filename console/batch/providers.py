"""`providers`: what can be streamed from, and what each of them can do. Nothing is asked of anybody."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from console.batch import output

if TYPE_CHECKING:
    from providers.base import ProviderInfo

NAME = "providers"
HELP = "the providers, and what each of them can do"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row a provider."""
    from console.wiring import provider_infos

    rows = [info_row(info) for info in provider_infos()]
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    return 0


def info_row(info: ProviderInfo) -> dict[str, Any]:
    """What is printed of a provider: plain values under the names of `ProviderInfo`, its schemas as one text."""
    return {
        "name": info.name,
        "title": info.title,
        "venue": info.venue,
        "schemas": ",".join(info.schemas),
        "numbers_trades": info.numbers_trades,
        "has_history": info.has_history,
        "numbers_history": info.numbers_history,
        "demo_venue": info.demo_venue,
        "symbols_at_most": info.symbols_at_most,
        "needs_key": info.needs_key,
        "page": info.page,
    }
