"""Incident bundles of a real engine: complete, readable by others, and without a secret wherever one stood."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.paths import find_paths
from tests.simulator.test_bad_input import error_of, ringside
from tests.simulator.test_engine import _wait_for_trades

MARK = "MARKED"
SETTINGS = f"""
[alerting.handlers.hook]
kind = "slack"
url = "https://hooks.slack.com/services/T000/B000/{MARK}hook1"
[alerting.handlers.phone]
kind = "telegram"
token = "123456:{MARK}token2"
to = ["1"]
[alerting.handlers.mail]
kind = "email"
url = "smtps://me:{MARK}mail3@localhost:465"
to = ["a@b.example"]
sender = "a@b.example"
[alerting.handlers.program]
kind = "exec"
command = ["/bin/true", "--token", "{MARK}exec4"]
[venues.binance]
stream_url = "wss://{MARK}user5:{MARK}word6@127.0.0.1:1/ws?key={MARK}query7"
"""
ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://me:{MARK}db8%2F@127.0.0.1:1/d",
    "REDIS_URL": f"redis://:{MARK}redis9@127.0.0.1:1/0",
    "DATABENTO_API_KEY": f"db-{MARK}databento10",
    "OTHER_TOKEN": f"{MARK}other11",
}
LOG = f"""2030-01-01T00:00:00.000Z info    x: postgresql://me:{MARK}log12@host/d said {MARK}other11
2030-01-01T00:00:00.000Z info    x: Authorization: Bearer {MARK}log13 password={MARK}log14 db-{MARK}log15aaaaaaaaaa
2030-01-01T00:00:00.000Z info    x: {MARK}db8/ and {MARK}db8%2F, an ordinary line
"""


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets wherever one may stand: settings, environment, log; none of them leads anywhere."""
    paths = find_paths()
    paths.configuration.mkdir(parents=True, mode=0o700)
    paths.configuration_file.write_text(SETTINGS)
    paths.configuration_file.chmod(0o600)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    paths.logs.mkdir(parents=True, mode=0o700, exist_ok=True)
    (paths.logs / "other.log").write_text(LOG)


@pytest.fixture
def alpha(marked: None) -> Iterator[subprocess.Popen[bytes]]:
    """A read-only engine with marked settings and a marked command line."""
    line = "--batch serve --provider simulated --symbols BTCUSD,ETHUSD --ipc --instance-id alpha --read-only"
    settings = find_paths().configuration / f"{MARK}other11.toml"  # a name that happens to be a secret as well
    settings.write_text(SETTINGS)
    settings.chmod(0o600)
    words = [*line.split(), "--config", os.fspath(settings)]
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_trades("alpha", 1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def bundle(*arguments: str) -> dict[str, bytes]:
    """The members of a bundle that is saved now; nothing marked is in it, packed or not, nor in what was printed."""
    code, printed, errors = ringside("--batch", "incident", *arguments, "--note", f"token={MARK}note17", "--json")
    assert code == 0, errors + printed
    path = Path(json.loads(printed)["path"])
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        members = {name: packed.read(name) for name in packed.namelist()}
    for name, content in {**members, "packed": path.read_bytes(), "printed": (printed + errors).encode()}.items():
        assert MARK.encode() not in content, (name, content[max(content.find(MARK.encode()) - 80, 0) :][:160])
        assert MARK not in name
    return members


def manifest_of(members: dict[str, bytes]) -> dict[str, Any]:
    """What the manifest says, by name."""
    return {row["name"]: row for row in json.loads(members["manifest.json"])["files"]}


def test_everything_of_a_running_engine_and_no_secret(alpha: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Status, messages as they came, records that Databento's tools read, books, log, settings, findings."""
    members = bundle("alpha")
    for name in ("status.json", "registry.json", "process.json", "settings.json", "doctor.json", "machine.json"):
        json.loads(members[name])
    assert json.loads(members["status.json"])["instance_id"] == "alpha"
    assert b"BTC/USD" in members["messages/SIM.KRAKEN.txt"]
    assert b"an ordinary line" in members["log/other.log"]
    assert b"alerting.handlers.hook.url" in members["settings.json"]
    assert any(b"bid quantity" in content for name, content in members.items() if name.startswith("books/"))
    listed = manifest_of(members)
    assert set(members) == {name for name, row in listed.items() if "sha256" in row} | {"manifest.json"}
    _check_records(members, tmp_path)


def _check_records(members: dict[str, bytes], tmp_path: Path) -> None:
    import databento_dbn as dbn

    name = "rings/alpha__BTCUSD_SIM.KRAKEN.dbn"
    decoder = dbn.DBNDecoder()
    decoder.write(members[name])
    header, *records = decoder.decode()
    assert isinstance(header, dbn.Metadata)
    assert header.symbols == ["BTCUSD"]
    assert records
    assert len(records) == int(manifest_of(members)[name]["about"].split()[2])
    text = members[name.replace(".dbn", ".csv")].decode().splitlines()
    assert len(text) == min(len(records), 100) + 1


def test_a_killed_engine_leaves_its_rings_to_look_at(alpha: subprocess.Popen[bytes]) -> None:
    """What it cannot say any more stands in the manifest; its last records are there."""
    alpha.kill()
    alpha.wait(30)
    members = bundle("alpha")
    assert "missing" in manifest_of(members)["status.json"]
    assert any(name.endswith(".dbn") for name in members)


def test_without_an_engine(marked: None) -> None:
    """Log, settings and findings are there; what is not is said with the reason."""
    members = bundle()
    assert {"settings.json", "doctor.json", "machine.json", "log/other.log"} <= set(members)
    assert manifest_of(members)["status.json"]["missing"] == "no engine runs"


def test_settings_that_cannot_be_read_are_there_with_what_is_wrong(marked: None) -> None:
    """A file that is no TOML any more has secrets all the same; what is in force without it is told, and why."""
    with find_paths().configuration_file.open("a") as file:
        file.write(f'\n[alerting.handlers.broken\ntoken = "{MARK}broken18"\n')
    members = bundle()
    settings = json.loads(members["settings.json"])
    assert len(settings["problems"]) == 1
    assert find_paths().configuration_file.name in settings["problems"][0]
    assert settings["settings"]
    assert "doctor.json" in members


def test_refusals(tmp_path: Path) -> None:
    """Nothing is overwritten; numbers and names that make no sense are mistakes; a place that is none is told."""
    there = tmp_path / "there.zip"
    there.write_text("mine")
    code, _, _ = ringside("--batch", "incident", "--out", os.fspath(there))
    assert code == 8
    assert there.read_text() == "mine"
    assert ringside("--batch", "incident", "--minutes", "nan")[0] == 2
    assert ringside("--batch", "incident", "../x")[0] == 2
    code, printed, _ = ringside("--batch", "incident", "--out", os.fspath(tmp_path / "no" / "a.zip"), "--json")
    assert code == 3
    assert error_of(printed)["category"] == "configuration"
