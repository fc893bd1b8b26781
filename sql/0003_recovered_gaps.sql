-- What became of gaps: of the records that were missing `recovered` were fetched afterwards and are stored, `rows` are
-- missing still, for `reason`. When both are 0 nobody knows how many are missing. `first_id` is the first id that was
-- missing, 0 where it is not known: of one instant there may be many trades, and several gaps.
ALTER TABLE gaps
    ADD COLUMN first_id bigint NOT NULL DEFAULT 0,
    ADD COLUMN recovered bigint NOT NULL DEFAULT 0,
    ADD COLUMN reason text NOT NULL DEFAULT '';
DROP INDEX gaps_of_series;
CREATE UNIQUE INDEX gaps_of_series ON gaps (venue, symbol, schema, start_ns, end_ns, cause, first_id);
