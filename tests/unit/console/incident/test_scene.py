"""What is secret is gathered from everywhere it may stand, the process of the engine included."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from config.paths import find_paths
from console.doctor.place import find_place
from console.incident.gathering import all_parts
from console.incident.scene import Scene, open_scene
from ringbuf import discovery, layout

ANNOUNCE = """
import sys
from ringbuf.discovery import Announcement
living = Announcement("gamma", providers=["simulated"], symbols={})
print("there", flush=True)
sys.stdin.read()
living.close()
"""


@contextmanager
def gamma(variables: Mapping[str, str], words: Sequence[str] = (), *, folder: Path) -> Iterator[None]:
    """An engine in the registry that has this environment and command line, and says nothing."""
    environment = {**find_place().environment, **variables, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", ANNOUNCE, *words]
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        yield
        process.communicate(b"")


def scene_of(*, assigned: Sequence[str] = ()) -> Scene:
    """The scene of that engine, or of none."""
    instance = "gamma" if is_there() else None
    return open_scene(find_place(assigned=assigned), instance=instance, now_ns=0, since_ns=0, note="")


def is_there() -> bool:
    """Whether it is announced."""
    return layout.place().is_dir() and any(state.instance == "gamma" for state in discovery.instances())


def test_the_address_of_a_hook_in_the_environment_of_an_engine_is_hidden(tmp_path: Path) -> None:
    """It is marked in the settings, and nothing in the name of the variable says so."""
    variables = {
        "RINGSIDE__ALERTING__HANDLERS__PHONE__KIND": "ntfy",
        "RINGSIDE__ALERTING__HANDLERS__PHONE__URL": "https://ntfy.sh/quiet-topic",
    }
    with gamma(variables, folder=tmp_path):
        assert scene_of().redaction.text("sent to quiet-topic") == "sent to ***"
    assert scene_of().redaction.text("sent to quiet-topic") == "sent to quiet-topic"


def test_the_file_that_an_engine_was_started_with_is_read(tmp_path: Path) -> None:
    """From the directory in which it was started."""
    file = tmp_path / "other.toml"
    file.write_text('[alerting.handlers.x]\nkind = "ntfy"\nurl = "https://ntfy.sh/quiet-topic"\n')
    file.chmod(0o600)
    for words in (["--config", "other.toml"], ["-c", "other.toml"], ["--config=other.toml"]):
        with gamma({}, words, folder=tmp_path):
            assert scene_of().redaction.text("sent to quiet-topic") == "sent to ***"


def test_settings_have_what_was_assigned_and_are_there_when_they_are_wrong() -> None:
    """With the problems: that is when somebody looks at them."""
    file = find_paths().configuration_file
    file.parent.mkdir(parents=True)
    file.write_text("[ring]\ncapacity = 'many'\n[screen]\nascii_only = true\n")
    scene = scene_of(assigned=["log.level=debug"])
    part = next(part for part in all_parts(scene) if part.name == "settings.json")
    made = json.loads(json.dumps(part.make()))
    rows = {row["setting"]: row for row in made["settings"]}
    assert rows["log.level"]["value"] == "debug"
    assert "--set" in rows["log.level"]["origin"]
    assert rows["screen.ascii_only"]["value"] is True
    assert made["files"] == [str(file)]
    assert ["capacity" in problem for problem in made["problems"]] == [True]
    assert attrs.asdict(scene.place.settings.ring)["capacity"] != "many"
