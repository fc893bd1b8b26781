"""The options of `backtest`, and what the texts in them mean. Imports nothing heavy: `--help` must stay instant."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from console.batch import output
from console.batch.db_options import add_range_options
from console.batch.db_target import add_store_option
from core.errors import UsageError

if TYPE_CHECKING:
    from core.sim.models import Slippage
    from core.sim.trader import Sizing

MOST_S: Final = 30 * 86_400.0
MOST_SEED: Final = 2**63 - 1
_UNITS_NS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_DURATION: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?(ns|us|ms|s)")
_MOST_LATENCY_NS: Final = 3600 * 1_000_000_000
_BALANCE: Final = re.compile(r"([0-9][0-9_.]*)\s*([A-Za-z][A-Za-z0-9.]{0,15})?")
_MOST_FRACTION_PPM: Final = 100_000_000  # what `Sizing` takes
_STEPS: Final = re.compile(r"([0-9]{1,6})t")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a single run takes."""
    _add_strategy(parser)
    _add_data(parser)
    _add_money(parser)
    _add_market(parser)
    _add_acts(parser)
    output.add_format_options(parser)
    add_store_option(parser)


def _add_strategy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategy", metavar="NAME|FILE", help="one that --list names, or an approved file.py")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="set one of its parameters"
    )
    parser.add_argument("--bars", metavar="BARS", help="1m 5m 15m 30m 1h 4h 1d 1w, or 100t for bars of 100 trades")
    parser.add_argument("--events", action="store_true", help="call the strategy event by event in any case")
    add_timeout_option(parser, "seconds that one run may take")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbol", help="like BTCUSD")
    parser.add_argument("--venue", help="like KRAKEN; may be left out when only one has the symbol")
    add_range_options(parser)
    parser.add_argument("--data", action="append", default=[], type=Path, metavar="FILE",
                        help="trades of a .dbn or .dbn.zst file, not of the store; may be repeated")  # fmt: skip
    parser.add_argument("--depth", action="store_true", help="fill against the stored order books (mbp-10)")
    parser.add_argument("--book-data", action="append", default=[], type=Path, metavar="FILE",
                        help="fill against the order books in a .dbn file; may be repeated")  # fmt: skip


def _add_money(parser: argparse.ArgumentParser) -> None:
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quantity", metavar="Q", help="how much a signal is about, in units or contracts")
    size.add_argument("--fraction", metavar="SHARE", help="how much of the account it is about (default: 95%%)")
    parser.add_argument("--shorts", action="store_true", help="a SELL goes short, where the product allows it")
    parser.add_argument("--account", metavar="ID", help="trade on this account of the settings")
    parser.add_argument("--balance", metavar="AMOUNT", help="begin with so much, like 50000 or 50000USDT")


def _add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--maker", metavar="RATE", help="fee of resting orders, like 0.1%% or 10bps (default: venue's)"
    )
    parser.add_argument("--taker", metavar="RATE", help="fee of orders that take (default: the venue's)")
    parser.add_argument("--slippage", metavar="RATE|Nt", default="0", help="so much worse, or N price steps worse")
    parser.add_argument("--latency", metavar="TIME", default="0ms", help="until an order is there, like 50ms")
    parser.add_argument("--jitter", metavar="TIME", default="0ms", help="up to so much longer, by chance")
    parser.add_argument(
        "--touch", action="store_true", help="limit orders also fill at their price, not only through"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is chance (default: 0)")


def _add_acts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="show the strategies and their parameters")
    parser.add_argument("--preview", action="store_true", help="check the data and show its bars, and run nothing")
    parser.add_argument("--verify", nargs="?", const="", metavar="RESULT.json",
                        help="run twice, or run again what a result says, and compare")  # fmt: skip
    parser.add_argument("--out", action="append", default=[], type=Path, metavar="FILE",
                        help="write a .json, .csv (trades) or .html report; may be repeated")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="overwrite what --out names")
    parser.add_argument("--trades", action="store_true", help="orders and fills, too")
    parser.add_argument("--progress", choices=("line", "json"), default="line", help="how progress is told on stderr")


@attrs.frozen
class Balance:
    """What an account begins with; `currency` is "" when it was not named."""

    amount: str
    currency: str


