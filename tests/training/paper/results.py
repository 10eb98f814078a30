"""Results as a comparison has them, without training anything."""

from collections.abc import Sequence

from tests.training.results import result
from training.evaluation.cases import CaseResult
from training.paper.systems import find_system
from training.paper.tables import SystemResults

CASES = range(2_000_000, 2_000_005)


def measured(name: str, *dsc: float, missed: int = 0, seconds: Sequence[float] = ()) -> SystemResults:
    """A system whose every case has one DSC for each training seed; of the first seed's cases `missed` have no head."""

    def cases(place: int, value: float) -> tuple[CaseResult, ...]:
        time = seconds[place] if seconds else 1.0
        found = [result(n, 200.0 + n % 7).model_copy(update={"dsc": value, "seconds": time}) for n in CASES]
        if place == 0:
            found[:missed] = [one.model_copy(update={"measured_ml": 0.0}) for one in found[:missed]]
        return tuple(found)

    runs = tuple(cases(place, value) for place, value in enumerate(dsc))
    seeds = tuple(range(1, len(dsc) + 1))
    return SystemResults(find_system(name), seeds, runs, runs, parameters=1_000_000, minutes=1.0)


FIRST = 4_000_000


def repeated(*groups: tuple[float, float, float]) -> tuple[CaseResult, ...]:
    """Three volumes of each fetus."""
    return tuple(
        result(FIRST + 3 * n + place, ml).model_copy(update={"subject_seed": FIRST + n, "true_ml": 200.0})
        for n, group in enumerate(groups)
        for place, ml in enumerate(group)
    )
