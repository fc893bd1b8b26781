"""No secret leaves the places where it was put: not in a log, an error, a bundle, a table or a page."""

from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.unit.console.batch.running import Console, home

MARK: Final = "pLaNtEd"
"""Begins every secret of these tests."""
DEADLINE_S: Final = 60
UNREACHABLE: Final = "127.0.0.1:1"

SETTINGS: Final = f"""
[venues.kraken]
stream_url = "wss://user:{MARK}-stream@127.0.0.1:1/ws"
rest_url = "https://user:{MARK}-rest@127.0.0.1:1"

[alerting]
interval_secs = 0.2

[alerting.rules.high]
metric = "price"
above = 1

[alerting.handlers.hook]
kind = "webhook"
url = "http://{UNREACHABLE}/{MARK}-hook?key={MARK}-query"
token = "{MARK}-bearer"
attempts = 1

[alerting.handlers.chat]
kind = "slack"
url = "https://{UNREACHABLE}/services/T0/B0/{MARK}-slack"
attempts = 1

[alerting.handlers.phone]
kind = "telegram"
url = "http://{UNREACHABLE}"
token = "12345:{MARK}-telegram"
to = ["1"]
attempts = 1

[alerting.handlers.topic]
kind = "ntfy"
url = "http://{UNREACHABLE}/{MARK}-topic"
token = "tk_{MARK}ntfy"
attempts = 1

[alerting.handlers.letter]
kind = "email"
url = "smtp://user:{MARK}-mail@{UNREACHABLE}"
to = ["ops@example.org"]
sender = "ringside@example.org"
attempts = 1
"""
ENVIRONMENT: Final = {
    "DATABASE_URL": f"postgresql://user:{MARK}-database@{UNREACHABLE}/ringside?sslpassword={MARK}-ssl",
    "REDIS_URL": f"redis://:{MARK}-redis@{UNREACHABLE}/0",
    "DATABENTO_API_KEY": f"db-{MARK}0123456789abcdefghijklm"[:32],
    "SOME_TOKEN": f"{MARK}-of-another-program",
}
_MARKS: Final = (MARK.encode(), MARK.lower().encode(), MARK.upper().encode())


@attrs.frozen
class Spoke:
    """What a command printed, on both of its outputs."""

    arguments: tuple[str, ...]
    code: int
    text: bytes


