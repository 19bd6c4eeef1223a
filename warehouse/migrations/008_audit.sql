CREATE TABLE ops.audit (
    number BIGINT NOT NULL,
    noted_at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    details TEXT NOT NULL,
    hash TEXT NOT NULL
);
COMMENT ON TABLE ops.audit
IS 'The audit log, append-only: each entry is chained to the one before it by a hash.';
COMMENT ON COLUMN ops.audit.number IS 'Number of the entry, counted from 1 without gaps.';
COMMENT ON COLUMN ops.audit.noted_at IS 'When it happened, UTC.';
COMMENT ON COLUMN ops.audit.actor IS 'User of the operating system who did it.';
COMMENT ON COLUMN ops.audit.action
IS 'run, configuration, deletion, publish, rollback, export, reset, backup or restore.';
COMMENT ON COLUMN ops.audit.subject IS 'What it was done to: a run, a center, a release, a folder.';
COMMENT ON COLUMN ops.audit.outcome IS 'How it ended.';
COMMENT ON COLUMN ops.audit.details IS 'Counts, fingerprints and paths, as JSON; no ids, no content.';
COMMENT ON COLUMN ops.audit.hash IS 'SHA-256 over the hash of the entry before and all of this one.';
