-- check = "pain_score_without_value"
-- title = "A pain score has no value or an uncertain one"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.pain_score
-- """
-- advice = """
-- Values sent as text, or less-than signs, cannot be used. Unknown answer codes belong into the center's
-- code file; an answer counts only under a question that mappings/values/answers.csv names for it.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason IN ('no value', 'comparator present')
