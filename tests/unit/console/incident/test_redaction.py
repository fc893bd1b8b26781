"""Documents and lists are searched for secrets in all their parts."""

from __future__ import annotations

from config.hiding import HIDDEN
from console.incident.redaction import Redaction


def test_lists_and_names_of_documents() -> None:
    """What follows an option that is called like a secret goes, what stands under such a name too, the rest stays."""
    hidden = Redaction().value(
        {"command": ["curl", "--token", "MARK", "-v"], "token": "MARK", "rows": 3, "key": None}
    )
    assert hidden == {"command": ["curl", "--token", HIDDEN, "-v"], "token": HIDDEN, "rows": 3, "key": None}


def test_a_secret_in_a_name_is_hidden() -> None:
    """What is a name in one document may be a value in another."""
    assert Redaction.of(["hunter2-hunter2"]).value({"a hunter2-hunter2": [1]}) == {f"a {HIDDEN}": [1]}


def test_bytes_keep_their_length() -> None:
    """What has a length, as a record does, can still be read."""
    assert Redaction.of(["hunter2-hunter2"]).data(b"\0\xffhunter2-hunter2\0") == b"\0\xff" + b"*" * 15 + b"\0"