def parse_parameters(given: list[str]) -> dict[str, str]:
    """The parameters of `--param NAME=VALUE`. Raises `UsageError` when one has no name, or comes twice."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError("bad parameter", ascii(one)[:60], hint="like --param short=5")
        if name.strip() in found:
            raise UsageError("parameter given twice", ascii(name)[:60])
        found[name.strip()] = value.strip()
    return found


def parse_duration_ns(text: str, *, option: str) -> int:
    """Nanoseconds of `50ms`, `1.5s`, `200us`; plain 0 is none. Raises `UsageError`."""
    found = _DURATION.fullmatch(text.strip())
    if text.strip() == "0":
        return 0
    if found is None:
        raise UsageError(f"bad {option}", ascii(text)[:40], hint="like 50ms, 1.5s or 200us")
    whole, fraction, unit = found.groups()
    scale = _UNITS_NS[unit]
    part = int((fraction or "0").ljust(9, "0")) * scale // 10**9
    duration_ns = int(whole) * scale + part
    if duration_ns > _MOST_LATENCY_NS:
        raise UsageError(f"bad {option}", ascii(text)[:40], hint="at most an hour")
    return duration_ns


def parse_balance(text: str) -> Balance:
    """What `50000` or `50000USDT` says; the amount is not looked at yet. Raises `UsageError`."""
    found = _BALANCE.fullmatch(text.strip())
    if found is None:
        raise UsageError("bad balance", ascii(text)[:40], hint="like 50000 or 50000USDT")
    return Balance(found[1].replace("_", ""), (found[2] or "").upper())


def parse_slippage(text: str) -> Slippage:
    """What `0.05%` (a rate) or `2t` (steps of the price) says. Raises `UsageError`."""
    from core.sim.fees import parse_rate
    from core.sim.models import Slippage

    found = _STEPS.fullmatch(text.strip())
    if found is not None:
        return Slippage(increments=int(found[1]))
    try:
        return Slippage(ppm=parse_rate(text))
    except UsageError as error:
        hint = "like 0.05%, which is below 100%, or 2t for two price steps"
        raise UsageError("bad slippage", ascii(text)[:40], hint=hint) from error


def parse_sizing(arguments: argparse.Namespace) -> Sizing:
    """How much a signal is about. Raises `UsageError`."""
    from core.model.fixedpoint import FixedPointError, parse_quantity
    from core.sim.trader import Sizing

    if arguments.quantity is None:
        fraction_ppm = _fraction_ppm(arguments.fraction) if arguments.fraction is not None else Sizing().fraction_ppm
        return Sizing(fraction_ppm=fraction_ppm, shorts=arguments.shorts)
    try:
        quantity_e8 = parse_quantity(arguments.quantity.strip())
    except FixedPointError:
        quantity_e8 = 0
    if not quantity_e8:
        hint = "above 0, with at most 8 decimals, like 0.5"
        raise UsageError("bad quantity", ascii(arguments.quantity)[:40], hint=hint)
    return Sizing(quantity_e8=quantity_e8, shorts=arguments.shorts)


def _fraction_ppm(text: str) -> int:
    from core.sim.fees import parse_rate

    try:
        ppm = parse_rate(text, most_ppm=_MOST_FRACTION_PPM)  # with leverage it may be more than everything
    except UsageError:
        ppm = 0
    if not ppm:
        hint = f"above 0 and at most {_MOST_FRACTION_PPM // 10_000}%, like 95% or 0.95"
        raise UsageError("bad fraction", ascii(text)[:40], hint=hint)
    return ppm


def add_timeout_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare `--timeout`; `text` is its help."""
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help=text)


def check_timeout(seconds: float) -> None:
    """See that it makes sense as a time limit. Raises `UsageError`."""
    if not 0 < seconds <= MOST_S:  # also refuses what is not a number
        raise UsageError("bad timeout", f"{seconds:g}", hint=f"above 0 and at most {MOST_S:.0f} seconds")


def check(arguments: argparse.Namespace) -> None:
    """See that the options go together and their numbers make sense. Raises `UsageError`."""
    check_timeout(arguments.timeout)
    if not 0 <= arguments.seed <= MOST_SEED:
        raise UsageError("bad seed", str(arguments.seed)[:40], hint=f"from 0 to {MOST_SEED}")
    if not arguments.strategy and not arguments.preview:
        raise UsageError("no strategy", "--strategy is missing", hint="--list shows what there is")
    if not arguments.symbol and not arguments.data:
        raise UsageError("no symbol", "--symbol is missing", hint="db stats shows what is stored")
    if arguments.depth and arguments.book_data:
        raise UsageError("two sources of books", "--depth with --book-data", hint="use one of them")
    if arguments.depth and arguments.data:
        raise UsageError("no stored books", "--depth with --data", hint="name their file with --book-data")


def command_line(arguments: argparse.Namespace) -> str:
    """What to type to run this again: the options that decide a result, files by their whole path."""
    return shlex.join(["ringside", "--batch", "backtest", *deciding_words(arguments)])


def deciding_words(arguments: argparse.Namespace) -> list[str]:
    """The words of a command line that decide a result; none when nothing was said."""
    words: list[str] = []
    for name in _DECIDING:
        given = getattr(arguments, name)
        if name == "strategy" and given and given.endswith(".py"):
            given = Path(given).expanduser()
        for value in _values(None if given == _UNSAID.get(name) else given):
            option = f"--{name.replace('_', '-')}"
            # What begins with a sign is taken for an option of its own, as a rebate of -0.01%.
            joined = any(word.startswith("-") for word in value)
            words += [f"{option}={value[0]}"] if joined else [option, *value]
    return words


_DECIDING: Final = (
    "strategy", "param", "symbol", "venue", "start", "end", "data", "book_data", "bars", "quantity", "fraction",
    "shorts", "account", "balance", "maker", "taker", "slippage", "latency", "jitter", "touch", "depth", "seed",
    "events", "timeout", "store", "config",
)  # fmt: skip
_UNSAID: Final = {"slippage": "0", "latency": "0ms", "jitter": "0ms", "seed": 0, "timeout": 300.0}


def _values(value: object) -> list[list[str]]:
    # One list of words for each time that the option is to be given.
    if value is None or value is False:
        return []
    if value is True:
        return [[]]
    if isinstance(value, list):
        return [words for one in value for words in _values(one)]
    return [[str(value.absolute() if isinstance(value, Path) else value)]]
