"""`config`: every value with its origin, every mistake at once, and changes that are looked at before they are
made."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from pathlib import Path

import pytest

from config.paths import find_paths
from tests.unit.console.batch.running import Console

PLANTED = Path(__file__).with_name("planted_mistakes.toml")
SECRETS = ("s3cret", "T0/B0", "bot123")


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """Runs commands with this test's home."""
    return Console(capsys)


def settings_file(text: str, *, mode: int = 0o600, name: str = "config.toml") -> Path:
    """The user's settings, or another file beside them."""
    path = find_paths().configuration / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def planted() -> dict[str, int]:
    """The line of each mistake of the file, by its key."""
    lines = PLANTED.read_text(encoding="utf-8").splitlines()
    found = ((re.search(r"# wrong: (.*)$", line), number) for number, line in enumerate(lines, start=1))
    return {mark[1]: number for mark, number in found if mark}


def test_every_planted_mistake_is_told_with_its_line(console: Console) -> None:
    """Wrong kinds, words, bounds, names, secrets and meanings: all in one run, each where it stands, and nothing
    that is right."""
    path = settings_file(PLANTED.read_text(encoding="utf-8"), mode=0o644)
    done = console("config", "check", "--json")
    assert done.code == 3
    answer = done.json
    assert (answer["ok"], {problem["file"] for problem in answer["problems"]}) == (False, {str(path)})
    found = [(problem["key"], problem["line"]) for problem in answer["problems"]]
    assert dict(found) == planted()
    assert len(found) == len(planted()) >= 25


def test_what_was_probably_meant_is_said(console: Console) -> None:
    """Of unknown keys, and of words of which there are few."""
    settings_file(PLANTED.read_text(encoding="utf-8"))
    hints = {problem["key"]: problem["hint"] for problem in console("config", "check", "--json").json["problems"]}
    assert hints["engin"] == "did you mean engine?"
    assert hints["engine.providr"] == "did you mean engine.provider?"
    assert hints["engine.provider"] == "did you mean binance?"
    assert hints["cache.redis.max_tick_per_symbol"] == "did you mean cache.redis.max_ticks_per_symbol?"
    assert hints["screen.theme"] == "did you mean dark?"
    assert hints["alerting.handlers.ops.kind"] == "did you mean slack?"
    assert hints["alerting.handlers.ops.min_severity"] == "did you mean warning?"
    assert hints["alerting.rules.mine.severity"] == "did you mean critical?"
    assert hints["log.levels.feed"] == "did you mean debug?"


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
def test_no_mistake_tells_a_secret(console: Console, form: str) -> None:
    """Neither the exposed ones nor the one of the wrong kind, in any form."""
    text = PLANTED.read_text(encoding="utf-8") + '\n[alerting.handlers.two]\nkind = "slack"\nurl = ["s3cret"]\n'
    settings_file(text, mode=0o644)
    done = console("config", "check", "--format", form)
    assert done.code == 3
    assert "alerting.handlers.two.url" in done.out
    assert "s3cret" not in done.out + done.err


def test_a_table_has_one_line_a_mistake(console: Console) -> None:
    """Each begins with file and line, as compilers write them; the count is talk."""
    path = settings_file('[engine]\nproviders = "x"\n[ring]\ncapacity = 3\n')
    done = console("config", "check")
    first, second = done.out.splitlines()
    assert first == f"{path}:2: engine.providers: no such setting (did you mean engine.provider?)"
    assert second.startswith(f"{path}:4: ring.capacity: must be a power of two")
    assert done.err == f"2 problems; looked at: {path}, the environment\n"


