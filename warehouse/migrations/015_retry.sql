-- A run of another kind: `retry` asks again for what is in quarantine. DuckDB changes no CHECK in place.
CREATE TABLE ops.run_with_retry (
    run_id INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sync', 'refresh', 'nightly', 'retry')),
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'incomplete', 'failed', 'withheld')),
    version TEXT NOT NULL,
    config_fingerprint TEXT NOT NULL,
    message TEXT NOT NULL
);
INSERT INTO ops.run_with_retry BY NAME FROM ops.run;
DROP TABLE ops.run;
ALTER TABLE ops.run_with_retry RENAME TO run;
COMMENT ON TABLE ops.run IS 'The run ledger: one row a run, whatever became of it.';
COMMENT ON COLUMN ops.run.run_id IS 'Number of the run, counted from 1.';
COMMENT ON COLUMN ops.run.kind
IS 'What was run: sync, refresh, both as nightly, or retry (what is in quarantine was asked for again).';
COMMENT ON COLUMN ops.run.started_at IS 'Start, UTC.';
COMMENT ON COLUMN ops.run.finished_at IS 'End, UTC; NULL while running.';
COMMENT ON COLUMN ops.run.status
IS 'running, complete, incomplete (a center is missing), failed, or withheld (a fatal check).';
COMMENT ON COLUMN ops.run.version IS 'Version of cryocohort.';
COMMENT ON COLUMN ops.run.config_fingerprint IS 'Fingerprint of the configuration, without secrets.';
COMMENT ON COLUMN ops.run.message IS 'What ended the run, or an empty text.';
