"""`live`: follow the rings of another process, found through the service registry; rates, delays and losses, or what
strategies make of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.live_paper_options import add_paper_options, check_unused
from console.batch.log_options import add_log_option

if TYPE_CHECKING:
    from pathlib import Path

    from core.telemetry.histograms import LatencyHistogram
    from ringbuf.reader import RingReader

NAME = "live"
HELP = "follow the rings of a running engine: rates, delays, losses; or trade on them on paper"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--symbols", help="canonical symbols like BTCUSD,ETHUSD")
    parser.add_argument("--venue", default="", help="when a symbol is served for several venues")
    parser.add_argument("--instance", default="", help="when a symbol is served by several engines")
    parser.add_argument("--duration", type=float, default=0.0, metavar="S", help="seconds (default: until stopped)")
    add_paper_options(parser)
    add_log_option(parser)
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Follow until the time is over or a signal comes, then print one row a ring; or trade on paper as long."""
    import trio

    from core.errors import UsageError
    from core.model.symbology import parse_symbols

    if not 0 <= arguments.duration < 1e9:
        raise UsageError("bad duration", str(arguments.duration), hint="seconds, 0 for until stopped")
    if arguments.paper_trading:
        from console.batch.live_paper import run_paper

        return run_paper(arguments)
    check_unused(arguments)
    if not arguments.symbols:
        raise UsageError("no symbols", "--symbols is missing", hint="like --symbols BTCUSD,ETHUSD")
    symbols = parse_symbols(arguments.symbols)
    followers = [_Follower(find_ring(one, arguments.venue.upper(), arguments.instance)) for one in symbols]
    code = trio.run(_follow, followers, arguments.duration)
    rows = [follower.row() for follower in followers]
    for follower in followers:
        follower.reader.close()
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    return code


def find_ring(symbol: str, venue: str, instance: str) -> Path:
    """The public trade ring of a symbol. Where one engine alone streams it, and without a public ring, that is asked
    for one; nothing else about an engine is changed.

    Raises:
        NotFoundError: nobody streams it, or it is not known which of several is meant.
    """
    from console.batch.control import ask
    from core.errors import NotFoundError
    from ringbuf import discovery, layout

    try:
        return discovery.ring_path(symbol, venue, instance=instance)
    except layout.RingError as error:
        cause = error
    streaming = [] if discovery.is_served(symbol, venue, instance=instance) else _streaming(symbol, venue, instance)
    if len(streaming) > 1:
        names = ", ".join(f"{engine} ({at})" for engine, at in streaming)
        raise NotFoundError(f"no public ring of {symbol}", f"streamed by {names}", hint="name --instance and --venue")
    if not streaming:
        raise NotFoundError("no ring", str(cause), hint="instances shows what is served") from cause
    ((engine, at),) = streaming
    ask(engine, "subscribe", symbol=symbol, venue=at)
    try:
        return discovery.ring_path(symbol, at, instance=engine)
    except layout.RingError as error:
        raise NotFoundError("no ring", str(error), hint="instances shows what is served") from error


def _streaming(symbol: str, venue: str, instance: str) -> list[tuple[str, str]]:
    # The engines that stream a symbol for themselves alone, each with the venue.
    from console.batch.control import ask
    from core.errors import ConsoleError
    from ringbuf import discovery

    found = []
    for state in discovery.instances():
        if not state.alive or instance not in {"", state.instance}:
            continue
        try:
            feeds = ask(state.instance, "status")["feeds"]
        except ConsoleError:
            continue  # it has just stopped, or is too busy to be asked more of
        found += [
            (state.instance, row["venue"])
            for row in feeds
            if row["symbol"] == symbol and row["streaming"] and venue in {"", row["venue"]}
        ]
    return found


class _Follower:
    """Reads one ring and keeps what it saw."""

    def __init__(self, path: Path) -> None:
        from core.clock import monotonic_ns
        from core.model.records import TRADE
        from core.telemetry.histograms import LatencyHistogram
        from ringbuf.reader import RingReader

        self.reader: RingReader = RingReader(path, name="live", dtype=TRADE)
        self._delay: LatencyHistogram = LatencyHistogram()
        self._records = 0
        self._last_price_e9 = 0
        self._began_ns = monotonic_ns()

    async def follow(self) -> None:
        """Read whenever there is something to read, until cancelled or the ring is closed."""
        from console.doorbell import wait_for_record
        from core.clock import wall_ns

        reader = self.reader
        while not (reader.closed and reader.lag == 0):
            batch = reader.pop_batch()
            if len(batch):
                now_ns = wall_ns()
                for ts_recv_ns in batch["ts_recv"].tolist():
                    self._delay.record(now_ns - ts_recv_ns)
                self._records += len(batch)
                self._last_price_e9 = int(batch["price"][-1])
            await wait_for_record(reader)

    def row(self) -> dict[str, Any]:
        """What was seen so far."""
        from core.clock import NS_PER_S, monotonic_ns
        from core.model.fixedpoint import format_price

        reader, delay = self.reader, self._delay.summary()
        elapsed_s = (monotonic_ns() - self._began_ns) / NS_PER_S
        return {
            "symbol": reader.symbol,
            "venue": reader.venue,
            "instance_id": reader.instance,
            "ring": reader.path.name,
            "duration_s": round(elapsed_s, 3),
            "records": self._records,
            "records_per_s": round(self._records / elapsed_s, 3) if elapsed_s else 0.0,
            "lapped": reader.lapped,
            "latency_p50_us": delay.p50_ns // 1000,
            "latency_p99_us": delay.p99_ns // 1000,
            "latency_max_us": delay.max_ns // 1000,
            "last_price": format_price(self._last_price_e9, 9) if self._records else None,
            "closed": reader.closed,
        }


async def _follow(followers: list[_Follower], duration_s: float) -> int:
    import signal

    import trio

    stopped_by = 0
    async with trio.open_nursery() as nursery:

        async def obey_signals() -> None:
            nonlocal stopped_by
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
                async for number in signals:
                    stopped_by = number
                    nursery.cancel_scope.cancel()

        async def follow_all() -> None:
            async with trio.open_nursery() as rings:
                for follower in followers:
                    rings.start_soon(follower.follow)
            nursery.cancel_scope.cancel()

        nursery.start_soon(obey_signals)
        nursery.start_soon(follow_all)
        if duration_s:
            await trio.sleep(duration_s)
            nursery.cancel_scope.cancel()
    return 128 + stopped_by if stopped_by else 0
