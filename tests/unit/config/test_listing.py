"""`default.toml` is the schema: nothing is missing, nothing is said otherwise; the page of settings has it all."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from config.layers import packaged_text
from config.listing import NAME, listing
from config.load import dump, load
from config.operations import HandlerSettings, RuleSettings
from config.schema import AccountsSettings, PaperTradingSettings, RouteSettings, Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_file_is_the_one_that_is_generated() -> None:
    """`python -m config.listing > config/default.toml` renews it."""
    assert packaged_text("default.toml") == listing()


def uncommented() -> str:
    """The file with every setting in force."""
    return re.sub(r"^#(?! )", "", listing(), flags=re.MULTILINE)


def test_every_setting_stands_there_with_its_default(tmp_path: Path) -> None:
    """Uncommented it says what is so anyway, but for the examples of tables of which there is none."""
    path = tmp_path / "config.toml"
    path.write_text(uncommented(), encoding="utf-8")
    found = load(path, environment={})
    settings = found.settings
    plain = attrs.evolve(
        settings,
        accounts=attrs.evolve(settings.accounts, simulation=AccountsSettings().simulation),
        paper_trading=attrs.evolve(settings.paper_trading, run=PaperTradingSettings().run),
        routing=attrs.evolve(settings.routing, asset_types={}, symbols={}),
        alerting=attrs.evolve(settings.alerting, rules={}, handlers={}),
    )
    assert plain == Settings()
    assert settings.routing.asset_types == {NAME: RouteSettings()}
    assert settings.alerting.rules == {NAME: RuleSettings()}
    assert settings.alerting.handlers == {NAME: HandlerSettings(kind="log")}
    assert (len(settings.accounts.simulation), len(settings.paper_trading.run)) == (1, 1)
    listed = {key for key, value in dump(settings).items() if value is not None}
    assert listed - found.origins.keys() == set()


def test_the_page_of_settings_has_every_setting() -> None:
    """Each section by its name, and each key in the text of its section."""
    text = PAGE.read_text(encoding="utf-8")
    missing = []
    for key in {re.sub(r"\[\d+\]", "", one) for one in dump(Settings())}:
        section, _, name = key.rpartition(".")
        if f"[[{key}]]" in text:
            continue
        if f"`{name}`" not in text or not re.search(rf"\[\[?{re.escape(section)}(\]|\.)", text):
            missing.append(key)
    assert sorted(missing) == []
    for settings, section in ((HandlerSettings, "alerting.handlers.NAME"), (RuleSettings, "alerting.rules.NAME")):
        assert f"[{section}]" in text
        assert [one.name for one in attrs.fields(settings) if f"`{one.name}`" not in text] == []
