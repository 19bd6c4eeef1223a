"""The part of a check that judges the searches a sync will ask, and the sample they brought."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.capability import printable
from ingest.client import FhirClient
from ingest.probe import Count, Probe, landed_of
from mappings.errors import InvalidShareError, SignInError, ViewError
from service.finding import Finding, failed, ok, skipped, warning
from warehouse.build import BuildInput
from warehouse.dating import undated_among
from warehouse.sample import CodesTried, SampleTried, ViewTried, try_sample


@dataclass(frozen=True, slots=True)
class SearchFacts:
    """One search: the count the server gave (None if none), and what became of the sampled resources."""

    resource_type: str
    step: str
    count: int | None
    codes: int
    patients: int
    sampled: int
    valid: int
    refused: int
    unasked: int
    has_next: bool


def facts_of(probes: Sequence[Probe]) -> tuple[SearchFacts, ...]:
    """The searches in plain numbers."""
    return tuple(_facts(probe) for probe in probes)


def check_searches(
    client: FhirClient, build: BuildInput, probes: Sequence[Probe]
) -> tuple[list[Finding], SampleTried | None]:
    """One finding a search, then paging, views and codes; and what views and codes made of the sample."""
    center_id = client.center.center_id
    if all(isinstance(probe.error, SignInError) for probe in probes if probe.was_asked):
        return [skipped(center_id, "searches", "each was refused")], None
    findings = [_search(client, probe) for probe in probes] + [_paging(client, probes)]
    sample = landed_of(probes)
    if not sample:
        return [*findings, skipped(center_id, "sample", "no resource to try views and codes on")], None
    try:
        tried = try_sample(build.centers[0], sample, build.code_map, build.aliases)
    except ViewError as error:
        return [*findings, failed(center_id, "sample", error)], None
    return [*findings, _mapped(center_id, len(sample), tried.views), _coded(center_id, tried.codes)], tried


def _facts(probe: Probe) -> SearchFacts:
    sample, count = probe.sample, probe.count
    # A server may send a resource twice.
    valid, unasked = (len({each.resource_id for each in sample.landed}), sample.unasked) if sample else (0, 0)
    refused = _refused(probe)
    return SearchFacts(
        resource_type=probe.ask.resource_type.name,
        step=probe.ask.search.step,
        count=count.number if count else None,
        codes=count.codes if count else 0,
        patients=count.patients if count else 0,
        sampled=valid + refused + unasked,
        valid=valid,
        refused=refused,
        unasked=unasked,
        has_next=probe.has_next,
    )


def _refused(probe: Probe) -> int:
    faults = probe.sample.quarantined if probe.sample else []
    return len({(fault.resource_id, fault.content_hash) for fault in faults})


def _search(client: FhirClient, probe: Probe) -> Finding:
    center_id, name = client.center.center_id, probe.ask.resource_type.name
    subject, facts = f"{name} ({probe.ask.search.step})", _facts(probe)
    if probe.error is not None:
        return failed(center_id, subject, probe.error)
    if probe.count is None:  # never asked
        return skipped(center_id, subject, "no patient of the cohort was found to ask for")
    seen = f"{_counted(probe.count)}; {_sampled(probe, facts)}"
    if probe.losses:
        what = f"left something out of a search for {name} (OperationOutcome: {', '.join(probe.losses)})."
        step = "ask its server team; a sync that loses something is never complete."
        return failed(center_id, subject, client.failure(what, step))
    if facts.unasked:
        what = f"sent {facts.unasked} of {facts.sampled} {name} that were not asked for: it ignores a filter."
        step = "ask its server team to support the search parameters named under `types`."
        return failed(center_id, subject, client.failure(what, step))
    return _undated(center_id, subject, probe, seen) or _judged(center_id, subject, facts, seen)


def _undated(center_id: str, subject: str, probe: Probe, seen: str) -> Finding | None:
    """The finding on a type of which no search for changes can be complete; it is read in full."""
    why = undated_among([each.last_updated for each in probe.sample.landed] if probe.sample else [])
    if why is None:
        return None
    dates = "some have no date of change" if why == "missing" else "all have the same date of change"
    step = "every sync reads all of them; ask the center to send meta.lastUpdated as it is."
    return warning(center_id, subject, f"{seen}; {dates}", step)


def _judged(center_id: str, subject: str, facts: SearchFacts, seen: str) -> Finding:
    """The finding on an answered search, by what the gate said and whether anything was there."""
    if facts.refused and facts.refused == facts.sampled:
        wrong = InvalidShareError(
            f"{seen}.", "show these rules and element paths to the center; nothing of this type would land."
        )
        return failed(center_id, subject, wrong)
    if facts.refused:
        step = "show these rules and element paths to the center; such resources are quarantined."
        return warning(center_id, subject, seen, step)
    if facts.step == "cohort" and facts.count == 0:
        step = "check that the center's code files hold the codes its server uses for ablations."
        return warning(center_id, subject, seen, step)
    return ok(center_id, subject, seen)


def _counted(count: Count) -> str:
    number = "an untold number" if count.number is None else f"{count.number:,}"
    number = f"at most {number}" if count.is_upper_bound else number
    by = [f"by {count.codes} codes"] if count.codes else []
    by += [f"for {count.patients} patients"] if count.patients else []
    return " ".join([number, *by])


def _sampled(probe: Probe, facts: SearchFacts) -> str:
    if probe.sample is None:
        return "no sample: no patient of the cohort was found to ask for"
    if not facts.refused:
        return f"sample of {facts.sampled}: all valid" if facts.sampled else "sample of 0"
    places = Counter(f"{fault.path} ({fault.rule})" for fault in probe.sample.quarantined)
    told = ", ".join(f"{place} {number}" for place, number in sorted(places.items()))
    return f"sample of {facts.sampled}: {facts.refused} invalid: {told}"


def _paging(client: FhirClient, probes: Sequence[Probe]) -> Finding:
    """Whether what does not fit on a page can be read: by next links, or by pages that hold everything."""
    center = client.center
    cut_off = [probe for probe in probes if probe.is_cut_off]
    if cut_off:
        counted = (p.count.number for p in probes if p.count and p.count.number and not p.count.patients)
        largest = max(counted, default=0)
        told = f"gives no next links ({cut_off[0].ask.resource_type.name})"
        if largest > center.page_size:
            what = f"{told}, and {largest:,} resources may not fit on a page of {center.page_size:,}."
            return failed(
                center.center_id,
                "paging",
                client.failure(what, f"set search.page_size to {largest:,} or more, or lower patient_batch."),
            )
        step = "keep search.page_size above the largest count; a sync that finds more is incomplete."
        return warning(center.center_id, "paging", f"the server {told}; all fits on one page now", step)
    if any(probe.has_next for probe in probes):
        return ok(center.center_id, "paging", "next links given")
    return skipped(center.center_id, "paging", "not seen: each answer fitted on one page")


def _mapped(center_id: str, sampled: int, views: Sequence[ViewTried]) -> Finding:
    """What the views made of the sample: a view through which nothing comes is a fault."""
    seen = f"{sampled} resources gave {sum(view.rows for view in views)} rows in {len(views)} tables"
    lost = _lost(views)
    if lost:
        reasons = sorted({view.reason for view in lost if view.reason})
        wrong = ViewError(
            f"Nothing of the sample comes through {', '.join(view.table for view in lost)}"
            + (f" ({'; '.join(reasons)})." if reasons else "."),
            "give the center a view of its own: docs/how-to/write-a-view.md.",
        )
        return failed(center_id, "sample", wrong)
    rejected = [view for view in views if view.rejected]
    if rejected:
        told = "; ".join(f"{view.table} refused {view.rejected}: {view.reason}" for view in rejected)
        step = "such resources are quarantined; a view of the center's own may read them."
        return warning(center_id, "sample", f"{seen}; {told}", step)
    return ok(center_id, "sample", f"{seen}; none refused")


def _lost(views: Sequence[ViewTried]) -> list[ViewTried]:
    """Views that refused every resource of their type, and those of a type of which no view made a row."""
    made = {view.resource_type for view in views if view.rows}
    return [
        view
        for view in views
        if view.resources and (view.rejected == view.resources or view.resource_type not in made)
    ]


def _coded(center_id: str, codes: Sequence[CodesTried]) -> Finding:
    """The share of the sample's codings that mean nothing to the study, and where they stand."""
    codings, mapped = sum(each.codings for each in codes), sum(each.mapped for each in codes)
    if not codings:
        return skipped(center_id, "codes in use", "the sample holds no coding")
    share = f"{100 * (codings - mapped) / codings:.0f} % of {codings} codings in the sample are unmapped"
    seen = ": ".join([share, ", ".join(_unmapped(codes))]) if mapped < codings else share
    if any(not each.mapped for each in codes):
        step = "map the codes that matter: docs/how-to/map-codes.md."
        return warning(center_id, "codes in use", seen, step)
    return ok(center_id, "codes in use", seen)


def _unmapped(codes: Sequence[CodesTried]) -> Iterator[str]:
    for each in codes:
        if each.mapped < each.codings:
            systems = ", ".join(printable(system) or "no system" for system in each.unmapped_systems)
            place = f"{each.resource_type}.{each.element}"
            yield f"{place} {each.codings - each.mapped} of {each.codings} ({systems})"
