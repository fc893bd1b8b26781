"""`[paper_trading]`: what may stand there, and what is said of what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import LoadedSettings, dump, load
from config.problems import SettingsError
from config.schema import PaperTradingSettings

WHOLE = """
[paper_trading]
enabled = true
strategies = ["sma", "./mine.py"]
symbols = ["BTCUSD"]
initial_capital = "2500.75"
desk = "night_desk-2.0"
context_ticks = 65536
bars = "100t"
mode = "close-bar"
quantity = "0.5"
shorts = true
slippage = "2t"
latency = "50ms"
jitter = "5ms"
touch = true
maker = "-0.01%"
taker = "10bps"
memory_mb = 16
call_s = 0.25
keep_days = 0

[[paper_trading.run]]
label = "fast"
strategy = "sma"
symbols = ["ETHUSD"]
params = { short = 5, long = 20.0, name = "x", strict = true }
bars = "1m"
mode = "each-tick"
account = "SIM-001"

[[paper_trading.run]]
strategy = "sma"
"""


def loaded(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> LoadedSettings:
    """The settings in a file of that text."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment=environment or {})


def paper(tmp_path: Path, text: str) -> PaperTradingSettings:
    """The section in a file of that text."""
    return loaded(tmp_path, text).settings.paper_trading


def test_the_shortest_file_is_enough(tmp_path: Path) -> None:
    """A strategy and a capital as a number, and nothing else."""
    text = '[paper_trading]\nenabled = true\nstrategy = "rsi"\ninitial_capital = 10000.0\n'
    found = paper(tmp_path, text)
    assert found == PaperTradingSettings(enabled=True, strategy="rsi", initial_capital="10000")


def test_without_a_file_nobody_trades() -> None:
    """The defaults: off, everything that is streamed, 95 % of what an account is worth."""
    found = load(None, environment={}).settings.paper_trading
    assert (found.enabled, found.strategies, found.symbols, found.run) == (False, (), (), ())
    assert (found.size, found.desk, found.context_ticks, found.keep_days) == ("95%", "default", 1000, 30)
    assert (found.memory_mb, found.call_s) == (1024, 1.0)


