"""What the page about handlers shows works as it stands, with the secrets it leaves to the environment."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from config.load import load
from config.operations import KINDS, HandlerSettings
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.program import ENVIRONMENT, NOT_AGAIN
from console.alerting.plan import alerting_problems

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "alert-handlers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SECRETS = {
    "RINGSIDE__ALERTING__HANDLERS__DESK__URL": "https://hooks.slack.com/services/T/B/x",
    "RINGSIDE__ALERTING__HANDLERS__NIGHT__TOKEN": "1:x",
    "RINGSIDE__ALERTING__HANDLERS__OFFICE__URL": "smtp://USER:PASSWORD@mail.example.org",
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_work(tmp_path: Path, example: str) -> None:
    """Nothing is wrong with them, but that their program is not on this machine."""
    file = tmp_path / "config.toml"
    file.write_text(example)
    file.chmod(0o600)
    variables = {name: value for name, value in SECRETS.items() if f".{name.split('__')[3].lower()}]" in example}
    found = alerting_problems(load(file, environment=variables).settings.alerting)
    assert [problem for problem in found if "/usr/local/bin/page-the-desk" not in problem] == []


def test_every_kind_has_a_section() -> None:
    """With its name as the heading."""
    assert {heading for heading in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) if heading in KINDS} == set(KINDS)


def test_what_is_said_is_so() -> None:
    """The defaults, the variables of a program and its exit codes are those of the code."""
    settings, plan = HandlerSettings(kind="log"), HandlerPlan(kind="log", name="log")
    assert (settings.timeout_secs, settings.attempts, settings.max_per_minute) == (10, 3, 5)
    assert (plan.timeout_s, plan.attempts, plan.max_per_minute) == (10, 3, 5)
    for key in attrs.fields_dict(HandlerSettings):
        assert f"`{key}`" in PAGE
    words = " ".join(PAGE.split())
    assert " ".join(ENVIRONMENT[:10]) in words
    assert " ".join(ENVIRONMENT[10:]) in words
    *codes, last = sorted(NOT_AGAIN)
    assert f"After {', '.join(map(str, codes))} and {last} a message is not tried again" in words
