"""What the Backtest screen has run: one task at a time, its newest answer, and files of it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.tui.backtest.document import Sweep
from console.tui.backtest.form import Form
from console.tui.backtest.runs import Runs
from tests.unit.console.tui.backtest import documents
from tests.unit.console.tui.backtest.test_form import CHOICES, STORED

DEADLINE_S = 30.0


def runs(tmp_path: Path, program: str) -> Runs:
    """Its command is a program that finds its arguments in `sys.argv`, and writes them down line by line."""
    script = tmp_path / "command.py"
    log = f"open({os.fspath(tmp_path / 'log')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
    script.write_text(f"import json, sys\n{log}{program}", encoding="utf-8")
    return Runs(command=(sys.executable, os.fspath(script)))


def said(one: Runs, begun: Callable[[], Any]) -> str:
    """What is said after something was begun."""
    begun()
    until_s = time.monotonic() + DEADLINE_S
    while not (text := one.tick()):
        assert time.monotonic() < until_s, "nothing was said"
        time.sleep(0.01)
    return text


@pytest.mark.parametrize(
    ("later", "told"), [("a", "saved"), ("b", "saved, but run anew: other data is stored by now than is shown")]
)
def test_a_sweep_is_saved_by_the_command_that_kept_it(tmp_path: Path, later: str, told: str) -> None:
    """It is not begun afresh, all of its runs are written, and data that has changed is told."""
    document = json.dumps(documents.sweep())
    one = runs(
        tmp_path,
        f"document = json.loads({document!r})\n"
        "saving = any(word.startswith('--out') for word in sys.argv)\n"
        f"document['fingerprint'] = {{'data_sha256': {later!r} if saving else 'a'}}\n"
        "print(json.dumps(document))\n",
    )
    form = Form(CHOICES, STORED, {"symbol": "BTCUSD", "venue": "KRAKEN", "parameter short": "2,3"}, ("--fresh",))
    assert said(one, lambda: one.begin("run", form)).startswith("running: done")
    assert isinstance(one.shown, Sweep)
    assert said(one, lambda: one.save("x.csv")) == told
    first, second = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert "--fresh" in first
    assert "--top 1000" in first
    assert "--out=x.csv" in second
    assert "--fresh" not in second
    assert "--top" not in second


def test_folds_are_asked_for_without_a_number_of_rows(tmp_path: Path) -> None:
    """A walk-forward shows every fold, and the command refuses to be asked for some."""
    one = runs(tmp_path, f"print({json.dumps(documents.walk_forward())!r})")
    form = Form(CHOICES, STORED, {"symbol": "BTCUSD", "parameter short": "2,3", "walk_forward": "2"})
    said(one, lambda: one.begin("run", form))
    assert "--top" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_what_was_not_run_is_not_saved(tmp_path: Path) -> None:
    """Before there is a result, and with a preview alone, there is nothing to write."""
    one = runs(tmp_path, f"print({json.dumps(documents.preview())!r})")
    assert "no result" in one.save("x.json")
    said(one, lambda: one.begin("check", Form(CHOICES, STORED, {"symbol": "BTCUSD"})))
    assert "no result" in one.save("x.json")


def test_a_result_with_holes_is_not_written(tmp_path: Path) -> None:
    """What a page of it needs and is not there is said, and no file is left."""
    document = documents.result()
    del document["account"]
    one = runs(tmp_path, f"print({json.dumps(document)!r})")
    said(one, lambda: one.begin("run", Form(CHOICES, STORED, {"symbol": "BTCUSD"})))
    assert said(one, lambda: one.save(os.fspath(tmp_path / "x.html"))).startswith(
        "not saved: the result is incomplete"
    )
    assert not (tmp_path / "x.html").exists()
