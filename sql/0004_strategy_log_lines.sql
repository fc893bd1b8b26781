-- Of each line of a session's ledger there is one row at most, so that a writer which was killed, or does not know what
-- became of a commit, writes again without doubling anything. Rows from before have no `line`. Amounts are as exact as
-- the ledger has them, 1e-12.
ALTER TABLE live_strategy_log
    ADD COLUMN line bigint,
    ALTER COLUMN price TYPE numeric,
    ALTER COLUMN quantity TYPE numeric,
    ALTER COLUMN fee TYPE numeric,
    ALTER COLUMN cash TYPE numeric,
    ALTER COLUMN position TYPE numeric,
    ALTER COLUMN equity TYPE numeric,
    ALTER COLUMN realised_pnl TYPE numeric;
CREATE UNIQUE INDEX live_strategy_log_line ON live_strategy_log (session_id, line);
