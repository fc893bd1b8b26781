"""What a bundle is about: an engine that runs, one that was killed, or none; and what of the machine is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import attrs

from config.load import examine
from console.doctor.place import Place
from console.incident.redaction import Redaction
from console.secrets import secrets_of_environment, secrets_of_settings
from core.errors import NotFoundError, UsageError
from ringbuf import discovery, layout
from ringbuf.control import ControlClient, ControlError
from ringbuf.discovery import ServiceState

ANSWER_S: Final = 10.0
NO_ENGINE: Final = "none"
"""What a bundle is named after where there is no engine."""
_MOST_ENVIRONMENT: Final = 1 << 20


class AbsentError(Exception):
    """A part of a bundle is not to be had; the text says why."""


@attrs.frozen(kw_only=True)
class Scene:
    """The engine called `instance` as it is at `now_ns`, or the machine without one when that is empty. `since_ns`
    is from when on logs and records are of interest."""

    place: Place
    instance: str
    service: ServiceState | None
    redaction: Redaction = attrs.field(repr=False)
    now_ns: int
    since_ns: int
    note: str = ""

    def ask(self, operation: str, *, of: str = "", **arguments: Any) -> dict[str, Any]:
        """What the engine answers, or one of its feeds' processes. Raises `AbsentError`."""
        if not self.instance:
            raise AbsentError("no engine runs")
        path = self.place.shared_memory / f"{of or self.instance}.sock"
        if not path.exists():
            raise AbsentError(f"{of or self.instance} does not run")
        client = ControlClient(path, timeout_s=ANSWER_S)
        try:
            return client.request(operation, **arguments)
        except ControlError as error:
            raise AbsentError(str(error)) from error
        finally:
            client.close()


def engine_of(place: Place, instance: str | None) -> tuple[str, ServiceState | None]:
    """The engine that is meant: the one that is named, or the only one there is; "" where there is none.

    Raises:
        UsageError: several run, and none is named, or the name cannot be one.
        NotFoundError: there is no trace of one of that name, and others run.
    """
    services = _services(place)
    if instance is None:
        alive = [service for service in services if service.health != "dead"]
        if len(alive) > 1:
            names = ", ".join(service.instance for service in alive)
            raise UsageError("several engines run", names, hint=f"name one: incident {alive[0].instance}")
        found = alive[0] if alive else None
        return (found.instance if found else ""), found
    try:
        layout.check_instance(instance)
    except layout.RingError as error:
        raise UsageError("bad instance name", str(error)) from error
    service = next((service for service in services if service.instance == instance), None)
    if service is None and services and not any(place.shared_memory.glob(f"*{instance}[._]*")):
        names = ", ".join(service.instance for service in services)
        raise NotFoundError("no such engine", instance, hint=f"there are {names}")
    return instance, service


def _services(place: Place) -> list[ServiceState]:
    if not place.shared_memory.is_dir():
        return []
    try:
        return discovery.instances()
    except layout.RingError:
        return []  # that part of the bundle says why


def open_scene(place: Place, *, instance: str | None, now_ns: int, since_ns: int, note: str) -> Scene:
    """The scene; what is secret is gathered first, from everywhere it may stand. Raises as `engine_of` does."""
    name, service = engine_of(place, instance)
    secrets = [
        *secrets_of_environment(place.environment),
        *secrets_of_settings(place.settings),
        *_secrets_of_file(place.configuration_file),
    ]
    if service is not None:
        secrets += _secrets_of_process(place, service.pid)
    return Scene(
        place=place,
        instance=name,
        service=service,
        redaction=Redaction.of(secrets),
        now_ns=now_ns,
        since_ns=since_ns,
        note=note,
    )


def _secrets_of_process(place: Place, pid: int) -> list[str]:
    # An engine has the settings of its own environment and command line.
    environment, file = environment_of(pid), _configuration_of(pid) or place.configuration_file
    settings = examine(file, environment=environment).settings
    return [*secrets_of_environment(environment), *secrets_of_settings(settings), *_secrets_of_file(file)]


def _configuration_of(pid: int) -> Path | None:
    # The file that its command line names, from where it was started.
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        folder = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None
    for before, word in reversed(list(pairwise(words))):  # the last one counts
        if before in ("-c", "--config"):
            return folder / word
        if before.startswith("--config="):
            return folder / before.partition("=")[2]
    return None


def _secrets_of_file(path: Path) -> list[str]:
    # Settings that cannot be used may hold secrets all the same, and so may what is no TOML any more.
    from config.document import parsed
    from config.files import read_file

    try:
        text = read_file(path)[0].decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return []
    try:
        return list(secrets_of_settings(parsed(text)[0]))
    except ValueError:
        return list(secrets_of_settings(text.splitlines()))


def environment_of(pid: int) -> Mapping[str, str]:
    """The environment that a process of this user was started with; empty where it cannot be read."""
    try:
        with Path(f"/proc/{pid}/environ").open("rb") as file:
            raw = file.read(_MOST_ENVIRONMENT)
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in raw.decode("utf-8", "replace").split("\0"))
    return {name: value for name, separator, value in pairs if separator}
