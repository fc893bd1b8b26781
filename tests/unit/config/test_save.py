"""Writing settings back: all or nothing, one at a time, and nothing lost but what is kept beside."""

from __future__ import annotations

import fcntl
import os
import stat
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from config import save
from config.load import load
from config.problems import SettingsError
from config.save import ABSENT, change_setting, value_at

PLACE = ("engine", "symbols")
COMMENTED = """# mine
[venues.kraken]
rest_url = "https://a"   # not the usual one
[engine]
symbols = ["BTCUSD"]
unheard_of = 2026-11-22
provider = "kraken"
[store]
persist = true
"""


def adding(symbol: str) -> Callable[[Any], list[str]]:
    """A change that appends a symbol."""
    return lambda found: [*(found or []), symbol]


def tree(path: Path) -> dict[str, Any]:
    """What stands in a file."""
    return tomllib.loads(path.read_text())


def others(directory: Path) -> set[str]:
    """What lies in a directory, the lock left out."""
    return {path.name for path in directory.iterdir() if not path.name.endswith(".lock")}


def test_numbers_are_written_back_as_they_were(tmp_path: Path) -> None:
    """An amount of more digits than a float holds survives a change of something else."""
    path = tmp_path / "config.toml"
    path.write_text("[paper_trading]\ninitial_capital = 12345678901234.123456\ncall_s = 0.50\n")
    change_setting(path, PLACE, adding("ETHUSD"))
    assert "initial_capital = 12345678901234.123456\ncall_s = 0.50\n" in path.read_text()
    assert load(path, environment={}).settings.paper_trading.initial_capital == "12345678901234.123456"


def test_everything_else_keeps_its_value_and_its_order(tmp_path: Path) -> None:
    """Unknown keys, dates and the order of tables and keys survive; one value is another."""
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    before = tree(path)
    change_setting(path, PLACE, adding("ETHUSD"))
    after = tree(path)
    assert after["engine"].pop("symbols") == ["BTCUSD", "ETHUSD"]
    before["engine"].pop("symbols")
    assert after == before
    assert list(after) == ["venues", "engine", "store"]
    assert list(tree(path)["engine"]) == ["symbols", "unheard_of", "provider"]


def test_comments_are_kept_beside_until_there_are_new_ones(tmp_path: Path) -> None:
    """The first change leaves the commented file as .bak, for its owner alone; a second one loses nothing."""
    path, backup = tmp_path / "config.toml", tmp_path / "config.toml.bak"
    path.write_text(COMMENTED)
    assert change_setting(path, PLACE, adding("ETHUSD")).backup == backup
    assert change_setting(path, PLACE, adding("SOLUSD")).backup is None
    assert backup.read_text() == COMMENTED
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert others(tmp_path) == {"config.toml", "config.toml.bak"}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_file_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    """Whoever may read it may read it afterwards, and nobody else."""
    path = tmp_path / "config.toml"
    path.write_text("[engine]\nsymbols = []\n")
    path.chmod(mode)
    change_setting(path, PLACE, adding("BTCUSD"))
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    """Directories and file are made, 0700 and 0600, and the settings can be loaded."""
    path = tmp_path / "far" / "config.toml"
    assert change_setting(path, PLACE, adding("BTCUSD")) == save.Saved(changed=True)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert load(path, environment={}).settings.engine.symbols == ("BTCUSD",)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Settings that lie elsewhere are changed there."""
    real, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    real.write_text("[engine]\nsymbols = []\n")
    link.symlink_to(real)
    change_setting(link, PLACE, adding("BTCUSD"))
    assert link.is_symlink()
    assert tree(real)["engine"]["symbols"] == ["BTCUSD"]


def test_nothing_new_is_nothing_written(tmp_path: Path) -> None:
    """A change to the same value touches neither file nor backup."""
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    inode = path.stat().st_ino
    assert change_setting(path, PLACE, lambda found: found) == save.Saved(changed=False)
    assert (path.stat().st_ino, path.read_text()) == (inode, COMMENTED)
    assert others(tmp_path) == {"config.toml"}


@pytest.mark.parametrize("fails", ["os.fsync", "pathlib.Path.replace"])
def test_a_disk_that_fails_leaves_the_old_file(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failing before or at the rename: words, the file as it was, nothing left beside it."""
    path = tmp_path / "config.toml"
    path.write_text("[engine]\nsymbols = []\n")

    def failing(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fails, failing)
    with pytest.raises(SettingsError, match="No space left"):
        change_setting(path, PLACE, adding("BTCUSD"))
    monkeypatch.undo()
    assert path.read_text() == "[engine]\nsymbols = []\n"
    assert others(tmp_path) == {"config.toml"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[engine", "config.toml"), (b"\xff", "config.toml"), (b"engine = 3\n", "engine is not a table")],
)
def test_a_broken_file_is_left_alone(content: bytes, message: str, tmp_path: Path) -> None:
    """What cannot be read or has something else there is a mistake and stays as it is."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        change_setting(path, PLACE, adding("BTCUSD"))
    assert path.read_bytes() == content
    assert others(tmp_path) == {"config.toml"}


def test_a_place_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    """A directory that is a file, or a circle of links, is told in words."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot write"):
        change_setting(tmp_path / "file" / "config.toml", PLACE, adding("BTCUSD"))
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(SettingsError, match="cannot"):
        change_setting(tmp_path / "circle", PLACE, adding("BTCUSD"))


