"""`incident`: save everything that tells what an engine and its machine are doing, in one file, without secrets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.settings_options import add_settings_options
from core.errors import UsageError

if TYPE_CHECKING:
    from console.incident.scene import Scene

NAME = "incident"
HELP = "save what an engine is doing, in one file without secrets"
DIRECTORY: Final = "incidents"
MOST_MINUTES: Final = 7 * 24 * 60.0
MOST_NOTE: Final = 10_000


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("instance", nargs="?", help="name of the engine (default: the only one)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to save it (default: in the state directory)")
    parser.add_argument("--note", default="", metavar="TEXT", help="what happened, in your words")
    parser.add_argument(
        "--minutes", type=float, default=15.0, metavar="N", help="how far back logs and records go (default: 15)"
    )
    add_settings_options(parser)
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Save it and print where; what could not be had is said, and is no failure."""
    from console.doctor.place import find_place
    from console.incident.scene import open_scene
    from core.clock import NS_PER_S, wall_ns

    if not 0 < arguments.minutes <= MOST_MINUTES:  # nan is in between nothing
        raise UsageError("bad number of minutes", str(arguments.minutes), hint=f"from 1 to {MOST_MINUTES:g}")
    if len(arguments.note) > MOST_NOTE:
        raise UsageError("the note is too long", f"{len(arguments.note)} characters", hint=f"at most {MOST_NOTE}")
    now_ns = wall_ns()
    scene = open_scene(
        find_place(arguments.config, assigned=arguments.assigned),
        instance=arguments.instance,
        now_ns=now_ns,
        since_ns=now_ns - int(arguments.minutes * 60 * NS_PER_S),
        note=arguments.note,
    )
    path = _path(arguments.out, scene)
    listed = save(scene, path)
    missing = [row for row in listed if "missing" in row]
    for row in missing:
        output.talk(f"not there: {row['name']}: {row['missing']}")
    written = [row for row in listed if "missing" not in row]
    saved: dict[str, Any] = {
        "schema_version": 1,
        "path": str(path),
        "instance_id": scene.instance or None,
        "files": len(written),
        "missing": len(missing),
        "bytes": path.stat().st_size,
    }
    output.write_object(saved, form=arguments.format)
    return 0


def _path(wanted: Path | None, scene: Scene) -> Path:
    from console.incident.scene import NO_ENGINE
    from core.clock import iso_ns
    from core.errors import ConfigurationError
    from core.store.paths import make_folder

    moment = iso_ns(scene.now_ns)[:19].replace(":", "").replace("-", "")
    name = f"incident-{scene.instance or NO_ENGINE}-{moment}Z.zip"
    if wanted is not None:
        return wanted.expanduser() / name if wanted.is_dir() else wanted.expanduser()
    directory = scene.place.paths.state / DIRECTORY
    try:
        make_folder(directory)
    except OSError as error:
        raise ConfigurationError(
            "nowhere to save it", f"{directory}: {error.strerror}", hint="name a file with --out"
        ) from error
    return directory / name


def save(scene: Scene, path: Path) -> list[dict[str, Any]]:
    """Write the bundle to `path`, which must not exist; what is in it and what is not. Raises `ConsoleError`."""
    from console.incident.archive import new_archive
    from console.incident.gathering import all_parts, manifest_facts
    from console.incident.parts import put

    with new_archive(path) as archive:
        for part in all_parts(scene):
            _say(part.name)
            put(part, archive, scene.redaction)
        _say("")
        archive.finish(manifest_facts(scene))
    return archive.listed


def _say(name: str) -> None:
    import sys

    if sys.stderr.isatty():
        sys.stderr.write(f"\r{'saving ' + output.harmless(name) if name else '':<60.60}\r")
        sys.stderr.flush()
