"""What is secret in a settings file is known, whatever else stands in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.incident.scene import _secrets_of_file

SECRET = 'token = "s3cret-token-of-ours"\n'


@pytest.mark.parametrize(
    "rest",
    ["", ".".join(["a"] * 2_000) + " = 1\n", "a = " + "[" * 2_000 + "]" * 2_000 + "\n", "no TOML\n"],
    ids=["right", "a deep key", "deep lists", "no TOML"],
)
def test_secrets_are_found_in_every_text(tmp_path: Path, rest: str) -> None:
    """In settings that cannot be used too; nothing is raised."""
    path = tmp_path / "config.toml"
    path.write_text(f"{SECRET}{rest}", encoding="utf-8")
    assert "s3cret-token-of-ours" in " ".join(_secrets_of_file(path))


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    """A directory, nothing at all, and a device without end."""
    assert _secrets_of_file(tmp_path) == []
    assert _secrets_of_file(tmp_path / "none") == []
    assert _secrets_of_file(Path("/dev/zero")) == []
    assert _secrets_of_file(Path(os.devnull)) == []
