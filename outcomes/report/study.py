"""Who was studied: the flow of the study, its patients and their lesions."""

from collections.abc import Sequence

from outcomes.report import estimates, tables
from outcomes.report.facts import Published
from outcomes.report.parts import Group, Plot, Section
from outcomes.report.strobe import flow_diagram


def flow(published: Published, centers: Sequence[Group]) -> Section:
    """How the cohort came about."""
    steps = tables.flow_steps(published.rows["flow"], centers)
    diagram = Plot(
        flow_diagram(steps, centers),
        "Each box says how many were kept, and beside each arrow why others were not (STROBE item 13).",
    )
    lead = "Every procedure, score and assessment found is either kept or set aside for a stated reason."
    return Section("flow", "Flow of the study", lead, (diagram, tables.flow(steps, centers)))


def patients(published: Published, centers: Sequence[Group]) -> Section:
    """Table 1."""
    wanted = (
        ("Age at index, years: median (quartiles)", "age", "median (quartiles)"),
        ("Age at index, years: mean (SD)", "age", "mean (SD)"),
        ("Follow-up, months: median (quartiles)", "followup", "median (quartiles)"),
        ("Follow-up, months: mean (SD)", "followup", "mean (SD)"),
        ("Follow-up of pain, months: mean (SD)", "pain_followup", "mean (SD)"),
        ("Follow-up of pain, months: median (quartiles)", "pain_followup", "median (quartiles)"),
        ("Calendar months of treatment", "treatment_months", "months"),
    )
    characteristics = tables.categories(
        "Table 1. Patients", published.rows["patients"], centers, "Patients, n"
    )
    measures = estimates.figures("Age and follow-up", wanted, published.results, centers)
    lead = "Shares are of the patients of that column. No tests: these are descriptions of one cohort."
    return Section("patients", "Patients", lead, (characteristics, measures))


def lesions(published: Published, centers: Sequence[Group]) -> Section:
    """Table 2."""
    lead = "A lesion is one patient and one set of vertebral levels; a later session there is a retreatment."
    table = tables.categories("Table 2. Lesions", published.rows["lesions"], centers, "Lesions, n")
    return Section("lesions", "Lesions", lead, (table,))
