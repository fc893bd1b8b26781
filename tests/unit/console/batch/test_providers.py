"""`providers`: what can be streamed from, and what each can do."""

from __future__ import annotations

import json

import pytest

from console.__main__ import main
from console.plan import DATASET_PROVIDERS, DEMO_PROVIDERS, LIVE_PROVIDERS
from console.status import channel_rows
from console.wiring import provider_infos
from core.model.publishers import PUBLISHERS
from providers.base import ChannelStatus, Standing


def test_every_provider_is_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One row each, in the order of `--provider`, without a key and without asking anybody."""
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    assert main(["--batch", "providers", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema_version"] == 1
    assert [row["name"] for row in told["rows"]] == list(LIVE_PROVIDERS)
    (kraken,) = (row for row in told["rows"] if row["name"] == "kraken")
    assert (kraken["venue"], kraken["schemas"]) == ("KRAKEN", "trades,mbp-1,mbp-10")
    assert (kraken["has_history"], kraken["needs_key"], kraken["symbols_at_most"]) == (True, False, None)
    assert main(["--batch", "providers"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(LIVE_PROVIDERS) + 1


def test_infos_agree_with_what_can_be_planned() -> None:
    """Demo markets, datasets and venues are those that the plan and the publishers know."""
    infos = provider_infos()
    assert {info.name for info in infos if info.demo_venue} == DEMO_PROVIDERS
    assert {info.name for info in infos if not info.venue} == DATASET_PROVIDERS
    named = {name for info in infos for name in (info.venue, info.demo_venue) if name}
    assert named <= set(PUBLISHERS)


def test_channels_are_told_in_plain_values() -> None:
    """One row a channel, in the venue's words."""
    subscription = {"trade": ChannelStatus(Standing.GRANTED), "book": ChannelStatus(Standing.REFUSED, "too many")}
    assert channel_rows(subscription) == [
        {"channel": "trade", "standing": "granted", "reason": ""},
        {"channel": "book", "standing": "refused", "reason": "too many"},
    ]
