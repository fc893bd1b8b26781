"""The cache of unpacked trees: complete or not there, whoever is killed, and never removed under one that runs."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from onefile.bootstrap.cache import CONTENTS, Cache, CacheError, Content, Unpack, cache_root, is_whole

FILES = {
    "site/console/__init__.py": b"",
    "site/console/__main__.py": b"print('hello')\n",
    "site/data.bin": b"\0" * 999,
}
KEY = "0.1.0-0123456789abcdef"
HOLDING = """
import sys
from pathlib import Path
from onefile.bootstrap.cache import Cache, Content

def unpack(directory):
    (directory / "one").write_bytes(b"1")
    if {slow!r}:
        print("unpacking", flush=True)
        sys.stdin.read()

Cache(Path({root!r}), Content({key!r}, unpacked_bytes=1), unpack).hold()
print("held", flush=True)
import os
os.execv(sys.executable, [sys.executable, "-c", "import sys; sys.stdin.read()"])
"""


class Told:
    """Unpacks a small tree, counts how often, and keeps what the operator was told."""

    def __init__(
        self,
        root: Path,
        key: str = KEY,
        *,
        unpacked_bytes: int = 2000,
        unpack: Unpack | None = None,
        said: Callable[[], None] = lambda: None,
    ) -> None:
        self.times = 0
        self.lines: list[str] = []
        self._given = unpack
        self._said = said
        content = Content(key, unpacked_bytes=unpacked_bytes)
        self.cache = Cache(root, content, self._unpack, self._hear)
        self.hold: Callable[[], Path] = self.cache.hold

    def _hear(self, line: str) -> None:
        self.lines.append(line)
        self._said()

    def _unpack(self, directory: Path) -> None:
        self.times += 1
        for name, content in FILES.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        if self._given is not None:
            self._given(directory)


def holder(root: Path, key: str, *, slow: bool = False) -> subprocess.Popen[str]:
    """A process that holds the tree `key`, and if `slow` waits before it is unpacked. It ends when its input does; it
    becomes another program before, as a start does."""
    script = HOLDING.format(root=str(root), key=key, slow=slow)
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said_next(process: subprocess.Popen[str]) -> str:
    """The next line it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def held(lock: Path) -> bool:
    """Whether anybody has the lock."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where trees are, not made yet."""
    return tmp_path / "far" / "cache"


def trees(root: Path) -> set[str]:
    """The names of what is there besides locks."""
    return {path.name for path in root.iterdir() if path.suffix != ".lock"}


def test_the_first_start_unpacks_and_says_so_the_next_finds(root: Path) -> None:
    """It is unpacked once, into a directory that nobody else can enter, and the operator is told where."""
    first, second = Told(root), Told(root)
    tree = first.hold()
    assert first.lines == [f"ringside: unpacking once into {tree}"]
    assert (tree / "site/console/__main__.py").read_bytes() == FILES["site/console/__main__.py"]
    assert {root.stat().st_mode & 0o777, tree.stat().st_mode & 0o777} == {0o700}
    assert second.hold() == tree
    assert (second.times, second.lines) == (0, [])


@pytest.mark.parametrize("name", [*list(FILES)[1:], CONTENTS])
def test_a_file_that_is_gone_or_cut_is_noticed(root: Path, name: str) -> None:
    """Whatever is missing or shorter, also the list itself, the tree is made anew."""
    tree = Told(root).hold()
    for damage in (
        lambda path: path.unlink(),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(b"\xff"),
    ):
        damage(tree / name)
        again = Told(root)
        assert again.hold() == tree
        assert again.times == 1
        assert is_whole(tree, KEY)
    assert trees(root) == {KEY}


def test_what_is_written_beside_is_no_damage(root: Path) -> None:
    """Python may compile a module that was not compiled before."""
    tree = Told(root).hold()
    (tree / "site" / "late.pyc").write_bytes(b"1")
    assert is_whole(tree, KEY)


def test_a_tree_of_another_content_is_not_taken(root: Path) -> None:
    """A directory of the right name whose list names another content is replaced."""
    tree = Told(root).hold()
    listed = (tree / CONTENTS).read_text().replace(KEY, "another")
    (tree / CONTENTS).write_text(listed)
    again = Told(root)
    again.hold()
    assert again.times == 1


def test_one_that_was_killed_while_unpacking_leaves_nothing_behind(root: Path) -> None:
    """The lock dies with it, and the next start removes the half of it and unpacks the whole."""
    with holder(root, KEY, slow=True) as killed:
        assert said_next(killed) == "unpacking"
        assert len(trees(root)) == 1
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    again = Told(root)
    assert is_whole(again.hold(), KEY)
    assert trees(root) == {KEY}


