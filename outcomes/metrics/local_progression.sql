-- metric = "local_progression"
-- version = 1
-- title = "Local progression with death competing"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "competing"
-- unit = "%"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- horizons_months = [12, 24, 36]
-- rules = ["data_lock"]
-- reference = "Putter et al. 2007, doi 10.1002/sim.2712"
-- definition = """
-- Curative lesions: cumulative incidence of local progression (Aalen-Johansen); the patient's death
-- before it makes it impossible. Time starts at the lesion's first treatment, the last assessment censors
-- in patients alive. Lesions never assessed are missing. The naive figure takes death as censoring and is
-- too high.
-- """
SELECT
    center_id,
    CASE
        WHEN has_progressed THEN event_months
        ELSE coalesce(death_months, follow_up_months)
    END AS duration_months,
    CASE
        WHEN has_progressed THEN 1
        WHEN NOT has_progressed AND death_months IS NOT NULL THEN 2
        WHEN NOT has_progressed THEN 0
    END AS outcome,
    patient_key
FROM outcomes.curative_lesion
