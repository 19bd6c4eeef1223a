CREATE TABLE ops.flat_head (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    path TEXT NOT NULL
);
COMMENT ON TABLE ops.flat_head
IS 'The versions that the flat tables hold: what ops.head is compared with to find what must be mapped.';
COMMENT ON COLUMN ops.flat_head.center_id IS 'Center.';
COMMENT ON COLUMN ops.flat_head.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.flat_head.resource_id IS 'FHIR id at the center.';
COMMENT ON COLUMN ops.flat_head.path
IS 'Segment of the version; a segment never changes and holds a resource once.';

CREATE TABLE ops.flat_fill (
    table_name TEXT NOT NULL,
    center_id TEXT NOT NULL,
    view_fingerprint TEXT NOT NULL,
    base_url TEXT NOT NULL,
    changed_in BIGINT NOT NULL
);
COMMENT ON TABLE ops.flat_fill IS 'By which view each center''s part of a flat table was filled.';
COMMENT ON COLUMN ops.flat_fill.table_name IS 'Flat table, without its schema.';
COMMENT ON COLUMN ops.flat_fill.center_id IS 'Center.';
COMMENT ON COLUMN ops.flat_fill.view_fingerprint IS 'Fingerprint of the compiled view.';
COMMENT ON COLUMN ops.flat_fill.base_url
IS 'Base URL that references were resolved under; empty for a view that resolves none.';
COMMENT ON COLUMN ops.flat_fill.changed_in
IS 'Number of the transaction that last changed these rows (ops.last_transaction).';

CREATE TABLE ops.built_from (
    table_name TEXT NOT NULL,
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL
);
COMMENT ON TABLE ops.built_from
IS 'What each built table was made from; as long as all of it is the same, the table is not built again.';
COMMENT ON COLUMN ops.built_from.table_name IS 'Built table.';
COMMENT ON COLUMN ops.built_from.source
IS 'File, table, code list, rules or software that it was made from.';
COMMENT ON COLUMN ops.built_from.fingerprint IS 'Fingerprint of that source when the table was built.';

-- Every view is run on everything once more, which opens again the faults that are still there.
UPDATE ops.quarantine SET is_open = FALSE
WHERE is_open AND rule = 'view';
