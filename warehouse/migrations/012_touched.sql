CREATE TABLE ops.touched (resource_type TEXT NOT NULL, resource_key TEXT NOT NULL);
COMMENT ON TABLE ops.touched
IS 'What changed in the flat tables since the last build: the resources, and what they named before.';
COMMENT ON COLUMN ops.touched.resource_type IS 'FHIR resource type; empty for whatever has the key.';
COMMENT ON COLUMN ops.touched.resource_key IS 'Key of the resource.';

CREATE TABLE ops.refilled (table_name TEXT NOT NULL);
COMMENT ON TABLE ops.refilled IS 'Flat tables that were filled again, whole, since the last build.';
COMMENT ON COLUMN ops.refilled.table_name IS 'Flat table, with its schema.';

-- What changed since the last build was not noted until now, so the next one makes everything anew.
INSERT INTO ops.refilled
SELECT DISTINCT 'flat.' || table_name
FROM ops.flat_fill;

CREATE TABLE ops.code_use (
    owner_type TEXT NOT NULL,
    owner_key TEXT NOT NULL,
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    element TEXT NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    display TEXT NOT NULL,
    codings BIGINT NOT NULL,
    resources BIGINT NOT NULL,
    first_seen_at TIMESTAMP,
    last_seen_at TIMESTAMP
);
COMMENT ON TABLE ops.code_use
IS 'Codes in use by each patient; ops.unmapped and ops.code_coverage add them up.';
COMMENT ON COLUMN ops.code_use.owner_type IS 'Patient, or the type of a resource whose patient is not known.';
COMMENT ON COLUMN ops.code_use.owner_key IS 'Key of the patient, or of that resource.';
COMMENT ON COLUMN ops.code_use.center_id IS 'Center.';
COMMENT ON COLUMN ops.code_use.resource_type IS 'FHIR resource type, or ObservationComponent.';
COMMENT ON COLUMN ops.code_use.element IS 'Element the code stands in.';
COMMENT ON COLUMN ops.code_use.system IS 'Code system after aliases; empty when the resource names none.';
COMMENT ON COLUMN ops.code_use.code IS 'Code.';
COMMENT ON COLUMN ops.code_use.display IS 'One of the displays seen, or an empty text.';
COMMENT ON COLUMN ops.code_use.codings IS 'Codings.';
COMMENT ON COLUMN ops.code_use.resources IS 'Resources that use it.';
COMMENT ON COLUMN ops.code_use.first_seen_at IS 'Start of the first run that landed one of them, UTC.';
COMMENT ON COLUMN ops.code_use.last_seen_at IS 'Start of the last run that landed one of them, UTC.';
