CREATE SCHEMA ops;
CREATE SCHEMA flat;
CREATE SCHEMA core;
CREATE SCHEMA outcomes;

CREATE TABLE ops.schema_migration (
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    applied_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE ops.schema_migration IS 'Migrations of the ledger that were applied, one row each.';
COMMENT ON COLUMN ops.schema_migration.version IS 'Number of the migration file.';
COMMENT ON COLUMN ops.schema_migration.name IS 'Name of the migration file without its number.';
COMMENT ON COLUMN ops.schema_migration.sha256 IS 'Checksum of the file as it was applied.';
COMMENT ON COLUMN ops.schema_migration.applied_at IS 'When it was applied, UTC.';

CREATE TABLE ops.last_transaction (number BIGINT NOT NULL);
INSERT INTO ops.last_transaction VALUES (0);
COMMENT ON TABLE ops.last_transaction IS 'One row: tells after a failed COMMIT whether it is durable.';
COMMENT ON COLUMN ops.last_transaction.number IS 'Count of the transactions committed so far.';

CREATE TABLE ops.run (
    run_id INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sync', 'refresh', 'nightly')),
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'incomplete', 'failed', 'withheld')),
    version TEXT NOT NULL,
    config_fingerprint TEXT NOT NULL,
    message TEXT NOT NULL
);
COMMENT ON TABLE ops.run IS 'The run ledger: one row a run, whatever became of it.';
COMMENT ON COLUMN ops.run.run_id IS 'Number of the run, counted from 1.';
COMMENT ON COLUMN ops.run.kind IS 'What was run: sync, refresh, or both as nightly.';
COMMENT ON COLUMN ops.run.started_at IS 'Start, UTC.';
COMMENT ON COLUMN ops.run.finished_at IS 'End, UTC; NULL while running.';
COMMENT ON COLUMN ops.run.status
IS 'running, complete, incomplete (a center is missing), failed, or withheld (a fatal check).';
COMMENT ON COLUMN ops.run.version IS 'Version of cryocohort.';
COMMENT ON COLUMN ops.run.config_fingerprint IS 'Fingerprint of the configuration, without secrets.';
COMMENT ON COLUMN ops.run.message IS 'What ended the run, or an empty text.';

CREATE TABLE ops.center_sync (
    run_id INTEGER NOT NULL,
    center_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('complete', 'incomplete')),
    reason TEXT NOT NULL,
    finished_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE ops.center_sync IS 'How the sync of each center ended, one row a run and center.';
COMMENT ON COLUMN ops.center_sync.run_id IS 'Run.';
COMMENT ON COLUMN ops.center_sync.center_id IS 'Center.';
COMMENT ON COLUMN ops.center_sync.status IS 'complete when everything asked for was read to its end.';
COMMENT ON COLUMN ops.center_sync.reason IS 'Why it is incomplete, or an empty text.';
COMMENT ON COLUMN ops.center_sync.finished_at IS 'End of this center''s sync, UTC.';

