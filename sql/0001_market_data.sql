-- Market data. Instants are nanoseconds since the UNIX epoch, prices 1e-9, quantities 1e-8: exact integers, no floats.
-- Time beyond the signed 64 bits of a bigint (the year 2262) is refused before it gets here.

-- One row a series, the records of one schema of one symbol of one venue: what it is called, how far it has come and
-- what happened on the way. `rows` are those that can be read, `removed` ones became too old to keep. Every append
-- moves `ordinal` on; `writer` and `position` say which one was committed last and by whom, so that one whose answer
-- was lost with the connection is never repeated blindly.
CREATE TABLE series (
    series_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL,
    symbol text NOT NULL,
    schema text NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    out_of_order bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    removed bigint NOT NULL DEFAULT 0,
    first_ns bigint NOT NULL DEFAULT 0,
    last_ns bigint NOT NULL DEFAULT 0,
    newest_id bigint NOT NULL DEFAULT 0,
    ordinal bigint NOT NULL DEFAULT 0,
    writer text NOT NULL DEFAULT '',
    position bigint NOT NULL DEFAULT 0,
    UNIQUE (venue, symbol, schema)
) WITH (fillfactor = 20);  -- rewritten by every append: with room on its page that costs no index entry

-- How far whoever copies records in from elsewhere has come: up to which position of its own all is committed.
CREATE TABLE positions (
    series_id integer NOT NULL REFERENCES series,
    writer text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (series_id, writer)
);

-- What venues say of instruments; the numbers are those in the records.
CREATE TABLE instruments (
    venue text NOT NULL,
    symbol text NOT NULL,
    instrument_id bigint NOT NULL UNIQUE CHECK (instrument_id BETWEEN 0 AND 4294967295),
    venue_symbol text, canonical text, base text, quote text, settle text, product text,
    price_decimals integer, quantity_decimals integer, price_increment_e9 bigint, quantity_increment_e8 bigint,
    PRIMARY KEY (venue, symbol)
);

-- Bars are few: one plain table. The volume is that of the DBN record, an unsigned number that must fit 63 bits.
CREATE TABLE bar_data (
    series_id integer NOT NULL,
    instrument_id integer NOT NULL,
    publisher_id integer NOT NULL,
    ts_event bigint NOT NULL,
    open_e9 bigint NOT NULL, high_e9 bigint NOT NULL, low_e9 bigint NOT NULL, close_e9 bigint NOT NULL,
    volume bigint NOT NULL CHECK (volume >= 0),
    PRIMARY KEY (series_id, ts_event)
);

-- Days that were packed where no TimescaleDB compresses: chunks of DBN records under zstd, in the order in which they
-- are read. `identities` are the int64 (little-endian, zstd) by which a record that comes again is known.
CREATE TABLE packed_data (
    series_id integer NOT NULL,
    day date NOT NULL,
    chunk integer NOT NULL,
    rows integer NOT NULL,
    first_ns bigint NOT NULL,
    last_ns bigint NOT NULL,
    records bytea NOT NULL,
    identities bytea NOT NULL,
    sha256 bytea NOT NULL,
    PRIMARY KEY (series_id, day, chunk)
);
ALTER TABLE packed_data ALTER COLUMN records SET STORAGE EXTERNAL, ALTER COLUMN identities SET STORAGE EXTERNAL;

