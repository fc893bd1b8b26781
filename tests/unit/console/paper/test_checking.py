"""What `config check` finds wrong with paper trading before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from config.paths import find_paths
from console.paper.checking import check_paper_trading
from core.errors import ConfigurationError


def checked(tmp_path: Path, text: str) -> None:
    """Check a settings file."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    check_paper_trading(load(path, environment={}).settings, find_paths())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('strategy = "smaa"', "no strategy of that name"),
        ('strategies = ["sma", "sma_cross"]', "two strategies of one name"),
        ("enabled = true", "no strategy to trade with"),
        ('bars = "20x"', "unknown bars"),
        ('size = "-5%"', "bad fraction"),
        ('quantity = "much"', "bad quantity"),
        ('slippage = "1 cup"', "bad slippage"),
        ('latency = "soon"', "bad latency"),
        ('jitter = "5"', "bad jitter"),
        ('maker = "free"', "bad rate"),
        ('taker = "-1%"', "rate below zero"),
        ('symbols = ["BTC USD"]', "bad symbol"),
        ('initial_capital = "0"', "bad balance"),
        (f'desk = "{"d" * 64}"', "bad name for a desk"),
        ('[[paper_trading.run]]\nstrategy = "rsi"\nparams = {period = -1}', "period"),
        ('[[paper_trading.run]]\nstrategy = "rsi"\naccount = "nobody"', "no such account"),
        ('[[paper_trading.run]]\nstrategy = "rsi"\nbars = "0t"', "bars"),
    ],
)
def test_what_cannot_be_used_is_found(tmp_path: Path, text: str, said: str) -> None:
    """Each setting is read as it is when trading begins, and what is wrong with it is said."""
    with pytest.raises(ConfigurationError, match=said):
        checked(tmp_path, f"[paper_trading]\n{text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "", 'bars = "20t"\nmode = "each-tick"\nsize = "10%"\nslippage = "2t"\nlatency = "50ms"\nmaker = "-1bps"',
        'enabled = true\nstrategy = "~/mine.py"', 'strategies = ["sma", "rsi"]\nsymbols = ["BTCUSD"]',
    ],
)  # fmt: skip
def test_what_can_be_used_passes(tmp_path: Path, text: str) -> None:
    """Nothing at all, what the command line adds a strategy to, and a file, which is not run."""
    checked(tmp_path, f"[paper_trading]\n{text}\n")
