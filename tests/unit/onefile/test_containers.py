"""What can be known of the containers and of the systemd unit without an engine: what they name exists, nothing is
open to the world, no secret stands anywhere, and each stops the way the program does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.__main__ import build_parser
from console.childprocess import LEAVE_S
from onefile.build import ROOT
from onefile.project import read_project

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.docker.example").read_text(encoding="utf-8")
UNIT = ROOT / "docs" / "ringside.service"
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[-?][^}]*)?\}")
LASTING = [name for name, service in SERVICES.items() if service["restart"] != "no"]


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments, lines that go on joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", DOCKERFILE))
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def words(command: list[str]) -> list[str]:
    """A command with its variables replaced by their defaults."""
    return [VARIABLE.sub(lambda found: (found[2] or ":-")[2:], word) for word in command]


def test_what_is_copied_exists_and_is_let_through() -> None:
    """Every source is in the checkout and named in .dockerignore, and no package of the project is forgotten."""
    copied = {
        word for name, rest in instructions() if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    }
    assert all((ROOT / word).exists() for word in copied)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert {"onefile", "zipapp.py", "pyproject.toml", *read_project(ROOT).packages} == copied


def test_images_have_tags_that_stay() -> None:
    """Neither the Dockerfile nor a service takes whatever is the latest."""
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    images = [service["image"] for service in SERVICES.values()]
    for image in bases + images:
        name, _, tag = image.rpartition(":")
        assert name, image
        assert tag not in {"", "latest"}, image


def test_the_image_runs_as_a_user_and_stops_by_the_signal_the_engine_knows() -> None:
    """Not root, told in time, checked for its health; a program and not a shell is process 1."""
    found = list(instructions())
    last_from = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    final = dict(found[last_from:])
    assert final["USER"].split(":")[0] not in {"root", "0"}
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert "control" in final["HEALTHCHECK"]
    assert final["ENTRYPOINT"].startswith("[")
    secrets = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY")
    assert not any(secrets.search(rest) for name, rest in found if name in {"ENV", "ARG"})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_keeps_to_itself(name: str) -> None:
    """Ports on this machine alone, no new privileges, limits, logs that turn over."""
    service = SERVICES[name]
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


@pytest.mark.parametrize("name", LASTING)
def test_a_service_that_lasts_is_watched_and_limited(name: str) -> None:
    """It comes back when it fails, its health is asked about, and it takes no more than its share."""
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert len(service["healthcheck"]["test"]) > 1
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])


def test_volumes_and_what_is_waited_for_exist() -> None:
    """Named volumes are declared; a service that must be healthy says when it is, one that must end does."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith("/") or source in COMPOSE["volumes"], volume
        for name, how in service.get("depends_on", {}).items():
            ends = how["condition"] == "service_completed_successfully"
            assert (SERVICES[name]["restart"] == "no") is ends


def test_the_daemon_shares_its_rings_with_the_host() -> None:
    """The same segments, the same process numbers, the user of the host; and the time it takes to drain."""
    service = SERVICES["ringside"]
    assert "/dev/shm:/dev/shm" in service["volumes"]
    assert (service["ipc"], service["pid"]) == ("host", "host")
    assert service["user"].startswith("${RINGSIDE_UID:?")
    assert (service["stop_signal"], service["read_only"], service["cap_drop"]) == ("SIGTERM", True, ["ALL"])
    assert int(service["stop_grace_period"].removesuffix("s")) > 2 * LEAVE_S


def test_what_the_containers_run_is_understood() -> None:
    """Every command line, with what is the default of each variable, is one of this program."""
    asked = [words(SERVICES[name]["command"]) for name in ("migrate", "ringside")]
    health = words(SERVICES["ringside"]["healthcheck"]["test"])
    assert health[:2] == ["CMD", "ringside"]
    unit = re.search(r"(?m)^ExecStart=\S+ (.*)$", UNIT.read_text(encoding="utf-8"))
    assert unit is not None
    for arguments in (*asked, health[2:], unit[1].split()):
        assert build_parser().parse_args(arguments).batch
    assert asked[1][-1] == health[-2]


def test_the_example_covers_every_variable_and_says_what_each_is() -> None:
    """Each that is used is there, after words about it; none is there that nobody uses; secrets are empty."""
    used = {found[1] for found in VARIABLE.finditer(COMPOSE_TEXT)}
    given = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", EXAMPLE))
    assert used == set(given)
    lines = EXAMPLE.splitlines()
    for at, line in enumerate(lines):
        if re.match(r"[A-Z_]+=", line):
            before = next(one for one in reversed(lines[:at]) if not re.match(r"[A-Z_]+=", one))
            assert before.startswith("# "), line
    required = {found[1] for found in VARIABLE.finditer(COMPOSE_TEXT) if (found[2] or "").startswith(":?")}
    assert all(not given[name] for name in required | {"DATABENTO_API_KEY"})
    assert {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "RINGSIDE_UID", "RINGSIDE_GID"} == required
    for found in VARIABLE.finditer(COMPOSE_TEXT):
        if (found[2] or "").startswith(":-"):
            assert given[found[1]] == found[2][2:], found[1]


def test_no_password_is_part_of_a_command() -> None:
    """Command lines can be read by everybody on the machine."""
    for service in SERVICES.values():
        told = [*service.get("command", []), *service.get("healthcheck", {}).get("test", [])]
        assert not any(re.search(r"(?<!\$)\$\{?[A-Z_]*PASSWORD", word) for word in told)


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker here")
def test_compose_itself_understands_it(tmp_path: Path) -> None:
    """Where the client is installed with its plug-in, it resolves the file with the example filled in."""
    docker = shutil.which("docker")
    assert docker is not None
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose here")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    filled = re.sub(r"(?m)^([A-Z]+_(?:PASSWORD|UID|GID))=$", r"\g<1>=1000", EXAMPLE)
    (tmp_path / ".env").write_text(filled)
    ended = subprocess.run(
        [docker, "compose", "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """It has no complaint, but that the program is not installed here: another stands in."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/ringside.pyz", "/bin/true"))
    ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_unit_knows_the_exit_codes() -> None:
    """A stop that was asked for is a success; what a restart does not mend is not restarted."""
    from core import errors

    text = UNIT.read_text(encoding="utf-8")
    assert "SuccessExitStatus=143" in text
    found = re.search(r"(?m)^RestartPreventExitStatus=(.*)$", text)
    assert found is not None
    final = (
        errors.UsageError,
        errors.ConfigurationError,
        errors.NotFoundError,
        errors.AuthenticationError,
        errors.RefusedError,
    )
    assert {int(code) for code in found[1].split()} == {error.exit_code for error in final}
