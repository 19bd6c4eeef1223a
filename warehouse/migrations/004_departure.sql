CREATE TABLE ops.departure (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('deleted', 'recoded', 'moved', 'bulk')),
    noticed_at TIMESTAMP NOT NULL,
    run_id INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    path TEXT NOT NULL,
    back_run_id INTEGER
);
COMMENT ON TABLE ops.departure
IS 'Resources that left the warehouse: the soft delete, one row each time one left. Raw keeps their content.';
COMMENT ON COLUMN ops.departure.center_id IS 'Center.';
COMMENT ON COLUMN ops.departure.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.departure.resource_id IS 'FHIR id at the center.';
COMMENT ON COLUMN ops.departure.reason
IS 'deleted (the server says so by 404 or 410), recoded (its code is not the study''s any more), moved '
'(its patient is not in the cohort), bulk (listed as deleted by a Bulk Data export).';
COMMENT ON COLUMN ops.departure.noticed_at IS 'When it was noticed, UTC.';
COMMENT ON COLUMN ops.departure.run_id IS 'Run that noticed it.';
COMMENT ON COLUMN ops.departure.content_hash IS 'Hash of the content it had last.';
COMMENT ON COLUMN ops.departure.path IS 'Segment that holds this content (ops.segment.path).';
COMMENT ON COLUMN ops.departure.back_run_id IS 'Run that received it again; NULL while it is gone.';

CREATE TABLE ops.reconciliation (
    run_id INTEGER NOT NULL,
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    heads BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    departed BIGINT NOT NULL,
    lagging BIGINT NOT NULL,
    is_limit_lifted BOOLEAN NOT NULL,
    finished_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE ops.reconciliation
IS 'Verified comparisons of a center''s ids with the warehouse, one row a run and resource type.';
COMMENT ON COLUMN ops.reconciliation.run_id IS 'Run.';
COMMENT ON COLUMN ops.reconciliation.center_id IS 'Center.';
COMMENT ON COLUMN ops.reconciliation.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.reconciliation.heads IS 'Current resources in the warehouse before it.';
COMMENT ON COLUMN ops.reconciliation.seen IS 'Resources that the server''s searches found.';
COMMENT ON COLUMN ops.reconciliation.departed IS 'Resources that left the warehouse by it.';
COMMENT ON COLUMN ops.reconciliation.lagging
IS 'Resources that no search found although the server still has them: its index lags.';
COMMENT ON COLUMN ops.reconciliation.is_limit_lifted
IS 'Whether an operator had accepted more departures than ingest.max_deleted_percent.';
COMMENT ON COLUMN ops.reconciliation.finished_at IS 'When it ended, UTC.';

ALTER TABLE ops.cohort_member ADD COLUMN left_run_id INTEGER;
COMMENT ON COLUMN ops.cohort_member.left_run_id
IS 'Run that found no procedure of the cohort for the patient any more; NULL while a member.';
