-- The reason `absent` needs another CHECK, which DuckDB changes by a new table only.
CREATE TABLE ops.departure_with_absent (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('deleted', 'recoded', 'moved', 'bulk', 'absent')),
    noticed_at TIMESTAMP NOT NULL,
    run_id INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    path TEXT NOT NULL,
    back_run_id INTEGER
);
INSERT INTO ops.departure_with_absent BY NAME
SELECT
    center_id,
    resource_type,
    resource_id,
    reason,
    noticed_at,
    run_id,
    content_hash,
    path,
    back_run_id
FROM ops.departure;
DROP TABLE ops.departure;
ALTER TABLE ops.departure_with_absent RENAME TO departure;
COMMENT ON TABLE ops.departure
IS 'Resources that left the warehouse: the soft delete, one row each time one left. Raw keeps their content.';
COMMENT ON COLUMN ops.departure.center_id IS 'Center.';
COMMENT ON COLUMN ops.departure.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.departure.resource_id IS 'FHIR id at the center.';
COMMENT ON COLUMN ops.departure.reason
IS 'deleted (the server says so by 404 or 410), recoded (its code is not the study''s any more), moved '
'(its patient is not in the cohort), bulk (listed as deleted by a Bulk Data export), absent (two complete '
'deliveries in a row lack it, or one does and an operator has accepted it).';
COMMENT ON COLUMN ops.departure.noticed_at IS 'When it was noticed, UTC.';
COMMENT ON COLUMN ops.departure.run_id IS 'Run that noticed it.';
COMMENT ON COLUMN ops.departure.content_hash IS 'Hash of the content it had last.';
COMMENT ON COLUMN ops.departure.path IS 'Segment that holds this content (ops.segment.path).';
COMMENT ON COLUMN ops.departure.back_run_id IS 'Run that received it again; NULL while it is gone.';

CREATE TABLE ops.absence (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    delivered_at TIMESTAMP NOT NULL,
    run_id INTEGER NOT NULL
);
COMMENT ON TABLE ops.absence
IS 'Current resources that the last complete export of their center lacks, while nobody has said that they '
'are gone.';
COMMENT ON COLUMN ops.absence.center_id IS 'Center.';
COMMENT ON COLUMN ops.absence.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.absence.resource_id IS 'FHIR id at the center.';
COMMENT ON COLUMN ops.absence.delivered_at
IS 'transactionTime of the first complete export in a row that lacks it, UTC.';
COMMENT ON COLUMN ops.absence.run_id IS 'Run that compared that export with the warehouse.';
