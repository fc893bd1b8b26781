"""What commands print."""

from __future__ import annotations

import json

import pytest

from console.batch import output
from core.errors import RefusedError

ROWS = [{"symbol": "BTCUSD", "rows": 3, "note": None}, {"symbol": "ETH\x1b[2JUSD", "rows": 12, "note": {"a": 1}}]


def test_one_set_of_rows_in_four_forms(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has an envelope, NDJSON a row a line, CSV a header, a table aligned columns and no control characters."""
    output.write_rows(ROWS, form="json", envelope={"schema_version": 1})
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "rows": ROWS}
    output.write_rows(ROWS, form="ndjson")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS
    output.write_rows(ROWS, form="csv")
    assert capsys.readouterr().out.splitlines()[:2] == ["symbol,rows,note", "BTCUSD,3,-"]
    output.write_rows(ROWS, form="table")
    table = capsys.readouterr().out
    assert table.splitlines()[1] == "BTCUSD         3  -"
    assert "\x1b" not in table


def test_an_error_is_one_object_or_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON mode stdout has the whole error; otherwise stderr says it, and stdout stays empty."""
    error = RefusedError("name is taken", "alpha", hint="choose another")
    assert output.report(error, form="json") == 8
    found = json.loads(capsys.readouterr().out)["error"]
    assert (found["category"], found["message"], found["hint"]) == (
        "refused",
        "name is taken: alpha",
        "choose another",
    )
    assert output.report(error, form="table") == 8
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "name is taken: alpha" in printed.err
    assert "choose another" in printed.err
