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
    assert capsys.readouterr().out.splitlines()[:2] == ["symbol,rows,note", "BTCUSD,3,"]
    output.write_rows(ROWS, form="table")
    table = capsys.readouterr().out
    assert table.splitlines()[1] == "BTCUSD         3  -"
    assert "\x1b" not in table


def test_no_rows_have_a_header_in_csv_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the columns are known CSV names them; a table of nothing is nothing."""
    for form, printed in (("csv", "symbol,rows\n"), ("table", ""), ("ndjson", ""), ("json", '{"rows":[]}\n')):
        output.write_rows([], form=form, columns=("symbol", "rows"))
        assert capsys.readouterr().out == printed


def test_a_table_leaves_out_what_holds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the columns that are not asked for by name a table has those with something in them, CSV has all."""
    rows = [{"symbol": "BTCUSD", "rows": 0, "late": 0, "note": None, "gaps": 0},
            {"symbol": "ETHUSD", "rows": 0, "late": 0, "note": "", "gaps": 2}]  # fmt: skip
    output.write_rows(rows, form="table", core=("symbol", "rows"))
    assert capsys.readouterr().out.splitlines()[0].split() == ["symbol", "rows", "gaps"]
    output.write_rows(rows, form="csv", core=("symbol", "rows"))
    assert capsys.readouterr().out.splitlines()[2] == "ETHUSD,0,0,,2"


def test_an_object_is_lines_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Objects within become lines with a dot, lists of objects tables under their names; JSON stays as it is."""
    value = {
        "schema_version": 1,
        "state": "up",
        "store": {"kind": "x", "cache": {"hits": 3}},
        "feeds": ROWS,
        "log": [],
    }
    output.write_object(value, form="table")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["name", "value"], ["state", "up"], ["store.kind", "x"], ["store.cache.hits", "3"], ["log", "-"], [],
        ["feeds"], ["symbol", "rows", "note"], ["BTCUSD", "3", "-"], ["ETH?[2JUSD", "12", '{"a":1}'],
    ]  # fmt: skip
    output.write_object(value, form="json")
    assert json.loads(capsys.readouterr().out) == value


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
