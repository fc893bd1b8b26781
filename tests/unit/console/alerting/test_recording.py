"""Figures of a session on the disk, and rehearsals on them."""

from __future__ import annotations

import gzip
import logging
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from console.alerting.recording import (
    MAX_TOTAL_BYTES,
    FrameRecorder,
    find_session,
    read_frames,
    sessions,
    sessions_folder,
)
from console.alerting.rehearsal import rehearse, rehearse_session, rule_rows
from core.alerts.message import Message
from core.alerts.rules import Comparison, Rule, Severity
from core.alerts.watch import Event, Watch
from core.clock import DAY_NS, NS_PER_S
from core.errors import ConfigurationError, NotFoundError
from core.telemetry.frame import Column, Frame
from core.telemetry.series import SERIES
from tests.unit.core.alerts.worlds import frame

BTC, ETH = ("KRAKEN", "BTCUSD"), ("KRAKEN", "ETHUSD")
HOT = Rule(
    name="hot", metric="ringside_stale", comparison=Comparison.AT_LEAST, threshold=1, severity=Severity.WARNING
)


def equal(one: Frame, other: Frame) -> bool:
    """Whether two frames say the same."""
    return one.time_ns == other.time_ns and {
        name: (column.labels, column.values.tobytes()) for name, column in one.columns.items()
    } == {name: (column.labels, column.values.tobytes()) for name, column in other.columns.items()}


def recorder(folder: Path) -> FrameRecorder:
    """One of the engine `alpha`."""
    return FrameRecorder(folder, "alpha", keep_days=30)


FRAMES = [
    frame(0, heat={BTC: 0.1, ETH: math.nan}, up={("KRAKEN",): 1}),
    frame(30, heat={BTC: 0.1, ETH: math.nan}, up={("KRAKEN",): 0}),
    frame(60, heat={ETH: math.inf}, up={("KRAKEN",): 0}),
    frame(90, up={("KRAKEN",): 1e300}),
    frame(120, heat={BTC: 1 / 3}),
]


def test_frames_come_back_as_they_went(tmp_path: Path) -> None:
    """To the last bit, what is unknown and infinite too, and only its owner may read them."""
    writer = recorder(tmp_path)
    for one in FRAMES:
        writer.write(one)
    writer.close()
    (session,) = sessions(tmp_path)
    assert (session.name, session.instance) == ("alpha-19700112T134640Z", "alpha")
    found = list(read_frames(session))
    assert len(found) == len(FRAMES)
    assert all(map(equal, found, FRAMES))
    assert stat.S_IMODE(session.path.stat().st_mode) == 0o600
    for folder in (session.path.parent, session.path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_being_written_can_be_read(tmp_path: Path) -> None:
    """Each frame is there once it is written, whether the file is ever closed or not."""
    writer = recorder(tmp_path)
    for number, one in enumerate(FRAMES, 1):
        writer.write(one)
        assert len(list(read_frames(find_session(tmp_path, "latest")))) == number
    writer.close()
    writer.close()


def test_a_file_may_end_anywhere(tmp_path: Path) -> None:
    """Whatever a kill leaves, the frames before are read, and never one that was not written."""
    writer = recorder(tmp_path)
    for one in FRAMES:
        writer.write(one)
    session = find_session(tmp_path, "alpha")
    content = session.path.read_bytes()
    seen = set()
    for end in range(len(content)):
        session.path.write_bytes(content[:end])
        found = list(read_frames(session))
        assert all(map(equal, found, FRAMES))
        seen.add(len(found))
    assert seen == set(range(len(FRAMES) + 1))
    writer.close()


def test_damage_is_said(tmp_path: Path) -> None:
    """A byte that was changed, or a file of somebody else, is an error in words or reads as it was."""
    writer = recorder(tmp_path)
    for one in FRAMES:
        writer.write(one)
    writer.close()
    session = find_session(tmp_path, "alpha")
    content = session.path.read_bytes()
    errors = list[str]()
    for place in range(0, len(content), 7):
        session.path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            list(read_frames(session))
        except ConfigurationError as error:
            errors.append(str(error))
    assert len(errors) > 10
    assert all(str(session.path) in error for error in errors)


@pytest.mark.parametrize(
    "line",
    [
        "[]", "1", "{}", "nonsense", '{"time_ns": 1e999, "changed": {}}', '{"time_ns": -1, "changed": {}}',
        '{"time_ns": 1%s, "changed": {}}' % ("0" * 30), '{"time_ns": true, "changed": {}}',
        '{"time_ns": 1, "changed": {"a": {"labels": [["x"]], "values": [1%s]}}}' % ("0" * 400),
        '{"time_ns": 1}', '{"time_ns": "x", "changed": {}}',
        '{"time_ns": 1, "changed": {"a": {"values": [1]}}}',
        '{"time_ns": 1, "changed": {"a": {"labels": [["x"]], "values": [1, 2]}}}',
    ],
)  # fmt: skip
def test_nonsense_is_said(tmp_path: Path, line: str) -> None:
    """Whatever stands in the lines."""
    sessions_folder(tmp_path).mkdir(parents=True)
    path = sessions_folder(tmp_path) / "alpha-20260101T000000Z.frames.gz"
    path.write_bytes(gzip.compress(f"{line}\n".encode()))
    with pytest.raises(ConfigurationError):
        list(read_frames(find_session(tmp_path, "latest")))


def test_the_newest_is_the_latest(tmp_path: Path) -> None:
    """Sessions are found by name, by instance and as the latest; another name is told what there is."""
    for began_s in (1_700_000_000, 1_702_000_000, 1_701_000_000):
        writer = recorder(tmp_path)
        writer.write(Frame(began_s * NS_PER_S, {}))
        writer.close()
    (sessions_folder(tmp_path) / "odd.frames.gz").touch()
    (sessions_folder(tmp_path) / "other.txt").touch()
    names = [one.name for one in sessions(tmp_path)]
    assert names == ["alpha-20231208T014640Z", "alpha-20231126T120000Z", "alpha-20231114T221320Z"]
    assert find_session(tmp_path, "latest").name == find_session(tmp_path, "alpha").name == names[0]
    assert find_session(tmp_path, names[2]).name == names[2]
    with pytest.raises(NotFoundError, match="no such session"):
        find_session(tmp_path, "beta")
    with pytest.raises(NotFoundError, match="no session was recorded"):
        find_session(tmp_path / "elsewhere", "latest")


def test_old_sessions_go(tmp_path: Path) -> None:
    """Those that are older than is wanted, and the oldest of too many; never one that is being written."""
    now_ns = 1_800_000_000 * NS_PER_S
    sessions_folder(tmp_path).mkdir(parents=True)
    ages = {"fresh-20260101T000000Z": 0.01, "young-20260101T000000Z": 2, "large-20260101T000000Z": 3,
            "old-20260101T000000Z": 40, "running-20260101T000000Z": 0}  # fmt: skip
    for name, days in ages.items():
        path = sessions_folder(tmp_path) / f"{name}.frames.gz"
        path.touch()
        if name.startswith("large"):
            os.truncate(path, MAX_TOTAL_BYTES + 1)
        os.utime(path, ns=(0, now_ns - round(days * DAY_NS)))
    writer = recorder(tmp_path)
    writer.write(Frame(now_ns, {}))
    writer.close()
    assert {one.instance for one in sessions(tmp_path)} == {"alpha", "fresh", "young", "running"}


def test_a_disk_that_takes_nothing_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make_room: Callable[[Path], None]
) -> None:
    """The engine goes on, and when there is room again so does the recording, from a whole frame on."""
    blocked = tmp_path / "alerts"
    blocked.write_text("a file")
    writer = recorder(tmp_path)
    with caplog.at_level(logging.WARNING, logger="ringside.alerts"):
        writer.write(FRAMES[0])
        writer.write(FRAMES[1])
    assert len(caplog.records) == 1
    make_room(blocked)
    writer.write(FRAMES[1])  # too soon to try again
    assert sessions(tmp_path) == []
    writer.write(FRAMES[2])
    writer.write(FRAMES[3])
    writer.close()
    assert len(caplog.records) == 1
    assert all(map(equal, read_frames(find_session(tmp_path, "latest")), FRAMES[2:4]))


