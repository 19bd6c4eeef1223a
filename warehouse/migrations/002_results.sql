CREATE TABLE ops.code_map (
    center_id TEXT NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    code_set TEXT NOT NULL,
    concept TEXT NOT NULL,
    requires TEXT NOT NULL
);
COMMENT ON TABLE ops.code_map
IS 'Every code of every center that means a concept of the study; rebuilt each refresh.';
COMMENT ON COLUMN ops.code_map.center_id IS 'Center.';
COMMENT ON COLUMN ops.code_map.system IS 'Code system after aliases.';
COMMENT ON COLUMN ops.code_map.code IS 'Code.';
COMMENT ON COLUMN ops.code_map.code_set IS 'Code set of the study, such as procedure or level.';
COMMENT ON COLUMN ops.code_map.concept IS 'Concept within the code set.';
COMMENT ON COLUMN ops.code_map.requires IS 'What else must be known for the code to count, or an empty text.';

CREATE TABLE ops.system_alias (alias TEXT NOT NULL, system TEXT NOT NULL);
COMMENT ON TABLE ops.system_alias IS 'Other spellings of code systems; rebuilt each refresh.';
COMMENT ON COLUMN ops.system_alias.alias IS 'Spelling found at a center.';
COMMENT ON COLUMN ops.system_alias.system IS 'Canonical code system.';

CREATE TABLE ops.unmapped (
    center_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    element TEXT NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    display TEXT NOT NULL,
    resources BIGINT NOT NULL
);
COMMENT ON TABLE ops.unmapped IS 'Codes in use that mean no concept of the study yet; rebuilt each refresh.';
COMMENT ON COLUMN ops.unmapped.center_id IS 'Center.';
COMMENT ON COLUMN ops.unmapped.resource_type IS 'FHIR resource type.';
COMMENT ON COLUMN ops.unmapped.element IS 'Element the code stands in.';
COMMENT ON COLUMN ops.unmapped.system IS 'Code system after aliases; empty when the resource names none.';
COMMENT ON COLUMN ops.unmapped.code IS 'Code.';
COMMENT ON COLUMN ops.unmapped.display IS 'One of the displays seen, or an empty text.';
COMMENT ON COLUMN ops.unmapped.resources IS 'Resources that use it.';

CREATE TABLE ops.check_result (
    run_id INTEGER NOT NULL,
    check_name TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('fatal', 'convention', 'characterization')),
    violations BIGINT,
    denominator BIGINT,
    status TEXT NOT NULL CHECK (status IN ('passed', 'violated', 'failed')),
    message TEXT NOT NULL
);
COMMENT ON TABLE ops.check_result IS 'Results of the quality checks, one row a run and check.';
COMMENT ON COLUMN ops.check_result.run_id IS 'Run.';
COMMENT ON COLUMN ops.check_result.check_name IS 'Name of the check.';
COMMENT ON COLUMN ops.check_result.severity
IS 'fatal withholds the release; convention warns; characterization informs.';
COMMENT ON COLUMN ops.check_result.violations IS 'Violating rows; NULL when the check could not run.';
COMMENT ON COLUMN ops.check_result.denominator IS 'Rows looked at; NULL when the check could not run.';
COMMENT ON COLUMN ops.check_result.status IS 'passed, violated, or failed (the check itself could not run).';
COMMENT ON COLUMN ops.check_result.message IS 'What was found.';

CREATE TABLE ops.release (
    release INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    published_at TIMESTAMP NOT NULL,
    path TEXT NOT NULL,
    key_fingerprints TEXT NOT NULL
);
COMMENT ON TABLE ops.release IS 'Releases published to analysts.';
COMMENT ON COLUMN ops.release.release IS 'Number of the release.';
COMMENT ON COLUMN ops.release.run_id IS 'Run whose tables it holds.';
COMMENT ON COLUMN ops.release.published_at IS 'When it was published, UTC.';
COMMENT ON COLUMN ops.release.path IS 'Folder, relative to the warehouse folder.';
COMMENT ON COLUMN ops.release.key_fingerprints IS 'Fingerprint of each center''s pseudonym key, as JSON.';

CREATE TABLE outcomes.metric_result (
    run_id INTEGER NOT NULL,
    metric TEXT NOT NULL,
    "group" TEXT NOT NULL,
    statistic TEXT NOT NULL,
    value DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    n BIGINT,
    numerator BIGINT,
    denominator BIGINT,
    method TEXT,
    note TEXT
);
COMMENT ON TABLE outcomes.metric_result
IS 'Every figure of every run: one row a run, metric, group and statistic.';
COMMENT ON COLUMN outcomes.metric_result.run_id IS 'Run.';
COMMENT ON COLUMN outcomes.metric_result.metric IS 'Name of the metric.';
COMMENT ON COLUMN outcomes.metric_result."group" IS 'all, or center=<center>.';
COMMENT ON COLUMN outcomes.metric_result.statistic IS 'What the value is: count, proportion, mean and so on.';
COMMENT ON COLUMN outcomes.metric_result.value IS 'Value, not rounded.';
COMMENT ON COLUMN outcomes.metric_result.ci_low IS 'Lower end of the 95 % confidence interval.';
COMMENT ON COLUMN outcomes.metric_result.ci_high IS 'Upper end of the 95 % confidence interval.';
COMMENT ON COLUMN outcomes.metric_result.n IS 'Rows the statistic was computed on.';
COMMENT ON COLUMN outcomes.metric_result.numerator IS 'Numerator of a proportion or rate.';
COMMENT ON COLUMN outcomes.metric_result.denominator IS 'Denominator of a proportion or rate.';
COMMENT ON COLUMN outcomes.metric_result.method IS 'Statistical method.';
COMMENT ON COLUMN outcomes.metric_result.note IS 'Remark printed beside the value.';
