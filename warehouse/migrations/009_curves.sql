ALTER TABLE outcomes.metric_result ADD COLUMN version INTEGER;
ALTER TABLE outcomes.metric_result ADD COLUMN rules TEXT;
COMMENT ON COLUMN outcomes.metric_result.version
IS 'Version of the metric''s definition; NULL in runs before versions were kept.';
COMMENT ON COLUMN outcomes.metric_result.rules
IS 'Windows and thresholds of the study that the metric uses, as applied; NULL in older runs.';

CREATE TABLE outcomes.curve_result (
    run_id INTEGER NOT NULL,
    metric TEXT NOT NULL,
    version INTEGER NOT NULL,
    "group" TEXT NOT NULL,
    curve TEXT NOT NULL,
    months DOUBLE NOT NULL,
    estimate DOUBLE NOT NULL,
    ci_low DOUBLE,
    ci_high DOUBLE,
    at_risk BIGINT NOT NULL,
    events BIGINT NOT NULL,
    competing BIGINT NOT NULL,
    censored BIGINT NOT NULL
);
COMMENT ON TABLE outcomes.curve_result
IS 'Curves over time of the latest run: one row a metric, group, curve and distinct time, the first at 0.';
COMMENT ON COLUMN outcomes.curve_result.run_id IS 'Run.';
COMMENT ON COLUMN outcomes.curve_result.metric IS 'Name of the metric.';
COMMENT ON COLUMN outcomes.curve_result.version IS 'Version of the metric''s definition.';
COMMENT ON COLUMN outcomes.curve_result."group" IS 'all, or center=<center>.';
COMMENT ON COLUMN outcomes.curve_result.curve
IS 'survival (falls from 1), incidence (of the event) or incidence_competing (both rise from 0).';
COMMENT ON COLUMN outcomes.curve_result.months IS 'Time from which the estimate holds, until the next row.';
COMMENT ON COLUMN outcomes.curve_result.estimate IS 'Share, 0 to 1.';
COMMENT ON COLUMN outcomes.curve_result.ci_low IS 'Lower end of the pointwise 95 % confidence interval.';
COMMENT ON COLUMN outcomes.curve_result.ci_high IS 'Upper end of the pointwise 95 % confidence interval.';
COMMENT ON COLUMN outcomes.curve_result.at_risk
IS 'At risk just before this time: followed at least this long; in the row at 0 all of them.';
COMMENT ON COLUMN outcomes.curve_result.events IS 'Events of the curve at this time.';
COMMENT ON COLUMN outcomes.curve_result.competing IS 'Events at this time that make the event impossible.';
COMMENT ON COLUMN outcomes.curve_result.censored IS 'Last looks at this time: tick marks.';
