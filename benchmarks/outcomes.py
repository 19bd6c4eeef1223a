"""How long do the outcomes take? Every metric on a simulated cohort, other packages beside ours in one run.

    python -m benchmarks.outcomes [--patients N] [--peer-patients N]

The core tables of N patients of two centers are made by one SQL script (benchmarks/outcomes_cohort.sql) in a
new warehouse; chance is a hash of the patient's number, so every run has the same rows. Then one whole
refresh, what each metric took alone, and the statistics that lifelines and statsmodels have too, on the same
rows. The mixed model and the GEE of statsmodels iterate over patients: they get the first `--peer-patients`
of them, and so do ours.

Prints seconds, and for the whole refresh CPU seconds and the peak memory of the process. Ends with exit code
1 when a refresh takes more than 60 seconds or 4 GiB.
"""

import argparse
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from outcomes import clusters, models, survival
from outcomes.metric import load_metrics
from outcomes.refresh import compute, refresh
from outcomes.sample import Sample
from warehouse.connection import Transaction, Warehouse

COHORT = Path(__file__).with_name("outcomes_cohort.sql")
MOST_SECONDS, MOST_BYTES = 60.0, 4 * 1024**3
TRAJECTORY = (
    "SELECT patient_key, time_order, time_point, score FROM outcomes.pain_assessment WHERE score IS NOT NULL"
)
LESIONS = "SELECT patient_key, 1 AS units, CAST(has_cementoplasty AS INTEGER) AS events FROM core.lesion"


def fill(tx: Transaction, patients: int) -> None:
    """Make the core tables."""
    tx.execute("CREATE TABLE benchmark_size AS SELECT CAST(? AS BIGINT) AS patients", [patients])
    for statement in COHORT.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            tx.execute(statement)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def show(name: str, seconds: float, note: str = "") -> None:
    print(f"  {name:<40}{seconds:>9.3f} s  {note}".rstrip(), flush=True)


def each_metric(tx: Transaction) -> None:
    taken = {m.metric: timed(lambda m=m: compute(tx, 2, [m])) for m in load_metrics()}  # type: ignore[misc]
    print(f"each of {len(taken)} metrics, longest first")
    for name, seconds in sorted(taken.items(), key=lambda item: -item[1]):
        show(name, seconds)


def beside(name: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]]) -> None:
    own = timed(ours)
    show(name, own, "ours")
    for peer, work in peers.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the peers, about ties and convergence
            seconds = timed(work)
        show(f"  {peer}", seconds, f"{seconds / own:,.1f} times ours")


def curves(tx: Transaction) -> None:
    from lifelines import AalenJohansenFitter, KaplanMeierFitter

    by_name = {m.metric: m for m in load_metrics()}
    alive = Sample(tx.columns(by_name["overall_survival"].sql))
    durations, events = alive.floats("duration_months"), alive.integers("is_event")
    beside(
        "Kaplan-Meier, overall survival",
        lambda: survival.kaplan_meier(durations, [bool(e) for e in events]),
        {"lifelines": lambda: KaplanMeierFitter().fit(durations, events)},
    )
    local = Sample(tx.columns(by_name["local_progression"].sql)).complete(("duration_months", "outcome"))
    months, outcomes = local.floats("duration_months"), local.integers("outcome")
    beside(
        "Aalen-Johansen, local progression",
        lambda: survival.aalen_johansen(months, outcomes),
        {"lifelines": lambda: AalenJohansenFitter(seed=1).fit(months, outcomes, event_of_interest=1)},
    )


def within_patients(tx: Transaction, patients: int) -> None:
    import numpy as np
    import pandas as pd
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    first = f"patient_key IN (SELECT patient_key FROM core.patient ORDER BY patient_key LIMIT {patients})"
    lesions = Sample(tx.columns(f"{LESIONS} WHERE {first} ORDER BY patient_key"))
    events, units, keys = lesions.integers("events"), lesions.integers("units"), lesions.texts("patient_key")
    gee: dict[str, Any] = {"family": sm.families.Binomial(), "cov_struct": sm.cov_struct.Exchangeable()}
    beside(
        f"GEE and bootstrap of a share, {patients:,} patients",
        lambda: clusters.clustered_proportion(events, units, keys),
        {"statsmodels, GEE": lambda: sm.GEE(np.array(events), np.ones(len(events)), keys, **gee).fit()},
    )
    rows = Sample(tx.columns(f"{TRAJECTORY} AND {first} ORDER BY patient_key, time_order"))
    columns = (
        rows.texts("patient_key"),
        rows.integers("time_order"),
        rows.texts("time_point"),
        rows.floats("score"),
    )
    frame = pd.DataFrame(dict(zip(("patient", "order", "time", "score"), columns, strict=True)))
    exchangeable = sm.cov_struct.Exchangeable()
    beside(
        f"mixed model and GEE of pain, {patients:,} patients",
        lambda: models.trajectory(*columns),
        {
            "statsmodels, mixed model": lambda: smf.mixedlm(
                "score ~ C(time)", frame, groups=frame.patient
            ).fit(),
            "statsmodels, GEE": lambda: smf.gee(
                "score ~ C(time)", groups="patient", data=frame, cov_struct=exchangeable
            ).fit(),
        },
    )


def measure(told: argparse.Namespace, folder: Path) -> bool:
    with Warehouse.open(folder) as warehouse, warehouse.transaction() as tx:
        show(f"making the cohort of {told.patients:,} patients", timed(lambda: fill(tx, told.patients)))
        cpu = time.process_time()
        seconds = timed(lambda: refresh(tx, 1))
        cpu = time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        show("a whole refresh of the outcomes", seconds, f"{cpu:.1f} CPU s, peak {peak / 1024**2:,.0f} MiB")
        each_metric(tx)
        print("beside other packages, on the same rows")
        curves(tx)
        within_patients(tx, min(told.patients, told.peer_patients))
    return seconds <= MOST_SECONDS and peak <= MOST_BYTES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--peer-patients", type=int, default=1_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        holds = measure(told, Path(folder) / "warehouse")
    print(f"{'holds' if holds else 'FAILS'}: at most {MOST_SECONDS:g} s and {MOST_BYTES / 1024**3:g} GiB")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