def test_an_error_while_unpacking_leaves_nothing_behind(root: Path) -> None:
    """A file that is damaged in the middle is told, and there is no half of a tree."""

    def fail(_: Path) -> None:
        raise CacheError("damaged", hint="copy it again")

    with pytest.raises(CacheError, match="damaged"):
        Told(root, unpack=fail).hold()
    assert trees(root) == set()


def test_of_two_first_starts_one_unpacks_and_the_other_waits_and_says_so(root: Path) -> None:
    """The second start unpacks nothing, and goes on when the first is done."""
    with holder(root, KEY, slow=True) as first:
        assert said_next(first) == "unpacking"
        waits = threading.Event()
        second = Told(root, said=waits.set)
        found: list[Path] = []
        thread = threading.Thread(target=lambda: found.append(second.cache.hold()))
        thread.start()
        assert waits.wait(30)
        assert first.stdin is not None
        first.stdin.close()
        thread.join(30)
        assert found == [root / KEY]
    assert second.times == 0
    assert second.lines == ["ringside: another start is unpacking; waiting for it"]


def test_old_trees_go_but_the_newest_two_and_those_in_use_stay(root: Path) -> None:
    """Of four versions the first runs and stays; of the others the two used last do."""
    with holder(root, "v1") as running:
        assert said_next(running) == "held"
        for at, key in enumerate(("v2", "v3")):
            with holder(root, key) as ended:
                said_next(ended)
                assert ended.stdin is not None
                ended.stdin.close()
            os.utime(root / f"{key}.lock", (at + 10, at + 10))
        os.utime(root / "v1.lock", (1, 1))
        Told(root, "v4").hold()
        assert trees(root) == {"v1", "v3", "v4"}
    Told(root, "v5").hold()
    assert trees(root) == {"v4", "v5"}
    assert {path.stem for path in root.glob("*.lock")} == {"unpack", "v4", "v5"}


def test_the_tree_is_held_after_becoming_another_program(root: Path) -> None:
    """What a start holds is inherited when the process is replaced: nobody else gets the lock alone."""
    with holder(root, "v1") as other:
        assert said_next(other) == "held"
        assert held(root / "v1.lock")
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    assert not held(root / "v1.lock")


def test_no_room_is_said_with_figures(root: Path) -> None:
    """A disk that is too small is told before anything is written."""
    with pytest.raises(CacheError, match=r"not enough room in .*: \d+ MiB are needed, \d+ MiB are free") as caught:
        Told(root, unpacked_bytes=1 << 60).hold()
    assert "RINGSIDE_CACHE" in caught.value.hint
    assert trees(root) == set()


def test_a_disk_that_fills_up_meanwhile_is_said(root: Path) -> None:
    """The same in the middle, and nothing is left of it."""

    def fill(_: Path) -> None:
        with Path("/dev/full").open("wb") as full:
            full.write(b"1")

    with pytest.raises(CacheError, match="not enough room"):
        Told(root, unpack=fill).hold()
    assert trees(root) == set()


def test_a_cache_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where the directory should be: the error names it and says which variable helps."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot unpack into") as caught:
        Told(tmp_path / "file" / "cache").hold()
    assert "RINGSIDE_CACHE" in caught.value.hint


def test_a_cache_that_others_may_write_to_is_refused(root: Path) -> None:
    """What somebody else could change is not run."""
    root.mkdir(parents=True)
    root.chmod(0o777)
    with pytest.raises(CacheError, match="others may write to it"):
        Told(root).hold()


def test_an_older_c_library_is_said(root: Path) -> None:
    """The libraries within need a glibc that this machine does not have."""
    cache = Cache(root, Content(KEY, unpacked_bytes=1, glibc="99.1"), lambda _: None, lambda _: None)
    with pytest.raises(CacheError, match=r"this file needs glibc 99\.1; here is glibc 2"):
        cache.hold()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RINGSIDE_CACHE": "/c", "RINGSIDE_HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"RINGSIDE_HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/cache"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/ringside"),
        ({"XDG_CACHE_HOME": "relative"}, str(Path("~/.cache/ringside").expanduser())),
        ({}, str(Path("~/.cache/ringside").expanduser())),
    ],
)
def test_where_trees_are(environment: dict[str, str], expected: str) -> None:
    """The variable for it, the home of all that is ours, or what XDG says, where it is absolute."""
    assert str(cache_root(environment)) == expected
