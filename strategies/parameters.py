"""Rules that concern two parameters of a strategy."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import UsageError


def require_below(parameters: Mapping[str, float], *, lower: str, upper: str) -> None:
    """Raise `UsageError` unless the parameter named `lower` is below the one named `upper`."""
    if parameters[lower] >= parameters[upper]:
        given = f"{lower}={parameters[lower]:g} {upper}={parameters[upper]:g}"
        raise UsageError("bad parameters", given, hint=f"{lower} must be below {upper}")
