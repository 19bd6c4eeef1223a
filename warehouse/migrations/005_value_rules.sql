CREATE TABLE ops.measure (
    measure TEXT NOT NULL,
    unit TEXT NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL
);
COMMENT ON TABLE ops.measure IS 'Measures, their unit and range; rebuilt each refresh.';
COMMENT ON COLUMN ops.measure.measure IS 'Measure: a concept of the code set pain_score.';
COMMENT ON COLUMN ops.measure.unit IS 'Unit its scores are in (UCUM).';
COMMENT ON COLUMN ops.measure.low IS 'Lowest score there is.';
COMMENT ON COLUMN ops.measure.high IS 'Highest score there is.';

CREATE TABLE ops.measure_unit (
    measure TEXT NOT NULL,
    written TEXT NOT NULL CHECK (written IN ('code', 'text')),
    unit TEXT NOT NULL,
    factor DOUBLE
);
COMMENT ON TABLE ops.measure_unit IS 'Units a measure is sent in; rebuilt each refresh.';
COMMENT ON COLUMN ops.measure_unit.measure IS 'Measure.';
COMMENT ON COLUMN ops.measure_unit.written IS 'code or text: where in the quantity the unit stands.';
COMMENT ON COLUMN ops.measure_unit.unit
IS 'Unit in lower case; {} for every UCUM annotation, empty for no unit at all.';
COMMENT ON COLUMN ops.measure_unit.factor
IS 'Makes a value the measure''s unit; NULL when a value with this text is another measure.';

CREATE TABLE ops.answer_score (
    measure TEXT NOT NULL,
    question_system TEXT NOT NULL,
    question_code TEXT NOT NULL,
    concept TEXT NOT NULL,
    score DOUBLE NOT NULL
);
COMMENT ON TABLE ops.answer_score IS 'What coded answers are worth; rebuilt each refresh.';
COMMENT ON COLUMN ops.answer_score.measure IS 'Measure the question asks for.';
COMMENT ON COLUMN ops.answer_score.question_system IS 'Code system of the question.';
COMMENT ON COLUMN ops.answer_score.question_code IS 'Code of the question.';
COMMENT ON COLUMN ops.answer_score.concept IS 'Answer: a concept of the code set pain_answer.';
COMMENT ON COLUMN ops.answer_score.score IS 'Score in the unit of the measure.';
