"""Asks the engines that run here how they are. One that hangs costs a second or two and is told, never waited for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import attrs

from console.doctor.place import Place
from core.errors import ConfigurationError
from ringbuf import discovery, layout
from ringbuf.control import ControlClient, ControlError
from ringbuf.discovery import ServiceState

ANSWER_S: Final = 2.0


@attrs.frozen(kw_only=True)
class StatusOf:
    """One announced engine and what it answered; `status` is empty where it did not, for the `reason` given."""

    name: str
    service: ServiceState
    status: dict[str, Any]
    reason: str = ""

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A list of its status, whatever stands there."""
        found = self.status.get(name)
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def announced(place: Place) -> list[ServiceState]:
    """Every engine in the registry. Raises `ConfigurationError` when it cannot be read."""
    if not place.shared_memory.is_dir():
        return []  # asking the registry would make it
    try:
        return discovery.instances()
    except layout.RingError as error:
        raise ConfigurationError("the service registry cannot be read", str(error)) from error


def ask_engines(place: Place) -> list[StatusOf]:
    """What each engine in the registry that is not dead says: all are asked at once, and once for all checks."""
    return place.engines(lambda: _ask_all(place))


def _ask_all(place: Place) -> list[StatusOf]:
    services = [service for service in announced(place) if service.health != "dead"]
    if not services:
        return []
    with ThreadPoolExecutor(len(services)) as pool:
        return list(pool.map(_ask, services))


def _ask(service: ServiceState) -> StatusOf:
    if not service.control:
        return StatusOf(name=service.instance, service=service, status={}, reason="it has no control socket")
    client = ControlClient(Path(service.control), timeout_s=ANSWER_S)
    try:
        return StatusOf(name=service.instance, service=service, status=client.request("status"))
    except ControlError as error:
        return StatusOf(name=service.instance, service=service, status={}, reason=str(error))
    finally:
        client.close()