def test_what_a_change_raises_is_let_out(tmp_path: Path) -> None:
    """A change of mind leaves the file, and the lock, free."""
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)

    def refuse(_found: Any) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        change_setting(path, PLACE, refuse)
    assert path.read_text() == COMMENTED
    assert change_setting(path, PLACE, adding("ETHUSD")).changed


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    """Twenty changes from eight threads are all in the file."""
    path = tmp_path / "config.toml"
    symbols = [f"S{number}USD" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda symbol: change_setting(path, PLACE, adding(symbol)), symbols))
    assert sorted(tree(path)["engine"]["symbols"]) == sorted(symbols)
    assert others(tmp_path) == {"config.toml"}


def test_one_who_holds_the_lock_for_ever_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline it is said that another program is writing."""
    monkeypatch.setattr(save, "LOCK_TIMEOUT_S", 0.05)
    lock = os.open(tmp_path / ".config.toml.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match="another program is writing"):
            change_setting(tmp_path / "config.toml", PLACE, adding("BTCUSD"))
    finally:
        os.close(lock)


TABLES = """[alerting.rules.slow]
metric = "store_lag_seconds"
above = 3
[[accounts.simulation]]
id = "A"
[[accounts.simulation]]
id = "B"
later = { x = [1, 2] }
"""


def test_what_is_taken_out_takes_the_empty_table_with_it(tmp_path: Path) -> None:
    """Key by key, until nothing of the section is left; what is not there changes nothing."""
    path = tmp_path / "config.toml"
    path.write_text(TABLES)
    place = ("alerting", "rules", "slow")
    assert change_setting(path, (*place, "above"), lambda _found: ABSENT).changed
    assert tree(path)["alerting"] == {"rules": {"slow": {"metric": "store_lag_seconds"}}}
    assert change_setting(path, (*place, "metric"), lambda _found: ABSENT).changed
    assert "alerting" not in tree(path)
    assert change_setting(path, (*place, "metric"), lambda _found: ABSENT) == save.Saved(changed=False)


def test_a_table_of_a_list_is_changed_by_its_number(tmp_path: Path) -> None:
    """Its own keys and those that nobody knows stay, and so do the others."""
    path = tmp_path / "config.toml"
    path.write_text(TABLES)
    change_setting(path, ("accounts", "simulation", 1, "id"), lambda found: found + "2")
    change_setting(path, ("accounts", "simulation", 1, "later", "x", 0), lambda found: found + 8)
    assert tree(path)["accounts"]["simulation"] == [{"id": "A"}, {"id": "B2", "later": {"x": [9, 2]}}]
    assert value_at(tree(path), ("accounts", "simulation", 7, "id")) is None


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (("accounts", "simulation", 2, "id"), r"accounts\.simulation\[2\] is not a table"),
        (("accounts", "simulation", "id"), r"accounts\.simulation is not a table"),
        (("accounts", "simulation", 2), r"accounts\.simulation has only 2 items"),
        (("alerting", "rules", 0), r"alerting\.rules is not a list"),
        (("screen", 0, "x"), r"screen is not a list"),
    ],
)
def test_a_place_that_is_none_is_a_mistake(tmp_path: Path, place: tuple[str | int, ...], told: str) -> None:
    """The file stays as it is."""
    path = tmp_path / "config.toml"
    path.write_text(TABLES)
    with pytest.raises(SettingsError, match=told):
        change_setting(path, place, lambda _found: "x")
    assert path.read_text() == TABLES


def test_what_is_looked_at_and_refused_is_not_written(tmp_path: Path) -> None:
    """The whole of what would be written is shown before anything is, and what the look raises is let out."""
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    seen: list[Any] = []

    def look(found: Any) -> None:
        seen.append(found["engine"])
        raise KeyError("no")

    with pytest.raises(KeyError):
        change_setting(path, PLACE, adding("ETHUSD"), check=look)
    assert seen[0]["symbols"] == ["BTCUSD", "ETHUSD"]
    assert (path.read_text(), others(tmp_path)) == (COMMENTED, {"config.toml"})
