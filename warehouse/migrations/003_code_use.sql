ALTER TABLE ops.unmapped ADD COLUMN patients BIGINT DEFAULT 0;
ALTER TABLE ops.unmapped ADD COLUMN first_seen_at TIMESTAMP;
ALTER TABLE ops.unmapped ADD COLUMN last_seen_at TIMESTAMP;
COMMENT ON COLUMN ops.unmapped.patients IS 'Patients whose resources use it.';
COMMENT ON COLUMN ops.unmapped.first_seen_at
IS 'Start of the first run that landed a resource with it, UTC; kept while the code stays unmapped.';
COMMENT ON COLUMN ops.unmapped.last_seen_at IS 'Start of the last run that landed a resource with it, UTC.';

CREATE TABLE ops.code_coverage (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    element TEXT NOT NULL,
    codings BIGINT NOT NULL,
    mapped_codings BIGINT NOT NULL,
    mapped_share DOUBLE NOT NULL
);
COMMENT ON TABLE ops.code_coverage
IS 'How many of the codings in use mean a concept, by center and domain; rebuilt each refresh.';
COMMENT ON COLUMN ops.code_coverage.center_id IS 'Center.';
COMMENT ON COLUMN ops.code_coverage.resource_type
IS 'Domain: FHIR resource type, or ObservationComponent for the parts of an Observation.';
COMMENT ON COLUMN ops.code_coverage.element IS 'Domain: element the codings stand in.';
COMMENT ON COLUMN ops.code_coverage.codings IS 'Codings in use.';
COMMENT ON COLUMN ops.code_coverage.mapped_codings IS 'Codings that mean a concept of the study.';
COMMENT ON COLUMN ops.code_coverage.mapped_share IS 'Mapped codings as a share of all, 0 to 1.';
