CREATE TABLE ops.type_sync (
    run_id INTEGER NOT NULL,
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    asked BIGINT NOT NULL,
    received BIGINT NOT NULL,
    new BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    seconds DOUBLE NOT NULL,
    requests BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
COMMENT ON TABLE ops.type_sync
IS 'The account of each sync: one row a run, center and resource type; export for what all types share.';
COMMENT ON COLUMN ops.type_sync.run_id IS 'Run.';
COMMENT ON COLUMN ops.type_sync.center_id IS 'Center.';
COMMENT ON COLUMN ops.type_sync.resource_type
IS 'FHIR resource type; export for requests about a Bulk Data export of all types.';
COMMENT ON COLUMN ops.type_sync.asked IS 'Queries asked, whether answered or not.';
COMMENT ON COLUMN ops.type_sync.received IS 'Resources received, duplicates included.';
COMMENT ON COLUMN ops.type_sync.new IS 'Resources stored that were not in the warehouse.';
COMMENT ON COLUMN ops.type_sync.changed IS 'Resources stored in another version than before.';
COMMENT ON COLUMN ops.type_sync.unchanged
IS 'Resources whose current version was already stored, or is newer.';
COMMENT ON COLUMN ops.type_sync.deleted IS 'Resources that left the warehouse.';
COMMENT ON COLUMN ops.type_sync.quarantined IS 'Resources refused by the gate.';
COMMENT ON COLUMN ops.type_sync.seconds
IS 'Time from each query to its landing; that of queries that ran at the same time is added up.';
COMMENT ON COLUMN ops.type_sync.requests IS 'HTTP requests sent, repeated ones included.';
COMMENT ON COLUMN ops.type_sync.bytes IS 'Bytes of the bodies received, as they came over the wire.';
