"""History that is bought into a database: the same promises as in files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from core.store.postgres.claims import database_claim
from core.store.postgres.connection import connect
from core.store.postgres.migrate import migrate
from core.store.postgres.reading import PostgresReader
from tests.simulator.bought import ask, command, selling, sold, trades
from tests.simulator.test_backfill import SERIES, same


@pytest.mark.trio
async def test_a_database_gets_what_was_bought_once(tmp_path: Path, postgres_url: str) -> None:
    """Two machines that share a database and an account buy a range once; the store holds each trade once."""
    with connect(postgres_url) as connection:
        migrate(connection)
    records = trades(2, 300)
    async with selling(sold(records)) as (running, environment):
        environment |= {"RINGSIDE__DATABASE__URL": postgres_url}
        code, first = await ask(command(2, "--yes"), environment, tmp_path / "one")
        assert (code, first["rows"][0]["stored"], first["rows"][0]["problem"]) == (0, 600, "")
        code, second = await ask(command(2, "--yes"), environment, tmp_path / "two")
        assert (code, second["rows"][0]["state"], len(running.desk.charged)) == (0, "nothing to do", 1)
        code, status = await ask(
            ["--batch", "backfill", "status", "--detailed", "--json"], environment, tmp_path / "two"
        )
        assert (status["rows"][0]["rows"], status["rows"][0]["fetched_days"]) == (600, 2)
    with closing(PostgresReader(postgres_url)) as reader:
        assert same(reader.read(SERIES, 1, 2**62), records)


@pytest.mark.trio
async def test_a_series_that_another_machine_fetches_is_left_alone(tmp_path: Path, postgres_url: str) -> None:
    """While somebody holds the claim of a series a second command is refused, and buys nothing."""
    with connect(postgres_url) as connection:
        migrate(connection)
    async with selling(sold(trades(1, 50))) as (running, environment):
        environment |= {"RINGSIDE__DATABASE__URL": postgres_url}
        with database_claim(postgres_url, str(SERIES)) as ours:
            assert ours
            code, answer = await ask(command(1, "--yes"), environment, tmp_path)
        assert (code, running.desk.charged) == (8, [])
        assert "being fetched already" in answer["rows"][0]["problem"]
        code, _ = await ask(command(1, "--yes"), environment, tmp_path)
        assert (code, len(running.desk.charged)) == (0, 1)
