"""Strategies by name, and from files of the user's that were approved."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from core.errors import NotFoundError
from core.strategy import Strategy
from strategies.approval import real_path
from strategies.bollinger import BollingerReversion
from strategies.donchian import DonchianBreakout
from strategies.ema_cross import EmaCross
from strategies.fingerprint import sha256_of_module
from strategies.loading import load_file, make
from strategies.rsi import RsiReversal
from strategies.sma_cross import SmaCross
from strategies.vwap import VwapCross

_OURS: Final = (SmaCross, EmaCross, RsiReversal, BollingerReversion, DonchianBreakout, VwapCross)
STRATEGIES: Final[Mapping[str, type[Strategy]]] = {kind().name: kind for kind in _OURS}
"""The strategies that come with Ringside, by name."""
ALIASES: Final[Mapping[str, str]] = {"sma_cross": "sma", "ema_cross": "ema"}
"""Other names of the same."""


@attrs.frozen
class LoadedStrategy:
    """A strategy with its parameters, the real path of the file it came from (None for one of ours) and the SHA-256
    of its source in lower-case hexadecimal. `kind` is its class."""

    strategy: Strategy
    source_path: Path | None
    sha256: str
    kind: type[Strategy]

    def fresh(self, params: Mapping[str, str]) -> Strategy:
        """Another one of the same code with these parameters; the file is not read again. Raises as `make_strategy`
        does of a strategy's own code."""
        return make(self.kind, params, self.source_path)


def is_file(name_or_path: str) -> bool:
    """Whether it is the path of a file, and not a name."""
    return "/" in name_or_path or name_or_path.endswith(".py")


def description(kind: type[Strategy]) -> str:
    """What a strategy does, in one line: the first paragraph of its docstring, which need not have one; without the
    marks of names that are code."""
    return " ".join((kind.__doc__ or "").replace("`", "").strip().partition("\n\n")[0].split())


def make_strategy(name_or_path: str, params: Mapping[str, str], approved: Path) -> LoadedStrategy:
    """The strategy of that name, or of the file at that path if the list at `approved` has its hash.

    Raises:
        NotFoundError: no strategy of that name, the hint lists what is near; or no such file.
        UsageError: a parameter is not known or out of range, or the name of the file cannot be printed.
        RefusedError: the file is not approved as it is; the hint is how to approve it.
        PermanentError: the file cannot be read or run, or does not say which strategy is meant.
        ConfigurationError: the list of what is approved cannot be used.
    """
    if is_file(name_or_path):
        path = real_path(Path(name_or_path))
        kind, sha256 = load_file(path, approved)
        return LoadedStrategy(make(kind, params, path), path, sha256, kind)
    name = ALIASES.get(name_or_path, name_or_path)
    if name not in STRATEGIES:
        near = difflib.get_close_matches(name, [*STRATEGIES, *ALIASES], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"one of {', '.join(STRATEGIES)}, or a file"
        raise NotFoundError("no strategy of that name", f"{name[:40]!a}", hint=hint)
    kind = STRATEGIES[name]
    return LoadedStrategy(make(kind, params, None), None, sha256_of_module(kind.__module__), kind)