def test_a_full_disk_leaves_no_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What took no frame goes again."""

    def full(_file: gzip.GzipFile, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(gzip.GzipFile, "write", full)
        writer = recorder(tmp_path)
        for number in range(100):
            writer.write(frame(number * 30, heat={BTC: 1}))
    assert sessions(tmp_path) == []
    writer.write(frame(4000, heat={BTC: 1}))
    writer.close()
    assert len(sessions(tmp_path)) == 1


@pytest.fixture
def make_room() -> Callable[[Path], None]:
    """Takes what is in the way out of it."""
    return Path.unlink


def hot(*seconds: int) -> list[Frame]:
    """Two hours of looks, in which BTCUSD is stale at these seconds."""
    names = (BTC, ETH)
    return [
        Frame(
            (1_000_000 + second) * NS_PER_S,
            {"ringside_stale": Column(names, np.array([float(second in seconds), 0.0]))},
        )
        for second in range(0, 7200, 30)
    ]


def test_a_rehearsal_is_what_would_have_happened(tmp_path: Path) -> None:
    """The rules over the recorded session bring the events and messages that they brought while it ran."""
    labels = {name: one.labels for name, one in SERIES.items()}
    watch, writer = Watch([HOT], labels, instance="alpha"), recorder(tmp_path)
    events: list[Event] = []
    messages: list[Message] = []
    for one in hot(300, 330, 360, 3000, 7170):
        writer.write(one)
        found = watch.look(one)
        events += found.events
        messages += found.messages
    writer.close()
    again = rehearse_session(find_session(tmp_path, "latest"), [HOT])
    assert (again.events, again.messages) == (tuple(events), tuple(messages))
    assert again.looks == 240
    (row,) = rule_rows(again, [HOT])
    assert row == {
        "rule": "hot",
        "severity": "warning",
        "fired": 3,
        "subjects": 1,
        "firing_s": 120.0,
        "messages": 6 - 1,
    }


def test_other_rules_can_be_tried() -> None:
    """A rule that waits longer would have fired less; those that fired come first."""
    patient = Rule(
        name="patient", metric="ringside_stale", comparison=Comparison.AT_LEAST, threshold=1,
        severity=Severity.CRITICAL, for_s=60,
    )  # fmt: skip
    found = rehearse(hot(300, 330, 360, 3000), [patient, HOT], instance="alpha")
    assert [(row["rule"], row["fired"]) for row in rule_rows(found, [patient, HOT])] == [("patient", 1), ("hot", 2)]
    quiet = rehearse(hot(), [patient, HOT], instance="alpha")
    assert [row["fired"] for row in rule_rows(quiet, [patient, HOT])] == [0, 0]
    assert rehearse([], [HOT], instance="alpha").looks == 0
