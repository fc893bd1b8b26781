"""The slim single file, built from this environment and started as on a new machine: nothing in the environment but
HOME and PATH, in a folder whose own `config` and `core` would break it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from onefile.archive import Built
from onefile.build import build
from onefile.sources import Sources

MOST_BYTES = 40_000_000
SERVE = ("--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD", "--persist")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    """The file."""
    path = tmp_path_factory.mktemp("one-file") / "ringside.pyz"
    return path, build(path, slim=True, sources=Sources(offline=True))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who starts it several times."""
    return tmp_path_factory.mktemp("user")


class Machine:
    """Starts the file in a folder with packages of its own that bear the names of ours."""

    def __init__(self, file: Path, home: Path, folder: Path) -> None:
        self.file, self.folder, self.cache = file, folder, home / ".cache" / "ringside"
        self.environment = {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "RINGSIDE_SHM": os.environ["RINGSIDE_SHM"],
        }
        for name in ("config", "console", "core", "sql"):
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text("raise SystemExit('another package of that name')\n")

    def move(self, cache: Path) -> None:
        """Unpack into another directory from now on."""
        self.cache, self.environment["RINGSIDE_CACHE"] = cache, str(cache)

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """A start of it, its output piped."""
        return subprocess.Popen(
            [self.file, *arguments],
            cwd=self.folder,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A start of it that has ended."""
        with self.start(*arguments, **more) as process:
            try:
                out, err = process.communicate(timeout=60)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def machine(built: tuple[Path, Built], home: Path, tmp_path: Path) -> Machine:
    """The machine of that user."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return Machine(built[0], home, folder)


def test_it_is_small_and_can_be_started(built: tuple[Path, Built]) -> None:
    """Executable, and no larger than what is promised of it."""
    path, told = built
    assert path.stat().st_size == told.size_bytes <= MOST_BYTES
    assert os.access(path, os.X_OK)


def test_help_and_version_unpack_nothing(machine: Machine, tmp_path: Path) -> None:
    """Of the program, of commands, and of what is mistyped beside a wish for help."""
    machine.move(tmp_path / "cache")
    assert machine.run("--version").stdout.startswith("ringside ")
    assert "ringside demo" in machine.run("--help").stdout
    assert "--strategy" in machine.run("backtest", "--help").stdout
    assert machine.run("--nonsense", "serve", "--help").returncode in {0, 2}
    assert not machine.cache.exists()


def test_of_two_first_starts_one_unpacks_and_both_work(
    machine: Machine, built: tuple[Path, Built], tmp_path: Path
) -> None:
    """Each prints its rows; one says that it unpacks, and there is one tree after, of the size that was told."""
    machine.move(tmp_path / "cache")
    with (
        machine.start("--batch", "providers", "--json") as one,
        machine.start("--batch", "providers", "--json") as two,
    ):
        told = [one.communicate(timeout=60), two.communicate(timeout=60)]
    assert all({"kraken", "binance"} <= {row["name"] for row in json.loads(out)["rows"]} for out, _ in told)
    assert "".join(err for _, err in told).count("unpacking once into") == 1
    trees = [path for path in machine.cache.iterdir() if path.is_dir()]
    assert len(trees) == 1
    on_disk = sum(
        path.stat().st_blocks * 512 for path in trees[0].rglob("*") if path.is_file() and not path.is_symlink()
    )
    assert on_disk <= built[1].unpacked_bytes * 1.1 + (1 << 20)
    again = machine.run("--batch", "providers", "--json")
    assert (again.stdout, again.stderr) == (told[0][0], "")


def test_processes_that_it_starts_work_too(machine: Machine) -> None:
    """A feed in a process of its own streams, the store keeps it, and a backtest reads it; our version is known."""
    ended = machine.run(*SERVE, "--split", "--duration", "3", "--json", "--instance-id", "one-file")
    summary = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert summary["feeds"][0]["trades"] > 0
    assert summary["store"]["rows"] > 0
    shown = machine.run("--batch", "db", "stats", "--json")
    assert "SIM.KRAKEN" in shown.stdout, shown.stderr
    tested = machine.run(
        "--batch",
        "backtest",
        "--strategy",
        "sma",
        "--symbol",
        "BTCUSD",
        "--venue",
        "SIM.KRAKEN",
        "--bars",
        "5t",
        "--json",
    )
    assert json.loads(tested.stdout)["kind"] == "backtest", tested.stderr


def test_it_ignores_what_else_is_installed_and_set(machine: Machine, tmp_path: Path) -> None:
    """Variables of Python that point elsewhere, and a library of the same name there, change nothing."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "attrs.py").write_text("raise SystemExit('another library')\n")
    ended = machine.run("--batch", "providers", "--json", PYTHONPATH=str(tmp_path / "elsewhere"))
    assert ended.returncode == 0, ended.stderr


def test_without_the_client_databento_is_refused_in_words(machine: Machine) -> None:
    """What the slim file lacks is said, and which file has it; no traceback."""
    ended = machine.run("--batch", "serve", "--provider", "databento", "--dataset", "GLBX.MDP3", "--symbols", "ESU4")
    assert ended.returncode == 3
    assert "this file was built without Databento's client" in ended.stderr
    assert "full file" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_tree_that_was_damaged_is_made_anew(machine: Machine) -> None:
    """A library that was cut, as by a disk that was full, is noticed at the next start, which mends it."""
    tree = Path(machine.run("--unpack").stdout.strip())
    os.truncate(next(tree.glob("site/numpy/_core/_multiarray_umath*.so")), 1000)
    ended = machine.run("--batch", "providers", "--json")
    assert ended.returncode == 0
    assert "unpacking once into" in ended.stderr


def test_a_file_that_was_cut_or_changed_is_refused(machine: Machine, tmp_path: Path) -> None:
    """A byte that changed on the way is found by the sums of the archive before anything runs from it."""
    content = bytearray(machine.file.read_bytes())
    content[len(content) // 2] ^= 1
    machine.file = tmp_path / "changed.pyz"
    machine.file.write_bytes(content)
    machine.file.chmod(0o755)
    ended = machine.run("--batch", "providers", RINGSIDE_CACHE=str(tmp_path / "cache"))
    assert ended.returncode == 3
    assert "is damaged" in ended.stderr
    assert "copy it here again" in ended.stderr
    assert [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"] == []


def test_the_tree_can_be_prepared_for_others(machine: Machine, tmp_path: Path) -> None:
    """`--unpack` prints where it is. From a directory that cannot be written any more it runs all the same."""
    cache = tmp_path / "cache"
    tree = Path(machine.run("--unpack", RINGSIDE_CACHE=str(cache)).stdout.strip())
    assert tree.parent == cache
    with contextlib.ExitStack() as undo:
        for directory in (cache, tree):
            undo.callback(directory.chmod, 0o700)
            directory.chmod(0o500)
        ended = machine.run("--batch", "providers", RINGSIDE_CACHE=str(cache))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_output_that_was_closed_stays_closed(machine: Machine) -> None:
    """What the file opens for itself never stands where an output was: nothing is written into it."""
    ended = subprocess.run(
        ["/bin/sh", "-c", '"$0" --batch providers >&-', machine.file],
        cwd=machine.folder,
        env=machine.environment,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0
    assert all(lock.stat().st_size == 0 for lock in machine.cache.glob("*.lock"))
