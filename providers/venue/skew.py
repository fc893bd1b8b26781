"""How far a venue's clock may be from ours before the operator is told."""

from __future__ import annotations

from core.clock import NS_PER_S

MAX_SKEW_NS = 300 * NS_PER_S


def skew_problem(delay_ns: int) -> str:
    """What to tell of a venue whose time is `delay_ns` before ours (after it, when negative)."""
    side = "behind" if delay_ns > 0 else "ahead of"
    return f"the venue's clock is {abs(delay_ns) // NS_PER_S} s {side} this machine"
