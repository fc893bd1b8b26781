"""What the control channel tells of the log: a page of lines after the last one seen, or one line in full."""

from __future__ import annotations

from typing import Any

from console.control_server import Operation
from console.journal import PAGE_LINES, Journal
from console.logbook.levels import LEVELS
from core.errors import NotFoundError, UsageError


def log_operations(journal: Journal) -> dict[str, Operation]:
    """`log`: with `sequence` that line in full; without, the lines after the number `after`, at most `limit` of at
    least `level`. Numbers begin anew with each run: whoever gives an `epoch_ns` that is not ours gets the first."""

    async def log(request: dict[str, Any]) -> dict[str, Any]:
        number = request.get("sequence")
        if number is not None:
            found = journal.whole(_count(request, "sequence"))
            if found is None:
                raise NotFoundError("no such line", str(number)[:20], hint="it is older than what is kept in memory")
            return {"epoch_ns": journal.epoch_ns, "line": found}
        level = request.get("level", "debug")
        if level not in LEVELS:
            raise UsageError("no such level", ascii(level)[:40], hint=f"one of {', '.join(LEVELS)}")
        ours = request.get("epoch_ns", 0) in (0, journal.epoch_ns)
        limit = min(max(_count(request, "limit", PAGE_LINES), 1), PAGE_LINES)
        return journal.page(after=_count(request, "after") if ours else 0, limit=limit, level=level)

    return {"log": log}


def _count(request: dict[str, Any], name: str, otherwise: int = 0) -> int:
    value = request.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise UsageError("bad request", f"{name} is a whole number from 0")
    return value
