"""Who was studied: the flow of the study, its patients and their lesions."""

from collections.abc import Sequence

from outcomes.report import estimates, tables
from outcomes.report.characteristics import characteristics
from outcomes.report.facts import Published
from outcomes.report.origins import query_origin
from outcomes.report.parts import Group, Plot, Section
from outcomes.report.strobe import flow_diagram


def flow(published: Published, centers: Sequence[Group]) -> Section:
    """How the cohort came about."""
    steps = tables.flow_steps(published.rows["flow"], centers, published.shown)
    origins = (*published.linked("flow_kept", "flow_excluded"), query_origin("flow"))
    diagram = Plot(
        flow_diagram(steps, centers),
        "Each box says how many were kept, and beside each arrow why others were not (STROBE item 13).",
        origins,
    )
    lead = "Every procedure, score and assessment found is either kept or set aside for a stated reason."
    return Section("flow", "Flow of the study", lead, (diagram, tables.flow(steps, centers, origins)))


PATIENTS = (
    "sex", "women", "age", "primary_tumor", "painful_metastasis_reason", "painful_patients", "nprs_baseline",
    "lesions_per_patient", "sessions_per_patient", "treatment_months", "patients_with_curative_lesions",
)  # fmt: skip
FOLLOW_UP = (
    ("Follow-up, months: median (quartiles)", "followup", "median (quartiles)"),
    ("Follow-up, months: mean (SD)", "followup", "mean (SD)"),
    ("Follow-up by reverse Kaplan-Meier, months: median", "followup_reverse", "number:median"),
    ("Follow-up of pain, months: median (quartiles)", "pain_followup", "median (quartiles)"),
    ("Follow-up of pain, months: mean (SD)", "pain_followup", "mean (SD)"),
    ("Known to have died (95% CI)", "deaths", "share"),
    ("Lost to follow-up (95% CI)", "lost_to_followup", "share"),
)
LESIONS = ("lesion_region", "lesion_level", "lesion_intent", "cementoplasty", "sessions_per_lesion")


def patients(published: Published, centers: Sequence[Group]) -> Section:
    """Table 1, and how long patients were followed."""
    table = characteristics(
        "Table 1. Patients",
        ("Patients, n", "patients"),
        PATIENTS,
        published.metrics,
        published.results,
        centers,
    )
    followed = estimates.figures("Follow-up", FOLLOW_UP, published.results, centers)
    lead = "Who was treated and for how long they were followed. Shares are of the patients of that column."
    return Section("patients", "Patients", lead, (table, followed))


def lesions(published: Published, centers: Sequence[Group]) -> Section:
    """Table 2."""
    table = characteristics(
        "Table 2. Lesions and treatment",
        ("Lesions, n", "lesions"),
        ("sessions", *LESIONS),
        published.metrics,
        published.results,
        centers,
    )
    lead = "A lesion is one patient and one set of vertebral levels; a later session there is a retreatment."
    return Section("lesions", "Lesions", lead, (table,))
