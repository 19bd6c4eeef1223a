CREATE TABLE ops.row_history (
    table_name TEXT NOT NULL,
    row_key TEXT NOT NULL,
    center_id TEXT,
    patient_key TEXT,
    resource_type TEXT,
    resource_key TEXT,
    content TEXT NOT NULL,
    from_run INTEGER NOT NULL,
    to_run INTEGER
);
COMMENT ON TABLE ops.row_history
IS 'The core rows that metrics count, run by run: a run writes only what differs from the run before.';
COMMENT ON COLUMN ops.row_history.table_name IS 'Core table.';
COMMENT ON COLUMN ops.row_history.row_key IS 'Key of the row.';
COMMENT ON COLUMN ops.row_history.center_id IS 'Center.';
COMMENT ON COLUMN ops.row_history.patient_key IS 'Patient.';
COMMENT ON COLUMN ops.row_history.resource_type IS 'FHIR type of the resource the row comes from.';
COMMENT ON COLUMN ops.row_history.resource_key IS 'The resource the row comes from.';
COMMENT ON COLUMN ops.row_history.content IS 'The row as JSON, without its run.';
COMMENT ON COLUMN ops.row_history.from_run IS 'First run with this row.';
COMMENT ON COLUMN ops.row_history.to_run IS 'First run without it; NULL while it stands.';

CREATE TABLE ops.run_input (
    kind TEXT NOT NULL CHECK (kind IN ('rule', 'codes', 'table', 'product')),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    from_run INTEGER NOT NULL,
    to_run INTEGER
);
COMMENT ON TABLE ops.run_input
IS 'What a run was computed with besides resources; a run writes only what differs from the run before.';
COMMENT ON COLUMN ops.run_input.kind
IS 'rule (of the study), codes (of a center), table (its definition) or product (its version).';
COMMENT ON COLUMN ops.run_input.name IS 'Rule, center, table, or cryocohort.';
COMMENT ON COLUMN ops.run_input.value IS 'Value, version, or fingerprint.';
COMMENT ON COLUMN ops.run_input.from_run IS 'First run with this value.';
COMMENT ON COLUMN ops.run_input.to_run IS 'First run without it; NULL while it stands.';
