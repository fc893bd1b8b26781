"""The levels of the log by name, the least first. Loads nothing, as every command line asks for them."""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
RANKS: Final = {name: rank for rank, name in enumerate(LEVELS)}
