"""What the control channel can ask about alerts, and what people can say to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from console.control_server import Operation
from core.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from console.alerting.service import AlertService
    from console.supervise import Engine

CHANGING: Final = frozenset({"acknowledge", "silence", "unsilence"})
MOST_HISTORY: Final = 1000
MAX_TEXT: Final = 200


def alert_operations(engine: Engine) -> dict[str, Operation]:
    """The operations by name. Over this channel everybody is the user whose process this is."""
    by = f"uid {os.getuid()}"

    def service() -> AlertService:
        if engine.alerts is None:
            hint = "set alerting.enabled"
            raise RefusedError("nobody watches", f"alerting of {engine.plan.instance} is off", hint=hint)
        return engine.alerts

    async def alerts(request: dict[str, Any]) -> dict[str, Any]:
        history = request.get("history", 200)
        if type(history) is not int or not 0 <= history <= MOST_HISTORY:
            raise UsageError("bad request", f"history is a number up to {MOST_HISTORY}")
        return await service().document(history)

    async def acknowledge(request: dict[str, Any]) -> dict[str, Any]:
        return await service().acknowledge(_text(request, "rule"), _text(request, "subject"), by=by)

    async def silence(request: dict[str, Any]) -> dict[str, Any]:
        match = request.get("match", {})
        if not isinstance(match, dict):
            raise UsageError("bad request", "match is an object of labels")
        return await service().silence(
            _text(request, "rule") or "*",
            [(name, _text(match, name)) for name in match],
            for_s=duration_s(request.get("for_s")),
            by=by,
            comment=_text(request, "comment"),
        )

    async def unsilence(request: dict[str, Any]) -> dict[str, Any]:
        number = request.get("number")
        if type(number) is not int:
            raise UsageError("bad request", "number is that of a silence")
        return await service().unsilence(number)

    return {"alerts": alerts, "acknowledge": acknowledge, "silence": silence, "unsilence": unsilence}


def duration_s(seconds: object) -> float:
    """How long a silence lasts. Raises `UsageError`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 366 * 86_400:
        raise UsageError("bad duration", ascii(seconds)[:40], hint="for_s is in seconds, up to a year")
    return float(seconds)


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or not (value.isprintable() and name.isprintable()):
        raise UsageError("bad request", f"{ascii(name)[:40]} is a text of at most {MAX_TEXT} characters")
    return value
