"""Every system beside that from which it differs in one part, and what of the differences is resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import SeededDifference, holm, seeded_difference
from training.paper.systems import (
    COMPARISONS,
    SYSTEMS,
    Comparison,
    lends_level_1,
)
from training.paper.tables import Measured, shown_p

ALPHA = 0.05
HEADER = (
    "System", "against", "what it has more", "DSC [points], 95 % interval", "by training seed", "p", "p, cases alone",
    "found",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A pair with its difference in DSC, and both its p corrected for the whole family of pairs (Holm)."""

    pair: Comparison
    difference: SeededDifference
    p: float | None
    wilcoxon_p: float

    @property
    def finding(self) -> str:
        """What may be said: "better", "worse", either of them "before correction", or "not resolved".

        Resolved is what cases and training seeds agree on: the interval over both and every seed's sign. From one seed
        nothing is, since another may bring the opposite.
        """
        if self.p is None or not self.difference.one_way:
            return "not resolved"
        word = "better" if self.difference.mean > 0 else "worse"
        return word if self.p < ALPHA else f"{word} before correction"


def compare(measured: Mapping[str, Measured]) -> list[Compared]:
    """The pairs of `systems.COMPARISONS` of which both are measured."""
    pairs = [pair for pair in COMPARISONS if pair.system in measured and pair.against in measured]
    found = [_difference(measured[pair.system], measured[pair.against]) for pair in pairs]
    known = [one.p for one in found if one.p is not None]
    p = holm(known) if len(known) == len(found) else [None] * len(found)
    wilcoxon_p = holm([one.wilcoxon_p for one in found])
    return [Compared(*parts) for parts in zip(pairs, found, p, wilcoxon_p, strict=True)]


def _difference(this: Measured, other: Measured) -> SeededDifference:
    a, b = ([{r.seed: r.dsc for r in run} for run in found.test] for found in (this, other))
    return seeded_difference(a, b, shared_seeds=lends_level_1(other.system, this.system))


def records(compared: Sequence[Compared]) -> list[dict[str, object]]:
    """One record per pair for the CSV; differences in per cent points of DSC."""
    return [
        {
            "system": one.pair.system,
            "against": one.pair.against,
            "part": one.pair.part,
            "shared_seeds": lends_level_1(SYSTEMS[one.pair.against], SYSTEMS[one.pair.system]),
            "cases": one.difference.cases,
            "dsc_difference_percent": 100 * one.difference.mean,
            "ci95_low": 100 * one.difference.ci95[0],
            "ci95_high": 100 * one.difference.ci95[1],
            "by_seed_percent": " ".join(f"{100 * value:+.3f}" for value in one.difference.by_seed),
            "p": one.difference.p,
            "p_holm": one.p,
            "wilcoxon_p": one.difference.wilcoxon_p,
            "wilcoxon_p_holm": one.wilcoxon_p,
            "found": one.finding,
        }
        for one in compared
    ]


def section(compared: Sequence[Compared]) -> str:
    """The comparisons for the report: what their columns mean, and the table."""
    seeds = len(compared[0].difference.by_seed)
    return f"""## Comparisons

Each system beside that from which it differs in one part. {_interval(seeds)}
*p* is of the same bootstrap; *p, cases alone* is Wilcoxon's signed-rank test of each case's DSC, its seeds averaged
before: it speaks of these very networks, not of training them again. Both are corrected for all {len(compared)}
comparisons (Holm), the intervals are not. A difference is *not resolved* where its interval contains 0 or its sign
differs between seeds, and found *before correction* only where the corrected p is {ALPHA} or more.

{as_markdown(compared)}"""


def _interval(seeds: int) -> str:
    if seeds == 1:
        return """The interval is a bootstrap over cases alone:
with one training seed, what another would bring is not known, and no difference counts as resolved."""
    return f"""The interval is a two-way
bootstrap: over cases, the same for both systems, and over the {seeds} training seeds, the same for both where one
builds on the other's networks (Ctx on HAS), each its own elsewhere. {seeds} seeds are few: such an interval holds the
truth somewhat less often than in 95 of 100 comparisons. *By training seed* takes the seeds in turn."""


def as_markdown(compared: Sequence[Compared]) -> str:
    """The pairs as a table."""
    return markdown_table(HEADER, map(_row, compared), words=3)


def _row(one: Compared) -> tuple[str, ...]:
    low, high = (100 * value for value in one.difference.ci95)
    return (
        one.pair.system,
        one.pair.against,
        one.pair.part,
        f"{100 * one.difference.mean:+.2f} [{low:+.2f}, {high:+.2f}]",
        " ".join(f"{100 * value:+.1f}" for value in one.difference.by_seed),
        "-" if one.p is None else shown_p(one.p),
        shown_p(one.wilcoxon_p),
        one.finding,
    )
