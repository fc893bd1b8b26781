"""The table of docs/alerts.md, made of our rules: `python -m console.alerting.page` writes it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.alerts.builtin import Thresholds, builtin_rules
from core.alerts.words import condition_text

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "alerts.md"
_BEGIN: Final = "| rule | severity | fires when |\n|---|---|---|\n"


def table() -> str:
    """The rows of the table."""
    rows = []
    for rule in builtin_rules(Thresholds()):
        parents = f"; silent under {', '.join(f'`{name}`' for name in rule.parents)}" if rule.parents else ""
        what = f"`{rule.metric.removeprefix('ringside_')}` {condition_text(rule)}{parents}"
        rows.append(f"| `{rule.name}` | {rule.severity} | {what} |\n")
    return "".join(rows)


def page() -> str:
    """The whole page with the table of now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition("\n\n")
    return f"{before}{_BEGIN}{table()}\n{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
