"""How much the property tests try, and from which seed: CRYOCOHORT_EXAMPLES and CRYOCOHORT_SEED change it.

The seed is fixed, so that a failure is one for everybody; `make soak` takes another one each time.
"""

import os

from hypothesis import HealthCheck, Phase, settings

SEED = int(os.environ.get("CRYOCOHORT_SEED", "7"))
EXAMPLES = int(os.environ.get("CRYOCOHORT_EXAMPLES", "25"))
STEPS = 10


def budget(*, is_shrinking: bool = True) -> settings:
    """The same for the sound product and for its mutants, which need no smaller example."""
    phases = (Phase.generate, Phase.shrink) if is_shrinking else (Phase.generate,)
    return settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
