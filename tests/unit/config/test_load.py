"""Settings: defaults, file, environment, and every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import dump, load
from config.paths import find_paths
from config.problems import SettingsError
from config.schema import Settings


def write(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_means_defaults(tmp_path: Path) -> None:
    """A missing file is fine unless it was named; nothing then has an origin."""
    found = load(tmp_path / "none.toml", environment={})
    assert (found.settings, found.origins) == (Settings(), {})
    with pytest.raises(SettingsError, match="cannot read"):
        load(tmp_path / "none.toml", required=True, environment={})


def test_the_environment_wins_and_origins_are_kept(tmp_path: Path) -> None:
    """Later sources override earlier ones, and each value knows where it came from."""
    path = write(tmp_path, '[engine]\nprovider = "binance"\nsymbols = ["ETHUSD"]\n[screen]\nframes_per_s = 4\n')
    found = load(path, environment={"RINGSIDE__ENGINE__PROVIDER": "kraken", "RINGSIDE__RING__CAPACITY": "1024"})
    assert found.settings.engine.provider == "kraken"
    assert found.settings.engine.symbols == ("ETHUSD",)
    assert (found.settings.ring.capacity, found.settings.screen.frames_per_s) == (1024, 4.0)
    assert found.origins["engine.provider"] == "environment RINGSIDE__ENGINE__PROVIDER"
    assert found.origins["engine.symbols"] == f"{path}:3"
    assert "store.persist" not in found.origins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[engine]\nsymbol = []\n", "engine.symbol: no such setting (did you mean engine.symbols?)"),
        ("engine = 3\n", "engine: must be a table"),
        ("[ring]\ncapacity = 100\n", "power of two"),
        ("[ring]\ncapacity = true\n", "config.toml:2: ring.capacity: must be a whole number, not true"),
        ("[screen]\nframes_per_s = 0\n", "must be above 0"),
        ('[engine]\nsymbols = "BTCUSD"\n', "must be a list of strings"),
        ("[engine\n", "config.toml:1: no TOML"),
    ],
)
def test_mistakes_are_told_with_their_path(tmp_path: Path, text: str, expected: str) -> None:
    """Unknown keys, wrong kinds, bad values and broken TOML each name the place."""
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text), environment={})
    assert expected in "\n".join(caught.value.problems)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    """Three wrong values give three problems."""
    text = '[engine]\nsymbols = 3\n[ring]\ncapacity = 100\n[screen]\nascii_only = "no"\n'
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text), environment={})
    assert len(caught.value.problems) == 3


def test_every_value_is_listed() -> None:
    """The dump has one row for each leaf of the schema."""
    assert dump(Settings())["engine.symbols"] == ["BTCUSD", "ETHUSD", "SOLUSD"]
    assert "venues.kraken.stream_url" in dump(Settings())


def test_one_variable_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`RINGSIDE_HOME` holds data, state, settings and logs; without it they go to the XDG directories."""
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path))
    assert {path.parent for path in (find_paths().data, find_paths().state, find_paths().logs)} == {tmp_path}
    monkeypatch.delenv("RINGSIDE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert find_paths().data == tmp_path / "xdg" / "ringside"


def test_usual_variables_name_the_servers(tmp_path: Path) -> None:
    """`DATABASE_URL` and `REDIS_URL` win over the file, and our own variables over them."""
    path = write(tmp_path, '[database]\nurl = "postgresql:///file"\n')
    environment = {"DATABASE_URL": "postgresql:///usual", "REDIS_URL": "redis://one"}
    found = load(path, environment=environment)
    assert (found.settings.database.url, found.settings.cache.redis.url) == ("postgresql:///usual", "redis://one")
    assert found.origins["database.url"] == "environment DATABASE_URL"
    own = load(path, environment=environment | {"RINGSIDE__DATABASE__URL": "postgresql:///own"})
    assert own.settings.database.url == "postgresql:///own"
    assert load(path, environment={"DATABASE_URL": ""}).settings.database.url == "postgresql:///file"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p4ss@db/ticks",
        "postgresql://me:p4ss:word@db/ticks",
        "postgresql://me:p4ss@word@db/ticks",
        "postgresql://db/ticks?user=me&password=p4ss",
        "host=db user=me password=p4ss",
        "host=db password='p4ss word' user=me",
        "redis://:p4ss@db/0",
        "rediss://db/0?ssl_password=p4ss",
        "host=db sslpassword=p4ss",
        r"host=db password='it\'s p4ss' user=me",
        "host=db password='p4ss word@",
        r"host=db password=a\ p4ss user=me",
        "host=db password=a&p4ss",
    ],
)
def test_passwords_are_not_shown(url: str) -> None:
    """What `config show` prints, and what an error or a log says of the settings, holds no password."""
    settings = load(None, environment={"DATABASE_URL": url, "REDIS_URL": url}).settings
    shown = f"{dump(settings)} {settings!r}"
    assert "p4ss" not in shown
    assert "word@" not in shown
    assert "***" in shown


def test_a_file_that_cannot_be_looked_at_is_a_mistake(tmp_path: Path) -> None:
    """No file is no mistake, unless it was asked for; one that the operating system refuses is."""
    assert load(tmp_path / "none", environment={}).origins == {}
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none", required=True, environment={})
    with pytest.raises(SettingsError, match="too long"):
        load(tmp_path / ("a" * 300), environment={})


def test_a_password_of_the_wrong_kind_is_not_shown(tmp_path: Path) -> None:
    """An address that is no text is a mistake, and what is said of it holds no password."""
    path = write(tmp_path, '[database]\nurl = ["postgresql://me:p4ss@db/ticks"]\n')
    with pytest.raises(SettingsError, match="must be text") as caught:
        load(path, environment={})
    assert "p4ss" not in str(caught.value)


def test_a_password_in_an_open_file_is_a_mistake(tmp_path: Path) -> None:
    """A settings file that holds a password must be readable by its owner alone."""
    path = write(tmp_path, '[database]\nurl = "postgresql://me:p4ss@db/ticks"\n')
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        load(path, environment={})
    assert "p4ss" not in str(caught.value)
    path.chmod(0o600)
    assert load(path, environment={}).settings.database.url.endswith("/ticks")