CREATE TABLE ops.step (
    run_id INTEGER NOT NULL,
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    received BIGINT NOT NULL,
    landed BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    warnings BIGINT NOT NULL,
    finished_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE ops.step IS 'One row a landed unit; readers add them up.';
COMMENT ON COLUMN ops.step.run_id IS 'Run.';
COMMENT ON COLUMN ops.step.center_id IS 'Center.';
COMMENT ON COLUMN ops.step.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.step.received IS 'Resources received, duplicates included.';
COMMENT ON COLUMN ops.step.landed IS 'New or changed resources stored.';
COMMENT ON COLUMN ops.step.unchanged IS 'Resources whose current version was already stored, or is newer.';
COMMENT ON COLUMN ops.step.quarantined IS 'Resources refused by the gate.';
COMMENT ON COLUMN ops.step.warnings IS 'Waivers applied and other remarks of the gate.';
COMMENT ON COLUMN ops.step.finished_at IS 'When the unit was landed, UTC.';

CREATE TABLE ops.segment (
    run_id INTEGER NOT NULL,
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    path TEXT NOT NULL,
    versions BIGINT NOT NULL,
    sha256 TEXT NOT NULL
);
COMMENT ON TABLE ops.segment IS 'Raw Parquet segments that count; a file not listed here is ignored.';
COMMENT ON COLUMN ops.segment.run_id IS 'Run that landed it.';
COMMENT ON COLUMN ops.segment.center_id IS 'Center.';
COMMENT ON COLUMN ops.segment.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.segment.path IS 'File, relative to the warehouse folder.';
COMMENT ON COLUMN ops.segment.versions IS 'Resource versions in the file.';
COMMENT ON COLUMN ops.segment.sha256 IS 'Checksum of the file.';

CREATE TABLE ops.head (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    version_id TEXT,
    last_updated TIMESTAMP,
    content_hash TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    path TEXT NOT NULL
);
COMMENT ON TABLE ops.head IS 'The current version of each resource.';
COMMENT ON COLUMN ops.head.center_id IS 'Center.';
COMMENT ON COLUMN ops.head.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.head.resource_id IS 'FHIR id at the center.';
COMMENT ON COLUMN ops.head.version_id IS 'meta.versionId as last received.';
COMMENT ON COLUMN ops.head.last_updated IS 'meta.lastUpdated as last received, UTC.';
COMMENT ON COLUMN ops.head.content_hash IS 'Hash of the stored content.';
COMMENT ON COLUMN ops.head.run_id IS 'Run that landed this content.';
COMMENT ON COLUMN ops.head.path IS 'Segment that holds this content (ops.segment.path).';

CREATE TABLE ops.cohort_member (
    center_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    run_id INTEGER NOT NULL
);
COMMENT ON TABLE ops.cohort_member IS 'Patients found by the cohort query.';
COMMENT ON COLUMN ops.cohort_member.center_id IS 'Center.';
COMMENT ON COLUMN ops.cohort_member.patient_id IS 'FHIR id of the Patient at the center.';
COMMENT ON COLUMN ops.cohort_member.run_id IS 'Run that found the patient first.';

CREATE TABLE ops.coverage (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    watermark TIMESTAMP NOT NULL,
    run_id INTEGER NOT NULL
);
COMMENT ON TABLE ops.coverage IS 'Up to when each patient''s resources of a type have been read completely.';
COMMENT ON COLUMN ops.coverage.center_id IS 'Center.';
COMMENT ON COLUMN ops.coverage.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.coverage.patient_id IS 'FHIR id of the Patient; empty for the cohort query.';
COMMENT ON COLUMN ops.coverage.fingerprint
IS 'Fingerprint of the query; another one means reading all again.';
COMMENT ON COLUMN ops.coverage.watermark IS 'Server time at the first request of the last clean walk, UTC.';
COMMENT ON COLUMN ops.coverage.run_id IS 'Run that moved the watermark.';

CREATE TABLE ops.quarantine (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    rule TEXT NOT NULL,
    path TEXT NOT NULL,
    message TEXT NOT NULL,
    body TEXT,
    first_run_id INTEGER NOT NULL,
    last_run_id INTEGER NOT NULL,
    is_open BOOLEAN NOT NULL
);
COMMENT ON TABLE ops.quarantine
IS 'Resources and columns refused, with the reason; one row a version and rule.';
COMMENT ON COLUMN ops.quarantine.center_id IS 'Center.';
COMMENT ON COLUMN ops.quarantine.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.quarantine.resource_id IS 'FHIR id at the center; empty when it has none.';
COMMENT ON COLUMN ops.quarantine.content_hash IS 'Hash of the refused content.';
COMMENT ON COLUMN ops.quarantine.rule IS 'Rule of the gate, or view when a view could not be evaluated.';
COMMENT ON COLUMN ops.quarantine.path IS 'FHIR element path, or the view''s table.';
COMMENT ON COLUMN ops.quarantine.message IS 'Reason.';
COMMENT ON COLUMN ops.quarantine.body IS 'Content as refused; NULL where raw holds it.';
COMMENT ON COLUMN ops.quarantine.first_run_id IS 'Run that saw it first.';
COMMENT ON COLUMN ops.quarantine.last_run_id IS 'Run that saw it last.';
COMMENT ON COLUMN ops.quarantine.is_open
IS 'Whether the newest version of the resource still has this fault.';
