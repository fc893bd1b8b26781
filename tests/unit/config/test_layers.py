"""Where settings come from: which source goes before which, and what each may not be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from config import files
from config.load import examine, load
from config.paths import find_paths
from config.problems import SettingsError

ROOT = Path(__file__).resolve().parents[3]


def written(path: Path, text: str, *, mode: int = 0o600) -> Path:
    """A settings file."""
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_each_source_goes_before_the_one_below_it(tmp_path: Path) -> None:
    """Mode, file, file of the mode, usual variable, own variable, option: taken away one by one from the top."""
    path = written(tmp_path / "mine.toml", '[database]\nurl = "postgresql:///file"\n[log]\nformat = "text"\n')
    beside = written(tmp_path / "production.toml", '[database]\nurl = "postgresql:///mode"\n')
    environment = {
        "RUN_MODE": "production",
        "DATABASE_URL": "postgresql:///usual",
        "RINGSIDE__DATABASE__URL": "postgresql:///own",
    }

    def url(assigned: tuple[str, ...] = ()) -> str:
        return load(path, environment=environment, assigned=assigned).settings.database.url

    assert url(("database.url=postgresql:///set",)) == "postgresql:///set"
    assert url() == "postgresql:///own"
    del environment["RINGSIDE__DATABASE__URL"]
    assert url() == "postgresql:///usual"
    del environment["DATABASE_URL"]
    assert url() == "postgresql:///mode"
    beside.unlink()
    assert url() == "postgresql:///file"
    assert load(path, environment=environment).settings.log.format == "text"
    assert load(None, environment=environment).settings.log.format == "json"
    assert load(None, environment={}).settings.log.format == "text"


def test_the_file_of_the_mode_is_read_once(tmp_path: Path) -> None:
    """When it is the one that was named."""
    path = written(tmp_path / "test.toml", "[ring]\ncapacity = 128\n")
    found = load(path, required=True, environment={"RUN_MODE": " TEST "})
    assert (found.mode, found.files) == ("test", ("packaged test.toml", str(path)))


def test_without_a_mode_no_file_of_one_is_read(tmp_path: Path) -> None:
    """Not even one that is wrong."""
    written(tmp_path / "production.toml", "[nonsense]\n")
    assert load(tmp_path / "config.toml", environment={"RUN_MODE": ""}).files == ()


@pytest.mark.parametrize(
    ("mode", "hint"),
    [("prod", "did you mean production?"), ("../x", ""), ("default", ""), ("tset", "did you mean test?")],
)
def test_a_mode_that_is_none_is_a_mistake(mode: str, hint: str) -> None:
    """It names no file, and what was probably meant is said."""
    (problem,) = examine(None, environment={"RUN_MODE": mode}).problems
    assert (problem.origin.name, problem.hint) == ("environment RUN_MODE", hint)


@pytest.mark.parametrize(
    ("variables", "level", "levels"),
    [
        ({"RINGSIDE_LOG": "warn"}, "warning", {}),
        ({"RINGSIDE_LOG": "error, feed=trace,ringside.store=off"}, "error", {"feed": "debug", "store": "error"}),
        ({"RINGSIDE_LOG": "ringside=debug"}, "debug", {}),
        ({"RUST_LOG": "trading_core=info,data_manager=debug,ringside=warn"}, "warning", {}),
        ({"RUST_LOG": "debug,sqlx[span{a=1}]=off,nonsense,ringside::feed=info"}, "debug", {"feed": "info"}),
        ({"RUST_LOG": "debug", "RINGSIDE_LOG": "feed=error"}, "info", {"feed": "error"}),
        ({"RUST_LOG": "debug", "RINGSIDE_LOG": ""}, "debug", {}),
        ({"RINGSIDE_LOG": "error", "RINGSIDE__LOG__LEVEL": "debug"}, "debug", {}),
    ],
)
def test_levels_of_the_log_are_taken_from_the_environment(
    variables: dict[str, str], level: str, levels: dict[str, str]
) -> None:
    """Ringside's own variable, else the one of others with what it says of Ringside; a setting goes before both."""
    log = load(None, environment=variables).settings.log
    assert (log.level, dict(log.levels)) == (level, levels)


def test_levels_that_are_none_are_mistakes() -> None:
    """All of them, of the variable that is ours."""
    problems = examine(None, environment={"RINGSIDE_LOG": "inof,feed=loud,store=info"}).problems
    assert [(problem.key, problem.hint) for problem in problems] == [
        ("log.level", "did you mean info?"),
        ("log.levels.feed", ""),
    ]


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("screen.frames_per_s=5", "frames_per_s", 5.0),
        ("screen.frames_per_s = 2.5", "frames_per_s", 2.5),
        ("screen.theme=light", "theme", "light"),
        ('screen.theme="light"', "theme", "light"),
        ("screen.ascii_only=true", "ascii_only", True),
    ],
)
def test_options_are_toml_or_bare_words(text: str, place: str, value: object) -> None:
    """As in the environment."""
    screen = load(None, environment={}, assigned=(text,)).settings.screen
    assert getattr(screen, place) == value


