"""The strategies there are, with their parameters."""

from __future__ import annotations

from typing import Any

from strategies.catalogue import STRATEGIES, description, make_strategy


def strategy_rows() -> list[dict[str, Any]]:
    """One mapping a strategy that comes with the program: what it does, its bars, its mode, what it takes."""
    from config.paths import find_paths
    from strategies.approval import LIST_NAME

    approved = find_paths().configuration / LIST_NAME
    rows = []
    for name, kind in STRATEGIES.items():
        strategy = make_strategy(name, {}, approved).strategy
        rows.append(
            {
                "name": name,
                "bars": str(strategy.preferred_bar_type()),
                "mode": strategy.bar_data_mode().value,
                "parameters": [
                    {
                        "name": one.name,
                        "default": one.default,
                        "minimum": one.minimum,
                        "maximum": one.maximum,
                        "whole": one.whole,
                        "help": one.help,
                        "aliases": list(one.aliases),
                    }
                    for one in strategy.PARAMETERS
                ],
                "description": description(kind),
            }
        )
    return rows
