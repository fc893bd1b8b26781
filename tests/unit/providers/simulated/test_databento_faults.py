"""The simulated Databento's fault menu: what may be written, and when each fault strikes."""

from __future__ import annotations

import pytest

from core.clock import NS_PER_S
from core.errors import UsageError
from providers.simulated.databento_faults import DATA, DATABENTO, DOWNLOAD, ArchiveFaults, ClientFaults, SessionFaults
from providers.simulated.faults import FAULTS, NO_FAULTS, FaultPlan

SESSION_FAULTS = ("close", "disconnect", "error", "half-open", "malformed", "slow-reader")


def _plan(text: str) -> FaultPlan:
    return FaultPlan.parse(text, DATABENTO)


def test_every_fault_may_be_named() -> None:
    """By count all of them; by the clock those that do not count requests."""
    assert set(_plan(",".join(f"{name}=2" for name in DATABENTO.faults)).every) == set(DATABENTO.faults)
    for name in DATABENTO.faults:
        if name in DATABENTO.requests:
            with pytest.raises(UsageError):
                _plan(f"{name}=2s")
        else:
            assert _plan(f"{name}=2s").every_s == {name: 2.0}


@pytest.mark.parametrize("text", ["gap=3", "bad-checksum=1", "mute=BTCUSD@1s", "close", "close=0", "\x1b=1"])
def test_what_is_not_on_the_menu_is_refused_with_it(text: str) -> None:
    """The exchanges' faults included, which mean nothing to Databento; nothing unprintable is repeated."""
    with pytest.raises(UsageError) as caught:
        _plan(text)
    assert all(name in caught.value.hint for name in DATABENTO.faults)
    assert "mute" not in caught.value.hint
    assert str(caught.value).isprintable()


def test_the_exchanges_know_none_of_databentos_own() -> None:
    """Each provider has its menu."""
    for name in set(DATABENTO.faults) - set(FAULTS):
        with pytest.raises(UsageError):
            FaultPlan.parse(f"{name}=1")


@pytest.mark.parametrize("name", SESSION_FAULTS)
def test_every_third_record_is_struck(name: str) -> None:
    """Each session counts its own."""
    for _ in range(2):
        faults = SessionFaults(_plan(f"{name}=3"))
        assert [at for at in range(1, 10) if faults.next()] == [3, 6, 9]


def test_the_clock_strikes_the_next_record() -> None:
    """The first after so many seconds, again and again; the rarer fault goes first where two meet."""
    now_ns = 0
    faults = SessionFaults(_plan("close=2s,slow-reader=1s"), lambda: now_ns)
    struck = []
    for tenth in range(1, 45):
        now_ns = tenth * NS_PER_S // 10
        struck.append(faults.next())
    assert [at / 10 for at, kind in enumerate(struck, start=1) if kind] == [1.0, 2.0, 3.0, 4.0]
    assert [kind for kind in struck if kind] == ["slow_reader", "close", "slow_reader", "close"]


def test_clients_requests_and_files_are_counted_apart() -> None:
    """A fault of files waits for files, one of answers strikes any; without a plan nothing happens."""
    clients = ClientFaults(_plan("refuse=2"))
    assert [clients.refuses() for _ in range(4)] == [False, True, False, True]
    archive = ArchiveFaults(_plan("rate-limit=4,corrupt=2"))
    pages = ("metadata.list_schemas", DATA, "symbology.resolve", DOWNLOAD, DOWNLOAD, DATA)
    assert [archive.next(page) for page in pages] == [None, None, None, "429", None, "corrupt"]
    assert (SessionFaults(NO_FAULTS).next(), ClientFaults(NO_FAULTS).refuses()) == (None, False)
    assert ArchiveFaults(NO_FAULTS).next(DATA) is None
