"""What the control channel can ask of those who trade on paper: the document of the desk, and the operator's acts."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from console.control_server import Operation
from core.errors import UsageError
from core.sim.lines import ACTS, ActKind

Accounts = Callable[[], Awaitable[dict[str, Any]]]


class Acting(Protocol):
    """Does what an operator wants; raises `ConsoleError`."""

    async def __call__(self, act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
        """As `PaperHost.act`."""


def paper_operations(accounts: Accounts, act: Acting) -> dict[str, Operation]:
    """The operations by name. Over this channel everybody is the user whose process this is."""
    by = f"uid {os.getuid()} over the control channel"

    async def describe(_request: dict[str, Any]) -> dict[str, Any]:
        return await accounts()

    def doing(name: ActKind) -> Operation:
        async def do(request: dict[str, Any]) -> dict[str, Any]:
            target, confirm = request.get("target", ""), request.get("confirm", "")
            if not isinstance(target, str) or not isinstance(confirm, str):
                raise UsageError("bad request", "target and confirm are texts")
            return await act(name, target, by=by, confirm=confirm)

        return do

    return {"accounts": describe} | {name: doing(name) for name in ACTS}
