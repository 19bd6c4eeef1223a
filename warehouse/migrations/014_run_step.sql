CREATE TABLE ops.run_step (
    run_id INTEGER NOT NULL,
    step TEXT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP NOT NULL,
    made BIGINT
);
COMMENT ON TABLE ops.run_step
IS 'One row a step of a run, noted as the run is closed; build and compute are kept together or not at all.';
COMMENT ON COLUMN ops.run_step.run_id IS 'Run.';
COMMENT ON COLUMN ops.run_step.step IS 'map (of a sync), build, compute, check or publish (of a refresh).';
COMMENT ON COLUMN ops.run_step.started_at IS 'When it began, UTC.';
COMMENT ON COLUMN ops.run_step.finished_at IS 'When it ended, well or not, UTC.';
COMMENT ON COLUMN ops.run_step.made
IS 'Tables made or changed (map, build), results, checks, or tables published; NULL when it failed.';
