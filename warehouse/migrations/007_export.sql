CREATE TABLE ops.export (
    center_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status_url TEXT NOT NULL,
    since TIMESTAMP,
    kicked_off_at TIMESTAMP NOT NULL,
    server_time TIMESTAMP NOT NULL,
    run_id INTEGER NOT NULL
);
COMMENT ON TABLE ops.export
IS 'Bulk Data exports that a center makes for us and that have not been read to their end.';
COMMENT ON COLUMN ops.export.center_id IS 'Center.';
COMMENT ON COLUMN ops.export.fingerprint IS 'Fingerprint of what was asked, apart from since.';
COMMENT ON COLUMN ops.export.status_url IS 'Where the server tells how far the export is.';
COMMENT ON COLUMN ops.export.since IS 'Only what changed since then was asked for, UTC; NULL for everything.';
COMMENT ON COLUMN ops.export.kicked_off_at IS 'When it was asked for by our clock, UTC.';
COMMENT ON COLUMN ops.export.server_time
IS 'When it was asked for by the server''s clock or ours, whichever was earlier, UTC.';
COMMENT ON COLUMN ops.export.run_id IS 'Run that asked for it.';