@pytest.mark.parametrize(
    "text",
    ["", "=", "x", "screen", "screen.theme", "=3", "accounts.simulation[0].id=X", "screen..theme=dark", "[a]=1"],
)
def test_options_that_say_nothing_are_mistakes(text: str) -> None:
    """With the form that they must have."""
    (problem,) = examine(None, environment={}, assigned=(text,)).problems
    assert str(problem) == "--set: must be as SECTION.KEY=VALUE (like screen.frames_per_s=5)"


@pytest.mark.parametrize(
    "text",
    [
        "database.url=postgresql://me:s3cret@db/x",
        "alerting.handlers.a.token=s3cret",
        'alerting.handlers.a={kind = "ntfy", url = "https://ntfy.sh/s3cret"}',
        "venues.kraken.rest_url=https://me:s3cret@relay",
    ],
)
def test_options_hold_no_secret(text: str) -> None:
    """Whoever lists processes would read it; and what is said of it does not repeat it."""
    (problem,) = examine(None, environment={}, assigned=(text,)).problems
    assert problem.message == "is a secret"
    assert "s3cret" not in str(problem)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.parametrize(
    "text",
    [
        '[alerting.handlers.a]\nkind = "slack"\nurl = "https://hooks.slack.com/services/x/s3cret"\n',
        '[alerting]\nhandlers = { a = { kind = "telegram", token = "s3cret", to = ["1"] } }\n',
        '[cache]\nredis.url = "redis://:s3cret@db"\n',
        '[venues.binance]\nrest_url = "https://me:s3cret@relay/"\n',
    ],
)
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, text: str, mode: int) -> None:
    """Of any setting that is secret, in a table of handlers too; for its owner alone it is fine."""
    path = written(tmp_path / "config.toml", text, mode=mode)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        load(path, environment={})
    assert "s3cret" not in str(caught.value)
    path.chmod(0o600)
    assert "s3cret" not in repr(load(path, environment={}).settings)


def test_secrets_that_are_none_may_be_read_by_all(tmp_path: Path) -> None:
    """Addresses without passwords, and empty tokens."""
    text = '[database]\nurl = "postgresql:///x"\n[alerting.handlers.a]\nkind = "bell"\ntoken = ""\n'
    assert load(written(tmp_path / "a.toml", text, mode=0o644), environment={}).settings.database.url


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "is no UTF-8 text"),
        (b"[ring\n", "no TOML"),
        (b"a = 1" + b"0" * 5000, "digits"),
        (b"# " + b"x" * (files.MAX_FILE_BYTES + 1), "larger than 1 MiB"),
        (b'[engine]\nprovider = """', "no TOML"),
    ],
)
def test_files_that_cannot_be_read_are_one_mistake(tmp_path: Path, content: bytes, told: str) -> None:
    """In words, with the name of the file; the environment is looked at all the same."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    first, second = examine(path, environment={"RINGSIDE__RING__CAPACITY": "3"}).problems
    assert str(first).startswith(str(path))
    assert told in str(first)
    assert second.key == "ring.capacity"


def test_a_file_may_be_a_pipe(tmp_path: Path) -> None:
    """As `-c <(command)` makes one: it is read once."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    writer = threading.Thread(target=path.write_text, args=('[database]\nurl = "postgresql://a:b@c/d"\n',))
    writer.start()
    assert load(path, required=True, environment={}).settings.database.url == "postgresql://a:b@c/d"
    writer.join()


def test_the_directory_of_settings_can_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`DATA_MANAGER_CONFIG_DIR` moves settings alone."""
    monkeypatch.setenv("DATA_MANAGER_CONFIG_DIR", str(tmp_path / "etc"))
    assert find_paths().configuration_file == tmp_path / "etc" / "config.toml"
    assert find_paths().state == tmp_path / "home" / "state"


def test_the_packaged_files_are_found_where_there_is_no_checkout(tmp_path: Path) -> None:
    """In a tree that was copied elsewhere, and in a zip."""
    copied = tmp_path / "copied"
    shutil.copytree(ROOT / "config", copied / "config", ignore=shutil.ignore_patterns("__pycache__"))
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", copied)
    code = "from config.layers import packaged_text; print(packaged_text('production.toml')[:10])"
    for place in (str(copied), archive):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {place!r}); {code}"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            timeout=60,
        )
        assert done.stdout.startswith("# RUN_MODE")


def test_a_value_of_several_lines_is_no_way_in() -> None:
    """What a shell gives for one setting says nothing of another."""
    (problem,) = examine(None, environment={"RINGSIDE__RING__CAPACITY": "128\nother = 1"}).problems
    assert problem.key == "ring.capacity"
