"""What is gathered for a bundle: from the engine, from the machine, from files; each part by itself."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from config.hiding import HIDDEN
from console.incident.logs import log_parts
from console.incident.parts import Part
from console.incident.rings import ring_parts
from console.incident.scene import AbsentError, Scene
from console.metrics.facts import space_of
from console.plan import LIVE_PROVIDERS
from console.secrets import is_secret_name
from core.clock import iso_ns

MOST_ROWS: Final = 1000
_ASKED: Final = {
    "status": "what the engine says of itself",
    "store": "the store, series by series",
    "accounts": "accounts of paper trading",
    "metrics": "the figures that Prometheus would get",
    "alerts": "alerts: rules, what fires, what fired",
}


def all_parts(scene: Scene) -> Iterator[Part]:
    """Every part, those first that change fastest."""
    for operation, about in _ASKED.items():
        yield Part(f"{operation}.json", about, _asking(scene, operation))
    yield from _message_parts(scene)
    yield from ring_parts(scene)
    yield Part("registry.json", "the engines in the service registry", lambda: _registry(scene))
    yield Part("process.json", "the process of the engine", lambda: _process(scene))
    yield from log_parts(scene)
    yield Part("settings.json", "the settings and where each came from, without secrets", lambda: _settings(scene))
    yield Part("doctor.json", "what doctor finds", lambda: _doctor(scene))
    yield Part("machine.json", "system, memory, disks, versions", lambda: _machine(scene))
    yield Part("store/gaps.json", "the newest gaps", lambda: _gaps(scene))
    yield Part("store/quarantine.json", "what was rejected, by series and reason", lambda: _quarantine(scene))
    if scene.note:
        yield Part("note.txt", "what whoever saved this wrote", scene.note.encode)


def _asking(scene: Scene, operation: str) -> Callable[[], Any]:
    return lambda: scene.ask(operation)


def _message_parts(scene: Scene) -> Iterator[Part]:
    # The engine knows the connections of its own process; each process of a feed those of that.
    about = "the newest messages of a venue as they came"
    for owner in (scene.instance, *(f"{scene.instance}.{provider}" for provider in LIVE_PROVIDERS)):
        try:
            names = scene.ask("messages", of=owner).get("connections", [])
        except AbsentError as error:
            if owner == scene.instance:
                yield Part.missing("messages", about, str(error))
            continue
        for name in names if isinstance(names, list) else []:
            yield Part(f"messages/{str(name).replace(' ', '-')}.txt", about, _messages(scene, owner, str(name)))


def _messages(scene: Scene, owner: str, connection: str) -> Callable[[], bytes]:
    def make() -> bytes:
        rows = scene.ask("messages", of=owner, connection=connection).get("messages", [])
        if not rows:
            raise AbsentError("nothing came yet, or this connection keeps none")
        lines = (f"{iso_ns(int(row['ts_recv_ns']))}\t{str(row['text']).rstrip()}" for row in rows)
        return ("\n".join(line.replace("\r", " ").replace("\n", " ") for line in lines) + "\n").encode()

    return make


def _registry(scene: Scene) -> Any:
    from ringbuf import discovery, layout

    if not scene.place.shared_memory.is_dir():
        raise AbsentError("no engine has run since the machine started")
    try:
        states = discovery.instances()
    except layout.RingError as error:
        raise AbsentError(str(error)) from error
    return [
        {
            "instance_id": state.instance,
            "health": state.health,
            "pid": state.pid,
            "providers": list(state.providers),
            "symbols": {venue: list(names) for venue, names in state.symbols.items()},
            "started": iso_ns(state.started_ns),
            "heartbeat_age_s": round(state.heartbeat_age_s, 3),
        }
        for state in states
    ]


def _process(scene: Scene) -> Any:
    if scene.service is None:
        raise AbsentError("no engine runs")
    folder = Path(f"/proc/{scene.service.pid}")
    if scene.service.health == "dead" or not folder.is_dir():
        raise AbsentError(f"process {scene.service.pid} is gone")
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    kept = ("State", "VmRSS", "VmHWM", "VmSize", "Threads", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    limits = (folder / "limits").read_text(encoding="utf-8").splitlines()
    return {
        "pid": scene.service.pid,
        "command": words,
        "status": {name: status[name].strip() for name in kept if name in status},
        "open_files": len(list((folder / "fd").iterdir())),
        "limits": [line for line in limits if line.startswith(("Max open files", "Max locked", "Max address"))],
    }


def _settings(scene: Scene) -> Any:
    from config.load import dump

    place = scene.place
    rows = [
        {
            "setting": name,
            "value": HIDDEN if value and is_secret_name(name) else value,
            "origin": place.origins.get(name, "default"),
        }
        for name, value in dump(place.settings).items()
    ]
    changed = sorted(name for name in place.environment if name.startswith("RINGSIDE_"))
    return {
        "file": str(place.configuration_file),
        "files": list(place.files),
        "problems": list(place.problems),
        "variables": changed,
        "settings": rows,
    }


def _doctor(scene: Scene) -> Any:
    from console.doctor.checks import chosen
    from console.doctor.running import run_checks
    from console.doctor.showing import row, summary

    found = run_checks(chosen(everything=True), scene.place)
    return {"summary": summary(found), "findings": [row(finding) for finding in found]}


def _machine(scene: Scene) -> Any:
    from console.doctor.machine import memory_of_group, package_versions

    memory = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[:5]
    most, used = memory_of_group()
    folders = {name: path for name, path in scene.place.directories.items() if path.is_dir()}
    return {
        "system": platform.platform(),
        "python": sys.version,
        "executable": sys.executable,
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "up_s": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
        "memory": memory,
        "control_group": {"memory_bytes": most, "used_bytes": used},
        "disks": {name: _disk(path) for name, path in folders.items()},
        "packages": package_versions(),
    }


def _disk(path: Path) -> dict[str, int | str | None]:
    space = space_of(path)
    return {
        "path": str(path),
        "free_bytes": None if space is None else space.free_bytes,
        "bytes": None if space is None else space.total_bytes,
    }


def _books(scene: Scene) -> Path:
    from console.stores import catalogue_path, spill_directory

    database = scene.place.settings.database.url
    path = catalogue_path(spill_directory(scene.place.paths.data) if database else scene.place.paths.state)
    if not path.exists():
        raise AbsentError("nothing is stored here")
    return path


def _gaps(scene: Scene) -> Any:
    from core.store.catalogue import Catalogue

    opened = Catalogue(_books(scene), read_only=True)
    try:
        gaps = sorted(opened.gaps(), key=lambda gap: gap.end_ns)
    finally:
        opened.close()
    rows = [attrs.asdict(gap, recurse=False) | {"series": str(gap.series)} for gap in gaps[-MOST_ROWS:]]
    return {
        "known": len(gaps),
        "gaps": [row | {"start": iso_ns(row["start_ns"]), "end": iso_ns(row["end_ns"])} for row in rows],
    }


def _quarantine(scene: Scene) -> Any:
    from core.store.catalogue import Catalogue

    opened = Catalogue(_books(scene), read_only=True)
    try:
        kept = opened.quarantined()
    finally:
        opened.close()
    return [
        {"series": str(one.series), "reason": one.reason, "rows": one.rows, "newest_hex": one.newest.hex()}
        for one in kept[:MOST_ROWS]
    ]


def manifest_facts(scene: Scene) -> dict[str, Any]:
    """What the manifest says besides its list of files; the answers of engines are not in it."""
    from console.doctor.machine import package_versions

    facts = {
        "schema_version": 1,
        "ringside": package_versions().get("ringside", ""),
        "instance_id": scene.instance,
        "engine": "none runs" if scene.service is None else scene.service.health,
        "made": iso_ns(scene.now_ns),
        "since": iso_ns(scene.since_ns),
        "command": sys.argv[1:],
        "note": scene.note,
    }
    found: dict[str, Any] = json.loads(json.dumps(scene.redaction.value(facts), default=str))
    return found
