-- What is kept beside the market data. Money is numeric, instants are nanoseconds since the UNIX epoch.

-- Stretches of a series that are known to be incomplete, and why: `not stored` for what was received and lost.
CREATE TABLE gaps (
    gap_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL, symbol text NOT NULL, schema text NOT NULL,
    start_ns bigint NOT NULL, end_ns bigint NOT NULL, rows bigint NOT NULL,
    cause text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
-- Engines say all they know again after an outage.
CREATE UNIQUE INDEX gaps_of_series ON gaps (venue, symbol, schema, start_ns, end_ns, cause);

-- Records that no series should hold, as they came, with the reason: of a series and reason the newest thousand.
CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL, symbol text NOT NULL, schema text NOT NULL,
    reason text NOT NULL,
    record bytea NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX quarantine_of_series ON quarantine (venue, symbol, schema, reason, quarantine_id);

-- Long work that goes on where it was after a restart.
CREATE TABLE jobs (
    job_id text PRIMARY KEY,
    kind text NOT NULL,
    request jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    progress jsonb NOT NULL DEFAULT '{}',
    message text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- What history cost. One row a purchase; what was estimated stands beside what was paid.
CREATE TABLE spend (
    spend_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text REFERENCES jobs,
    provider text NOT NULL, dataset text NOT NULL, schema text NOT NULL, symbol text NOT NULL,
    start_ns bigint NOT NULL, end_ns bigint NOT NULL,
    rows bigint NOT NULL, billed_bytes bigint NOT NULL,
    estimated_usd numeric(18, 6) NOT NULL, paid_usd numeric(18, 6) NOT NULL,
    spent_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX spend_time ON spend (spent_at);

-- Every firing of an alert and what people did about it.
CREATE TABLE alert_history (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text NOT NULL, subject text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state text NOT NULL CHECK (state IN ('firing', 'acknowledged', 'silenced', 'resolved')),
    value text NOT NULL, threshold text NOT NULL, message text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alert_history_time ON alert_history (noted_at);

-- What strategies did in paper trading: every signal, order and fill.
CREATE TABLE live_strategy_log (
    log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    logged_at timestamptz NOT NULL DEFAULT now(),
    session_id text NOT NULL,
    strategy text NOT NULL, strategy_sha256 text NOT NULL, account text NOT NULL,
    venue text NOT NULL, symbol text NOT NULL,
    event text NOT NULL CHECK (event IN ('signal', 'order', 'fill', 'cancel', 'reject', 'stop')),
    side text NOT NULL DEFAULT '',
    ts_event bigint NOT NULL,
    price numeric(38, 9), quantity numeric(38, 8), fee numeric(38, 8),
    cash numeric(38, 8), position numeric(38, 8), equity numeric(38, 8), realised_pnl numeric(38, 8),
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX live_strategy_log_session ON live_strategy_log (session_id, log_id);
CREATE INDEX live_strategy_log_time ON live_strategy_log (ts_event);
