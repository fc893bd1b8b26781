"""Programs of one's own, with real ones."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
import trio

from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.program import MAX_OUTPUT_BYTES, ProgramHandler
from console.alerting.sending import send_once
from core.errors import ConsoleError, PermanentError, TransientError
from tests.unit.console.alerting.hearing import CRITICAL, DEADLINE_S, message


@pytest.fixture
def script(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Makes an executable file of lines of shell."""

    def make(*lines: str) -> str:
        path = tmp_path / "tell me.sh"
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o700)
        return str(path)

    return make


async def tell(*command: str, timeout_s: float = 20.0) -> None:
    """Tell it once."""
    handler = ProgramHandler(HandlerPlan(kind="exec", name="desk", command=command, timeout_s=timeout_s))
    with trio.fail_after(DEADLINE_S):
        await send_once(handler, CRITICAL)


@pytest.mark.trio
async def test_it_gets_the_message(script, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """As one line of JSON on its input, and its arguments as they are: no shell reads them."""
    await tell(script('cat > "$1"', 'printf %s "$2" > "$1.second"'), str(tmp_path / "got"), "$(id); `x` *")
    told = json.loads((tmp_path / "got").read_text())
    assert (told["severity"], told["rule"], told["schema_version"]) == ("critical", "store_down", 1)
    assert (tmp_path / "got.second").read_text() == "$(id); `x` *"


@pytest.mark.trio
async def test_it_gets_no_secrets(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """Of the variables it gets those that are known to be harmless, and it stands in no folder of ours."""
    for name in ("DATABASE_URL", "DATABENTO_API_KEY", "KRAKEN_SECRET", "RINGSIDE__ALERTING__HANDLERS__DESK__URL"):
        monkeypatch.setenv(name, "planted")
    monkeypatch.setenv("TZ", "UTC")
    await tell(script('env > "$1"', "pwd >> $1"), str(tmp_path / "got"))
    got = (tmp_path / "got").read_text().splitlines()
    assert not any("planted" in line for line in got)
    assert "TZ=UTC" in got
    assert got[-1] == "/"


@pytest.mark.trio
@pytest.mark.parametrize(
    ("line", "error", "subject"),
    [
        ("exit 3", TransientError, "the program ended with 3"),
        ("exit 78", PermanentError, "the program ended with 78"),
        ("no-such-program", PermanentError, "the program ended with 127"),
        ("kill -TERM $$", TransientError, "the program was ended by signal 15"),
    ],
)
async def test_how_it_ends_matters(script, line: str, error: type[ConsoleError], subject: str) -> None:  # type: ignore[no-untyped-def]
    """Anything but 0 is a failure; some codes say that trying again is of no use."""
    with pytest.raises(error) as caught:
        await tell(script(line))
    assert (type(caught.value), caught.value.subject) == (error, subject)


@pytest.mark.trio
async def test_what_it_prints_is_logged_when_it_fails(script, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    """The end of it, in one line that can be printed; nothing when it succeeds."""
    caplog.set_level(logging.DEBUG, "ringside.alerts")
    await tell(script("echo all is well"))
    assert caplog.text == ""
    with pytest.raises(TransientError):
        await tell(script("echo first", "printf 'no \\033[2Jroute\\n' >&2", "exit 1"))
    assert "the program of desk ended with 1: first | no ?[2Jroute" in caplog.text


@pytest.mark.trio
async def test_a_flood_is_bounded(script, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    """Megabytes of output are read and dropped, so that it does not stand still."""
    with pytest.raises(TransientError):
        await tell(script("head -c 8000000 /dev/zero | tr '\\0' x", "echo", "echo the end", "exit 1"))
    assert caplog.text.rstrip().endswith("the end")
    assert len(caplog.text) < MAX_OUTPUT_BYTES


@pytest.mark.trio
async def test_a_program_that_hangs_is_killed_with_what_it_started(script, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """In time, also what ignores a request to end."""
    pids = tmp_path / "pids"
    hanging = script(
        "trap '' TERM HUP INT", "sleep 600 &", f'echo "$$ $!" > {pids}.new && mv {pids}.new {pids}', "wait"
    )
    handler = ProgramHandler(HandlerPlan(kind="exec", name="desk", command=(hanging,)))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handler.send, message())
            while not pids.exists():
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        for pid in map(int, pids.read_text().split()):
            while _lives(pid):
                await trio.sleep(0.01)


@pytest.mark.trio
async def test_the_time_is_kept(script) -> None:  # type: ignore[no-untyped-def]
    """What takes longer is an error."""
    with pytest.raises(TransientError, match=r"no answer within 0\.2 s"):
        await tell(script("sleep 600"), timeout_s=0.2)


@pytest.mark.trio
async def test_it_need_not_listen(script) -> None:  # type: ignore[no-untyped-def]
    """A program that closes its input, or ends without reading it, has heard."""
    await tell(script("exec 0<&-", "exit 0"))
    await tell("/bin/true")


@pytest.mark.trio
async def test_what_it_leaves_behind_is_not_waited_for(script) -> None:  # type: ignore[no-untyped-def]
    """A child that goes on and holds the output open does not hold up the message."""
    with trio.fail_after(10):
        await tell(script("sleep 20 &", "exit 0"))


@pytest.mark.trio
async def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    """A program that has gone, or is none."""
    with pytest.raises(PermanentError, match="cannot be started: No such file or directory"):
        await tell(str(tmp_path / "gone"))
    broken = tmp_path / "broken"
    broken.write_text("\x00\x01no program")
    broken.chmod(0o700)
    with pytest.raises(PermanentError, match="cannot be started: Exec format error"):
        await tell(str(broken))


def _lives(pid: int) -> bool:
    # A process that has ended and that nobody has waited for does nothing any more.
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
