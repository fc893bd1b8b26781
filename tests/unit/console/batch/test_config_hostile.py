"""Settings that somebody else wrote: whatever stands in them, what is said is words, fit for a terminal, and no
secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.load import dump, examine
from config.reading import fields_of, item_type
from config.schema import Settings
from console.batch.output import harmless
from console.batch.settings_meaning import CHECKERS, problems_of, told

_ACCOUNT = {"id": "A", "currency": "USD", "initial_balance": "1"}
_NUMBERS = [0, 1, -1, 5, 10**40, True, False, 0.0, -0.5, 1e308, float("nan"), float("inf")]
_TEXTS = ["", " ", "x", "1", "-1", "1e999", "\x1b[2J", "a" * 5000, "kraken", "BTCUSD", "rsi", "rsi,sma", "5%", "1m"]
_LISTS: list[Any] = [[], ["x"], ["BTCUSD", ""], [1], [[1]], [{}], [{"id": 1}], [{}, 3], [_ACCOUNT] * 2]
_TABLES: list[Any] = [{}, {"x": 1}, {"a": {"b": "c"}}, [{"strategy": "rsi", "params": {"period": "x"}}] * 2]
ODD = st.sampled_from([*_NUMBERS, *_TEXTS, "./no.py", "databento", "é", *_LISTS, *_TABLES])
NAMES = ("crypto", "ESH5@CME", "x.y", "", "ops", "engine_unreachable")


@st.composite
def sections(draw: st.DrawFn, section: type = Settings) -> dict[str, Any]:
    """A table with some of the keys of a section, each right or odd."""
    table: dict[str, Any] = {}
    for name, field in fields_of(section).items():
        if not draw(st.integers(0, 3)):
            kind: Any = field.type
            if attrs.has(kind) and draw(st.booleans()):
                table[name] = draw(sections(kind))
            elif attrs.has(item_type(kind)) and draw(st.booleans()):
                table[name] = draw(st.dictionaries(st.sampled_from(NAMES), sections(item_type(kind)), max_size=2))
                if not str(kind).startswith("collections"):
                    table[name] = list(table[name].values())
            else:
                table[name] = draw(ODD)
    return table


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sections())
def test_whatever_stands_there_is_told_in_words(tmp_path_factory: Any, tree: dict[str, Any]) -> None:
    """Every checker looks at what is left of it, nothing is raised, and each problem stands on a line."""
    path: Path = tmp_path_factory.mktemp("odd") / "config.toml"
    path.write_text(tomli_w.dumps(tree), encoding="utf-8")
    path.chmod(0o600)
    found = examine(path, environment={})
    problems = problems_of(found)
    assert dump(found.settings)
    for problem in problems:
        assert problem.origin.line is not None
        assert problem.message
        assert str(problem) == harmless(str(problem))
    if not problems:
        assert attrs.evolve(found.settings) == found.settings


def test_settings_that_say_nothing_are_right() -> None:
    """No checker finds anything in the defaults."""
    assert [problem for checker in CHECKERS for problem in checker(Settings())] == []


def test_lines_of_other_checkers_find_their_place() -> None:
    """Whether they quote a name or not; what has no place is told as it is."""
    tables = [("alerting", "rules", "a.b"), ("alerting", "rules", "a")]
    lines = [
        "alerting.rules.a.b.metric: no such series 'x' (did you mean y?)",
        "alerting.rules.a: needs more",
        "alerting.max_cooldown_secs: is less",
        "nothing of the kind",
    ]
    assert [(one.place, one.message, one.hint) for one in told(lines, tables)] == [
        (("alerting", "rules", "a.b", "metric"), "no such series 'x'", "did you mean y?"),
        (("alerting", "rules", "a"), "needs more", ""),
        (("alerting", "max_cooldown_secs"), "is less", ""),
        ((), "nothing of the kind", ""),
    ]
