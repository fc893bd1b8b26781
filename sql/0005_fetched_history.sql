-- Stretches of a series that were asked for afterwards, to the end: what is not stored of them does not exist. Of those
-- that were `begun` some records may be stored, which say nothing of what lies between them.
CREATE TABLE fetched (
    fetched_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL, symbol text NOT NULL, schema text NOT NULL,
    start_ns bigint NOT NULL, end_ns bigint NOT NULL, rows bigint NOT NULL,
    source text NOT NULL CHECK (source IN ('bought', 'recovered', 'begun')),
    job_id text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fetched_of_series ON fetched (venue, symbol, schema, start_ns);

-- Of what was bought it is known before the seller answers that it was `asked`; `void` is what he then did not sell.
ALTER TABLE spend
    ADD COLUMN state text NOT NULL DEFAULT 'bought' CHECK (state IN ('asked', 'bought', 'void')),
    ADD COLUMN order_id text NOT NULL DEFAULT '';
