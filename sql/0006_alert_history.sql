-- What became of alerts is copied from the catalogues of engines: `origin` is a catalogue's own name, `number` what it
-- gave the row, so that a copy which is repeated doubles nothing. Rows from before have no number. `noted_at` is when a
-- row was copied, `time_ns` when it happened.
ALTER TABLE alert_history
    ADD COLUMN instance text NOT NULL DEFAULT '',
    ADD COLUMN origin text NOT NULL DEFAULT '',
    ADD COLUMN number bigint CHECK (number > 0),
    ADD COLUMN time_ns bigint;
UPDATE alert_history SET time_ns = (extract(epoch FROM noted_at) * 1000000)::bigint * 1000;
ALTER TABLE alert_history ALTER COLUMN time_ns SET NOT NULL;
CREATE UNIQUE INDEX alert_history_origin ON alert_history (origin, number);
CREATE INDEX alert_history_instant ON alert_history (time_ns, alert_id);