class Planted:
    """Runs commands in a home where there is a secret wherever one may be."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[Spoke] = []
        self.file = home() / "config" / "config.toml"
        self.file.parent.mkdir(parents=True, mode=0o700)
        self.file.write_text(SETTINGS)
        self.file.chmod(0o600)
        self._console = Console(capfd)
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str) -> Spoke:
        done = self._console(*arguments)
        spoke = Spoke(arguments, done.code, (done.out + done.err).encode())
        self.heard.append(spoke)
        return spoke

    def leaks(self) -> list[str]:
        """Where one of the secrets can be read, besides the file it stands in."""
        found = [f"{' '.join(one.arguments)}: {_around(one.text)}" for one in self.heard if _marked(one.text)]
        for path in sorted(home().rglob("*")):
            if path.is_file() and path != self.file:
                found += [f"{path.relative_to(home())} {inner}: {_around(content)}"
                          for inner, content in _contents(path) if _marked(content)]  # fmt: skip
        return found


def _marked(content: bytes) -> bool:
    return any(mark in content for mark in _MARKS)


def _around(content: bytes) -> str:
    at = max(content.find(mark) for mark in _MARKS)
    return repr(content[max(at - 60, 0) : at + 40])


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    # The bytes of a file as they are, and what is packed in it.
    content = path.read_bytes()
    yield "", content
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                member = archive.read(name)
                yield name, member
                if name.endswith(".gz"):
                    yield f"{name} unpacked", gzip.decompress(member)
    elif content.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(content)) as file:
            try:
                yield "unpacked", file.read()
            except EOFError:
                return


@pytest.fixture
def planted(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Planted:
    """Commands in such a home."""
    return Planted(capfd, monkeypatch)


QUIET: Final[Sequence[tuple[str, ...]]] = (
    ("config", "show"), ("config", "show", "--json"), ("config", "show", "--format", "csv"),
    ("config", "check"), ("config", "check", "--json"),
    ("alerts", "list"), ("alerts", "list", "--json"), ("alerts", "test"), ("alerts", "test", "--json"),
    ("doctor",), ("doctor", "--json"), ("doctor", "--verbose"), ("providers",), ("db", "stats"), ("db", "migrate"),
    ("backfill", "cost-report"), ("symbol", "list"), ("symbol", "discover", "--provider", "kraken"),
    ("fetch", "--symbols", "BTCUSD", "--exchange", "KRAKEN", "--start", "1d"),
    ("serve", "--provider", "kraken", "--symbols", "BTCUSD", "--duration", "2", "--json"),
    ("incident",), ("log",), ("log", "--json"),
)  # fmt: skip


def test_no_command_tells_a_secret(planted: Planted) -> None:
    """Neither what works nor what fails, in whatever format; and nothing that they leave on the disk."""
    for arguments in QUIET:
        planted(*arguments)
    assert planted.leaks() == []
    tried = next(one for one in planted.heard if one.arguments == ("alerts", "test", "--json"))
    assert tried.code == 9
    assert tried.text.count(b'"ok":false') == 5


def test_an_engine_tells_no_secret(planted: Planted) -> None:
    """Its log, its status, its page for Prometheus and its bundle, while everybody it should reach is away."""
    serve = [sys.executable, "-m", "console", "--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD",
             "--persist", "--instance-id", "alpha", "--log-format", "json", "--metrics-port", "0"]  # fmt: skip
    port = _free_port()
    serve[-1] = str(port)
    # A database that is away at the start would end it; one in files goes on.
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as engine:
        try:
            deadline_s = time.monotonic() + DEADLINE_S
            while b'"rule":"high"' not in planted("alerts", "history", "--json").text:
                assert time.monotonic() < deadline_s
                assert engine.poll() is None
            for arguments in (
                ("control", "alpha", "status", "--json"), ("alerts", "list", "--json"), ("metrics",),
                ("incident", "alpha"), ("doctor",), ("log", "alpha", "--json"),
            ):  # fmt: skip
                planted(*arguments)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                planted.heard.append(Spoke(("metrics page",), 0, page.read()))
        finally:
            engine.terminate()
            out, err = engine.communicate(timeout=DEADLINE_S)
    planted.heard.append(Spoke(("serve",), engine.returncode, out + err))
    assert engine.returncode == 143
    assert b'"rule": "high"' in out + err or b"high" in out + err
    assert list((home() / "state").rglob("incident-*.zip"))
    assert planted.leaks() == []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RINGSIDE__DATABASE__URL", f'["{MARK}"]'),
        ("RINGSIDE__CACHE__REDIS__URL", f"{{ password = '{MARK}' }}"),
        ("RINGSIDE__ALERTING__HANDLERS__HOOK__TOKEN", f"[1, '{MARK}']"),
        ("RINGSIDE__ALERTING__HANDLERS__HOOK__URL", f"'not an address {MARK}'"),
        ("RINGSIDE__ALERTING__HANDLERS__PHONE__TOKEN", f"'{MARK} {MARK}'"),
        ("RINGSIDE__ALERTING__HANDLERS__LETTER__URL", f"'smtp://{MARK}:{MARK}@'"),
        ("RINGSIDE__ALERTING__HANDLERS__OTHER__URL", f"'https://x/{MARK}'"),
        ("DATABASE_URL", f"postgresql://user:{MARK}@[::1"),
        ("REDIS_URL", f"nonsense://user:{MARK}@"),
        ("DATABENTO_API_KEY", f"{MARK}"),
    ],
)
def test_a_wrong_secret_is_not_repeated(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Errors say which setting is wrong, and not what stands there."""
    monkeypatch.setenv(name, value)
    for arguments in (("config", "check", "--json"), ("config", "show"), ("alerts", "test"), ("doctor",)):
        planted(*arguments)
    assert planted.leaks() == []


def test_a_file_that_others_may_read_is_refused(planted: Planted) -> None:
    """And so is what it says, without saying it."""
    planted.file.chmod(0o644)
    checked = planted("config", "check")
    assert checked.code == 3
    assert b"chmod 600" in checked.text
    assert planted("serve", "--provider", "simulated", "--duration", "1").code == 3
    assert planted.leaks() == []