def test_broken_toml_is_one_mistake_and_hides_no_other_source(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that cannot be read, and what is wrong in the environment and on the command line."""
    path = settings_file('[engine]\nprovider = "kraken\n[ring]\ncapacity = 3\n')
    monkeypatch.setenv("RINGSIDE__RING__CAPACITY", "77")
    monkeypatch.setenv("RUN_MODE", "producton")
    monkeypatch.setenv("RINGSIDE_LOG", "feed=loud")
    done = console("config", "check", "--json", "--set", "screen.them=dark", "--set", "nonsense")
    found = {(one["origin"], one["key"], one["hint"]) for one in done.json["problems"]}
    assert (f"{path}:2", "", "") in found
    assert ("environment RUN_MODE", "", "did you mean production?") in found
    assert ("environment RINGSIDE__RING__CAPACITY", "ring.capacity", "") in found
    assert ("environment RINGSIDE_LOG", "log.levels.feed", "") in found
    assert ("--set", "screen.them", "did you mean screen.theme?") in found
    assert ("--set", "", "like screen.frames_per_s=5") in found
    assert len(found) == 6


def test_right_settings_are_right(console: Console) -> None:
    """Nothing to print, the code is 0, and which files were looked at is said."""
    path = settings_file("[screen]\nframes_per_s = 5\n")
    done = console("config", "check")
    assert (done.code, done.out) == (0, "")
    assert str(path) in done.err
    assert console("config", "check", "--json").json | {"problems": []} == {
        "schema_version": 1,
        "ok": True,
        "file": str(path),
        "mode": None,
        "files": [str(path)],
        "problems": [],
    }


@pytest.mark.parametrize("mode", ["development", "production", "test"])
def test_the_packaged_modes_are_right(console: Console, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Each can be used as it is, and says where it set something."""
    monkeypatch.setenv("RUN_MODE", mode)
    assert console("config", "check").code == 0
    answer = console("config", "show", "--json").json
    assert (answer["mode"], answer["files"]) == (mode, [f"packaged {mode}.toml"])
    assert any(row["origin"].startswith(f"packaged {mode}.toml:") for row in answer["rows"])


def test_other_commands_tell_the_first_mistake_and_how_many_there_are(console: Console) -> None:
    """And how to see them all."""
    path = settings_file("[ring]\ncapacity = 3\nx = 1\n[store]\npersist = 1\n")
    done = console("symbol", "list")
    assert done.code == 3
    assert f"{path}:2: ring.capacity" in done.err
    assert "and 2 more: ringside --batch config check tells all" in done.err
    assert "persist" not in done.err


def test_every_source_is_named(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and line, variable, option, mode, default: the higher goes before the lower."""
    monkeypatch.setenv("RUN_MODE", "production")
    path = settings_file("[screen]\nframes_per_s = 5\nlow_bandwidth = true\n[store]\npersist = false\n")
    own = settings_file("[screen]\nlow_bandwidth = false\n", name="production.toml")
    monkeypatch.setenv("RUST_LOG", "warn,sqlx=debug,ringside::feed=debug")
    monkeypatch.setenv("RINGSIDE__RING__CAPACITY", "128")
    rows = console("config", "show", "--json", "--set", "ring.capacity=256").json["rows"]
    told = {row["setting"]: (row["value"], row["origin"]) for row in rows}
    assert told["screen.frames_per_s"] == (5.0, f"{path}:2")
    assert told["screen.low_bandwidth"] == (False, f"{own}:2")
    assert told["store.persist"] == (False, f"{path}:5")
    assert told["ring.capacity"] == (256, "--set")
    assert told["log.level"] == ("warning", "environment RUST_LOG")
    assert told["log.levels.feed"] == ("debug", "environment RUST_LOG")
    assert "log.levels.sqlx" not in told
    assert told["log.format"][1].startswith("packaged production.toml:")
    assert told["engine.provider"] == ("kraken", "default")


def test_secrets_are_not_shown(console: Console) -> None:
    """Addresses that are keys themselves, tokens, passwords of databases, users of venues."""
    settings_file(
        '[database]\nurl = "postgresql://me:s3cret@db/ticks"\n'
        '[venues.kraken]\nstream_url = "wss://me:s3cret@relay/ws?key=s3cret"\n'
        '[alerting.handlers.a]\nkind = "slack"\nurl = "https://hooks.slack.com/services/T0/B0/s3cret"\n'
        '[alerting.handlers.b]\nkind = "telegram"\ntoken = "bot123:s3cret"\nto = ["7"]\n'
        '[alerting.handlers.c]\nkind = "email"\nurl = "smtp://me:s3cret@mail.example:587"\n'
        'to = ["a@b.example"]\nsender = "c@d.example"\n'
    )
    done = console("config", "show", "--json")
    told = {row["setting"]: row["value"] for row in done.json["rows"]}
    assert not [secret for secret in SECRETS if secret in done.out]
    assert told["alerting.handlers.a.url"] == "https://hooks.slack.com/***"
    assert told["alerting.handlers.b.token"] == "***"
    assert told["alerting.handlers.c.url"] == "smtp://mail.example:587/***"
    assert told["venues.kraken.stream_url"] == "wss://***@relay/ws?***"
    assert told["database.url"] == "postgresql://me:***@db/ticks"


def test_the_defaults_can_be_printed_as_a_file(console: Console) -> None:
    """It is TOML, and says nothing as it is."""
    done = console("config", "show", "--default")
    assert '#provider = "kraken"' in done.out.splitlines()
    assert all(isinstance(table, dict) for table in tomllib.loads(done.out).values())


# -- set and unset --------------------------------------------------------------------------------------------------


def test_a_setting_is_written_and_taken_out(console: Console) -> None:
    """What was there before is told; a file that is made is its owner's alone."""
    path = find_paths().configuration_file
    done = console("config", "set", "screen.frames_per_s", "4", "--json")
    assert done.json == {
        "setting": "screen.frames_per_s",
        "before": None,
        "after": 4,
        "file": str(path),
        "changed": True,
        "backup": None,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert console("config", "set", "screen.frames_per_s", "8", "--json").json["before"] == 4
    assert console("config", "set", "screen.frames_per_s", "8", "--json").json["changed"] is False
    assert console("config", "unset", "screen.frames_per_s", "--json").json["before"] == 8
    assert tomllib.loads(path.read_text()) == {}
    assert console("config", "unset", "screen.frames_per_s").code == 4


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("engine.symbols", "BTCUSD, ETHUSD", {"engine": {"symbols": ["BTCUSD", "ETHUSD"]}}),
        ("engine.symbols", '["BTCUSD"]', {"engine": {"symbols": ["BTCUSD"]}}),
        ("engine.dataset", "2024", {"engine": {"dataset": "2024"}}),
        ("paper_trading.initial_capital", "100.50", {"paper_trading": {"initial_capital": 100.5}}),
        (
            "alerting.rules.slow",
            '{metric = "store_lag_seconds", above = 3, group_by = []}',
            {"alerting": {"rules": {"slow": {"metric": "store_lag_seconds", "above": 3, "group_by": []}}}},
        ),
        ("alerting.handlers.sound", '{kind = "bell"}', {"alerting": {"handlers": {"sound": {"kind": "bell"}}}}),
        (
            'routing.symbols."ESH5@CME".historical',
            "databento",
            {"routing": {"symbols": {"ESH5@CME": {"historical": "databento"}}}},
        ),
        ("screen.theme", "light", {"screen": {"theme": "light"}}),
    ],
)
def test_all_sorts_of_settings_can_be_written(console: Console, key: str, value: str, expected: object) -> None:
    """Lists, text that looks like a number, amounts, rules, handlers and names in quotes; the file is right then."""
    assert console("config", "set", key, value).code == 0
    assert tomllib.loads(find_paths().configuration_file.read_text()) == expected
    assert console("config", "check").code == 0


@pytest.mark.parametrize(
    ("key", "value", "code", "told"),
    [
        ("screen.frames_per_s", "fast", 3, "must be a number"),
        ("engine.provider", "krakn", 3, "did you mean kraken?"),
        ("engine.symbols", "BTC USD", 3, "bad symbol"),
        ("screen.frame", "3", 3, "did you mean screen.frames_per_s?"),
        ("screan.theme", "dark", 3, "did you mean screen?"),
        ("screen", "3", 3, "must be a table"),
        ("accounts.simulation[4].id", "X", 3, "accounts.simulation is not a list"),
        ("alerting.handlers.new.min_severity", "info", 3, "alerting.handlers.new.kind: must be given"),
        ("..", "3", 2, "not the name of a setting"),
        ("", "3", 2, "not the name of a setting"),
        ("database.url", "postgresql://me:s3cret@db/x", 8, "secrets are not taken from the command line"),
        ("database", '{url = "postgresql://me:s3cret@db/x"}', 8, "database.url"),
        ("alerting.handlers.a.url", "https://ntfy.sh/s3cret", 8, "chmod 600"),
        ("alerting.handlers.a", '{kind = "ntfy", token = "s3cret"}', 8, "alerting.handlers.a.token"),
    ],
)
def test_what_would_be_wrong_changes_nothing(console: Console, key: str, value: str, code: int, told: str) -> None:
    """The file stays as it is to the last byte, no backup is made, and no secret is repeated."""
    path = settings_file("# mine\n[ring]\ncapacity = 128 # small\n")
    before = path.read_bytes()
    done = console("config", "set", key, value)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert "s3cret" not in done.err
    assert path.read_bytes() == before
    assert not path.with_name("config.toml.bak").exists()


def test_an_address_without_a_password_is_no_secret(console: Console) -> None:
    """It may be written from the command line."""
    assert console("config", "set", "database.url", "postgresql:///ticks").code == 0


def test_a_wrong_file_can_be_mended_step_by_step(console: Console) -> None:
    """One mistake is taken out while the other is still there; none is added."""
    settings_file("[ring]\ncapacity = 3\n[store]\nsync_s = 0\n")
    assert console("config", "set", "ring.capacity", "128").code == 0
    assert console("config", "check").code == 3
    assert console("config", "unset", "store.sync_s").code == 0
    assert console("config", "check").code == 0


def test_unknown_keys_order_and_tables_survive(console: Console) -> None:
    """What this version does not know stays; the commented file is kept beside, and where is said."""
    text = (
        "# mine\n[future]\nx = 1\n[screen]\nascii_only = true\n"
        '[[accounts.simulation]]\nid = "A"\ncurrency = "USD"\ninitial_balance = 12345678901234.123456\nnew = [1]\n'
    )
    path = settings_file(text)
    done = console("config", "set", "accounts.simulation[0].currency", "EUR")
    assert done.code == 0
    backup = path.with_name("config.toml.bak")
    assert str(backup) in done.err
    assert backup.read_text() == text
    assert list(tomllib.loads(path.read_text())) == ["future", "screen", "accounts"]
    assert "initial_balance = 12345678901234.123456" in path.read_text()
    assert tomllib.loads(path.read_text())["accounts"]["simulation"][0]["currency"] == "EUR"


def test_what_goes_before_the_file_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that stands over the setting that was just written."""
    monkeypatch.setenv("RINGSIDE__SCREEN__THEME", "dark")
    done = console("config", "set", "screen.theme", "light")
    assert "environment RINGSIDE__SCREEN__THEME goes before the settings file" in done.err


def test_a_secret_that_was_there_is_not_told(console: Console) -> None:
    """Neither its value nor that of what it is part of."""
    settings_file('[alerting.handlers.a]\nkind = "ntfy"\nurl = "https://ntfy.sh/s3cret"\n')
    done = console("config", "unset", "alerting.handlers.a", "--json")
    assert (done.code, "s3cret" in done.out + done.err) == (0, False)
    assert json.loads(done.out)["before"] == {"kind": "ntfy", "url": "https://ntfy.sh/***"}