def test_everything_can_be_set(tmp_path: Path) -> None:
    """Each key at a value of its own, some at the very end of what is allowed; numbers of parameters become text."""
    found = paper(tmp_path, WHOLE)
    assert found.strategies == ("sma", "./mine.py")
    assert (found.initial_capital, found.quantity, found.desk) == ("2500.75", "0.5", "night_desk-2.0")
    assert (found.context_ticks, found.memory_mb, found.call_s, found.keep_days) == (65_536, 16, 0.25, 0)
    assert (found.slippage, found.latency, found.jitter, found.touch) == ("2t", "50ms", "5ms", True)
    assert (found.maker, found.taker, found.bars, found.mode, found.shorts) == (
        "-0.01%",
        "10bps",
        "100t",
        "close-bar",
        True,
    )
    first, second = found.run
    assert (first.label, first.strategy, first.symbols, first.account) == ("fast", "sma", ("ETHUSD",), "SIM-001")
    assert first.params == {"short": "5", "long": "20.0", "name": "x", "strict": "true"}
    assert (second.label, second.strategy, second.params, second.mode) == ("", "sma", {}, "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("enable = true", "paper_trading.enable: no such setting (did you mean paper_trading.enabled?)"),
        ('enabled = "yes"', "paper_trading.enabled: must be true or false, not text"),
        ("strategy = 3", "paper_trading.strategy: must be text in quotes, not 3"),
        ('strategies = "rsi"', "paper_trading.strategies: must be a list of strings, not text"),
        ('strategies = ["rsi", ""]', "paper_trading.strategies: must not hold an empty text"),
        ('strategies = ["\\u001b[2J"]', "paper_trading.strategies: must be text that can be printed"),
        (f'strategy = "{"x" * 4097}"', "paper_trading.strategy: must be text that can be printed, at most 4096"),
        (
            "initial_capital = true",
            "paper_trading.initial_capital: must be an amount, as text or a number, not True",
        ),
        ("initial_capital = nan", "paper_trading.initial_capital: must be an amount, not nan"),
        (f"initial_capital = 1{'0' * 5000}", "digits"),
        ('desk = ""', "paper_trading.desk: must be letters, digits and _ . - inside, at most 64 of them, not ''"),
        ('desk = ".."', "paper_trading.desk: must be letters"),
        ('desk = "a/b"', "paper_trading.desk: must be letters"),
        (f'desk = "{"x" * 65}"', "paper_trading.desk: must be letters"),
        ('desk = "a\\n"', "paper_trading.desk: must be letters"),
        ("context_ticks = -1", "paper_trading.context_ticks: must be from 0 to 65536"),
        ("context_ticks = 65537", "paper_trading.context_ticks: must be from 0 to 65536"),
        ('mode = "tick"', "paper_trading.mode: must be one of each-tick, price-move, close-bar, not 'tick'"),
        ("memory_mb = 15", "paper_trading.memory_mb: must be from 16 to 1048576"),
        ("memory_mb = 0.5", "paper_trading.memory_mb: must be a whole number, not 0.5"),
        ("call_s = 0", "paper_trading.call_s: must be above 0"),
        ("call_s = nan", "paper_trading.call_s: must be above 0"),
        ("call_s = 1001", "paper_trading.call_s: must be above 0 and at most 1000"),
        ("keep_days = -1", "paper_trading.keep_days: must be from 0"),
        ('quantity = "1"\nsize = "50%"', "paper_trading.quantity: quantity and size are both set"),
        ("run = 3", "paper_trading.run: must be a list of tables"),
        ("[paper_trading.run]", "paper_trading.run: must be a list of tables"),
        ("[[paper_trading.run]]", "paper_trading.run[0].strategy: must be given"),
        ('[[paper_trading.run]]\nstrategy = ""', "paper_trading.run[0].strategy: strategy must be a name or a file"),
        ('[[paper_trading.run]]\nstrategy = "a"\nlable = "b"', "run[0].lable: no such setting (did you mean paper"),
        ('[[paper_trading.run]]\nstrategy = "a"\nlabel = "b c"', "paper_trading.run[0].label: must be letters"),
        ('[[paper_trading.run]]\nstrategy = "a"\naccount = "b c"', "paper_trading.run[0].account: must be letters"),
        (
            '[[paper_trading.run]]\nstrategy = "a"\nparams = 3',
            "paper_trading.run[0].params: must be a table, not 3",
        ),
        (
            '[[paper_trading.run]]\nstrategy = "a"\nparams = { x = [1] }',
            "paper_trading.run[0].params: 'x' must be text, a number, true or false, not [1]",
        ),
        (
            '[[paper_trading.run]]\nstrategy = "a"\nparams = { x = "\\u001b" }',
            "paper_trading.run[0].params: must have names and values that can be printed, not 'x'",
        ),
        (
            '[[paper_trading.run]]\nstrategy = "a"\n[[paper_trading.run]]\nstrategy = "b"\nlabel = "a"',
            "paper_trading.run[1]: run[1] is the second one called 'a': give it a label of its own",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    """Unknown keys, wrong kinds and values beyond their bounds, each in characters that can be printed."""
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text if "paper_trading.run]" in text else f"[paper_trading]\n{text}\n")
    said = "\n".join(caught.value.problems)
    assert told in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("capital", "balance", "fits"),
    [
        ("10000.0", '"100000"', True),
        ("10000.0", '"50000"', False),
        ("50000.0", '"50000"', True),
        ('""', '"50000"', True),
        ("10000", "10000.00", True),
    ],
)
def test_two_balances_of_one_account_are_refused(tmp_path: Path, capital: str, balance: str, fits: bool) -> None:
    """The default account begins with one amount: what is said twice must be the same, unless one is the default."""
    text = f"[paper_trading]\ninitial_capital = {capital}\n[accounts.default]\ninitial_balance = {balance}\n"
    if fits:
        assert loaded(tmp_path, text).settings.paper_trading.enabled is False
        return
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text)
    (problem,) = caught.value.problems
    places = "paper_trading.initial_capital and accounts.default.initial_balance"
    place = f"{tmp_path / 'config.toml'}:2: paper_trading.initial_capital"
    assert problem == f"{place}: {places} are both set, and differ: remove one of them"


def test_the_environment_sets_it_too(tmp_path: Path) -> None:
    """Amounts need no quotes there, and a list of runs replaces that of the file."""
    environment = {
        "RINGSIDE__PAPER_TRADING__INITIAL_CAPITAL": "2500.50",
        "RINGSIDE__PAPER_TRADING__ENABLED": "false",
        "RINGSIDE__PAPER_TRADING__RUN": '[{strategy = "rsi", params = {period = 7}}]',
    }
    found = loaded(tmp_path, WHOLE, environment)
    section = found.settings.paper_trading
    assert (section.initial_capital, section.enabled) == ("2500.5", False)
    assert [(one.strategy, one.params) for one in section.run] == [("rsi", {"period": "7"})]


def test_every_value_has_its_row_and_its_origin(tmp_path: Path) -> None:
    """`config show` lists each key of each run and each parameter, and where it came from."""
    found = loaded(tmp_path, WHOLE)
    rows = dump(found.settings)
    assert rows["paper_trading.run[0].params.short"] == "5"
    assert rows["paper_trading.run[1].strategy"] == "sma"
    assert rows["paper_trading.strategies"] == ["sma", "./mine.py"]
    assert found.origins.keys() <= rows.keys()
    assert dump(load(None, environment={}).settings)["paper_trading.run"] == []