-- Trades (`tick_data`) and quotes and books (`record_data`): hypertables where TimescaleDB is, daily partitions where
-- it is not. A trade without an id of its venue has one far below zero, which ascends as they came: -2^63 + 2^32 *
-- ordinal + the record's `sequence`. So has `identity`, which else is the full id of a plain record and a negative
-- digest, -2^62 to -2^61, of one that may share its id. `detail` is publisher_id << 32
-- | action << 24 | side << 16 | flags << 8 | depth. Of our own publishers `quantity_e8` is exact and `ts_in_delta` 0;
-- of Databento's `quantity_e8` is `size` in whole units. Ids of instruments are unsigned and keep their bits.
DO $$
DECLARE
    timescale boolean := false;
    kind text := ' PARTITION BY RANGE (ts_event)';
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        timescale := true;
    ELSIF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        -- Creating it where it was not preloaded ends the connection. Where it was, its settings are there.
        IF coalesce(current_setting('timescaledb.disable_load', true),
                    current_setting('timescaledb.allow_install_without_preload', true)) IS NULL THEN
            RAISE NOTICE 'daily partitions: TimescaleDB is installed and not in shared_preload_libraries';
        ELSE
            BEGIN
                CREATE EXTENSION timescaledb;
                timescale := true;
            EXCEPTION WHEN OTHERS THEN
                RAISE NOTICE 'daily partitions: TimescaleDB cannot be used: %', SQLERRM;
            END;
        END IF;
    END IF;
    -- The edition that clouds may offer keeps hypertables and does not compress them: our own packed days do better.
    IF timescale AND coalesce(current_setting('timescaledb.license', true), '') <> 'timescale' THEN
        RAISE NOTICE 'daily partitions: this TimescaleDB, licence %, does not compress',
            current_setting('timescaledb.license', true);
        timescale := false;
    END IF;
    IF timescale THEN
        kind := '';
    END IF;
    EXECUTE 'CREATE TABLE tick_data (
        series_id integer NOT NULL,
        instrument_id integer NOT NULL,
        ts_in_delta integer NOT NULL,
        ts_event bigint NOT NULL,
        trade_id bigint NOT NULL,
        ts_recv bigint NOT NULL,
        price_e9 bigint NOT NULL,
        quantity_e8 bigint NOT NULL,
        detail bigint NOT NULL,
        PRIMARY KEY (series_id, ts_event, trade_id))' || kind;
    EXECUTE 'CREATE TABLE record_data (
        series_id integer NOT NULL,
        ts_event bigint NOT NULL,
        identity bigint NOT NULL,
        ordinal bigint NOT NULL,
        record bytea NOT NULL,
        PRIMARY KEY (series_id, ts_event, identity))' || kind;
    ALTER TABLE record_data ALTER COLUMN record SET STORAGE PLAIN;
    IF timescale THEN
        CREATE FUNCTION unix_now_ns() RETURNS bigint LANGUAGE sql STABLE
            AS 'SELECT (extract(epoch FROM now()) * 1000000000)::bigint';
        PERFORM create_hypertable('tick_data', 'ts_event', chunk_time_interval => 86400000000000,
                                  create_default_indexes => false);
        PERFORM create_hypertable('record_data', 'ts_event', chunk_time_interval => 86400000000000,
                                  create_default_indexes => false);
        PERFORM set_integer_now_func('tick_data', 'unix_now_ns');
        PERFORM set_integer_now_func('record_data', 'unix_now_ns');
        ALTER TABLE tick_data SET (timescaledb.compress, timescaledb.compress_segmentby = 'series_id',
                                   timescaledb.compress_orderby = 'ts_event, trade_id');
        ALTER TABLE record_data SET (timescaledb.compress, timescaledb.compress_segmentby = 'series_id',
                                     timescaledb.compress_orderby = 'ts_event, identity');
        -- Two days, so that what comes late finds its day still open.
        PERFORM add_compression_policy('tick_data', 172800000000000);
        PERFORM add_compression_policy('record_data', 172800000000000);
    ELSE
        -- For those who ask for a time and no series; the program itself never does.
        CREATE INDEX tick_data_time ON tick_data USING brin (ts_event);
        CREATE INDEX record_data_time ON record_data USING brin (ts_event);
    END IF;
END $$;

-- Makes the partition of a day of `tick_data` or `record_data`; nothing where hypertables make their own. Returns
-- whether it made one. The days are those since the epoch.
CREATE FUNCTION ensure_day(parent text, day integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name text := parent || '_' || to_char(date '1970-01-01' + day, 'YYYYMMDD');
    first_ns bigint := day::bigint * 86400000000000;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = parent::regclass) THEN
        RETURN false;
    END IF;
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ringside.' || name));
    -- Not to_regclass again: an advisory lock does not tell it what others made meanwhile, a query sees it.
    IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = parent::regclass AND c.relname = name) THEN
        RETURN false;
    END IF;
    -- Attaching waits for no reader and no writer of the other days, as CREATE TABLE ... PARTITION OF would.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                   parent, name, first_ns, first_ns + 86400000000000);
    RETURN true;
END $$;

-- For people and other programs: the trades with numbers and times as one reads them.
CREATE VIEW ticks AS
SELECT s.venue, s.symbol, t.price_e9 / 1000000000::numeric AS price,
       CASE WHEN t.detail >> 32 >= 61440 THEN t.quantity_e8 / 100000000::numeric ELSE t.quantity_e8 END AS quantity,
       CASE (t.detail >> 16) & 255 WHEN 66 THEN 'buy' WHEN 65 THEN 'sell' ELSE '' END AS side,
       to_timestamp(t.ts_event / 1000000000::numeric) AS "timestamp", t.trade_id, t.ts_event, t.ts_recv
FROM tick_data t JOIN series s USING (series_id);

CREATE VIEW bars AS
SELECT s.venue, s.symbol, s.schema, to_timestamp(b.ts_event / 1000000000::numeric) AS "timestamp",
       b.open_e9 / 1000000000::numeric AS open, b.high_e9 / 1000000000::numeric AS high,
       b.low_e9 / 1000000000::numeric AS low, b.close_e9 / 1000000000::numeric AS close,
       CASE WHEN b.publisher_id >= 61440 THEN b.volume / 100000000::numeric ELSE b.volume END AS volume, b.ts_event
FROM bar_data b JOIN series s USING (series_id);
