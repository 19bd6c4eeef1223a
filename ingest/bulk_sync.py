"""The story of one center's sync by Bulk Data export.

One export brings what changed since everything known was read; the cohort's procedures in it tell who
belongs to the cohort, then its other files are read for these patients. Whoever is new to the cohort, or was
read for another question, needs the whole history: by a second export without `_since`, restricted to these
patients where the server can do that. Never by search: a center in this mode need not offer it.

Files come to `spill/exports/` of the warehouse folder, 0600, and are removed when the sync ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.bulk_export import Exporter
from ingest.bulk_request import ExportRequest, everything
from ingest.client import FhirClient
from ingest.export_evidence import ExportEvidence, ServerWitness
from ingest.export_folder import export_folder
from ingest.export_landing import ExportLanding
from ingest.reconcile import is_any_wanted, reconcile_export
from ingest.source import ByExport


def sync_by_export(source: ByExport, client: FhirClient, landing: ExportLanding) -> None:
    """Bring the warehouse up to date; raises ServerError or SignInError when the center cannot be read.

    What is missing from an export is told to the tally. What it lists as deleted leaves after everything
    else of the same export has landed; when that fails, the next sync asks for it again.
    """
    with export_folder(landing.warehouse.folder, landing.center.center_id) as folder:
        exporter = Exporter(source, client, landing, folder)
        wanted = everything(source, [*landing.cohort_asks, *landing.patient_asks])
        is_compared = is_any_wanted(landing.warehouse, landing.center, landing.context, wanted.types)
        since = None if is_compared else exporter.back_to(landing.since())
        changes = exporter.take(replace(wanted, since=since))
        landing.tell(changes)
        landing.read_cohort(changes)
        landing.read_patients(changes, landing.known_patients())
        new = landing.new_patients()
        if new:
            history = changes if changes.is_everything else exporter.take(_history(source, landing, new))
            landing.tell(history)
            landing.read_patients(history, new)
        landing.let_go(changes)
        exporter.finish()
        if is_compared and changes.delivered_at is not None:
            witness = ServerWitness(source, client, landing)
            reconcile_export(landing, ExportEvidence(landing, changes, witness))


def _history(source: ByExport, landing: ExportLanding, new: Mapping[str, Sequence[str]]) -> ExportRequest:
    """Everything of the types and patients that were not read yet."""
    lacking = [ask for ask in landing.patient_asks if ask.resource_type.name in new]
    patients = sorted({each for ids in new.values() for each in ids})
    return replace(everything(source, lacking), patients=tuple(patients))
