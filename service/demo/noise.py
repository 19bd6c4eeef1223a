"""The noise of both centers: everything a chart holds that must not change a figure, each kind labelled."""

from collections.abc import Sequence

from service.demo import noise_a, noise_b
from service.demo.cohort import DemoPatient
from service.demo.fhir import DemoCenter
from service.demo.noise_item import NoiseItem


def noise(center: DemoCenter, patients: Sequence[DemoPatient]) -> tuple[NoiseItem, ...]:
    """The noise of one center, written around its cohort."""
    writers = {"a": noise_a.items, "b": noise_b.items}
    return writers[center.center_id](center, patients)
