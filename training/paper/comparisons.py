"""Paired comparisons of systems that differ in one part, and which of the differences are resolved."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import SeededDifference, compare_seeded, holm, index_by_case
from training.paper.systems import COMPARISONS, SYSTEMS, SystemPair, lends_level_1
from training.paper.tables import Cell, SystemResults, format_p

ALPHA = 0.05
HEADER = (
    "System", "against", "what it has more", "DSC [points], 95 % interval", "by training seed", "p", "p, cases alone",
    "found",
)  # fmt: skip


@dataclass(frozen=True)
class PairedComparison:
    """A pair of systems with its difference in DSC; both p-values are corrected for all pairs (Holm)."""

    pair: SystemPair
    difference: SeededDifference
    p: float | None
    wilcoxon_p: float

    @property
    def finding(self) -> str:
        """The conclusion: "better", "worse", either of them "before correction", or "not resolved".

        A difference is resolved where cases and training seeds agree, by the interval over both and by every seed's
        sign. With one seed nothing is resolved, since another may give the opposite.
        """
        if self.p is None or not self.difference.one_way:
            return "not resolved"
        word = "better" if self.difference.mean > 0 else "worse"
        return word if self.p < ALPHA else f"{word} before correction"


COLUMNS: Mapping[str, Callable[[PairedComparison], Cell]] = {
    "system": lambda one: one.pair.system,
    "against": lambda one: one.pair.against,
    "part": lambda one: one.pair.part,
    "shared_seeds": lambda one: lends_level_1(SYSTEMS[one.pair.against], SYSTEMS[one.pair.system]),
    "cases": lambda one: one.difference.cases,
    "dsc_difference_percent": lambda one: 100 * one.difference.mean,
    "ci95_low": lambda one: 100 * one.difference.ci95[0],
    "ci95_high": lambda one: 100 * one.difference.ci95[1],
    "by_seed_percent": lambda one: " ".join(f"{100 * value:+.3f}" for value in one.difference.by_seed),
    "p": lambda one: one.difference.p,
    "p_holm": lambda one: one.p,
    "wilcoxon_p": lambda one: one.difference.wilcoxon_p,
    "wilcoxon_p_holm": lambda one: one.wilcoxon_p,
    "found": lambda one: one.finding,
}
"""The CSV; differences in percentage points of DSC."""


def compare(measured: Mapping[str, SystemResults]) -> list[PairedComparison]:
    """Compare the pairs of `systems.COMPARISONS` of which both systems were measured."""
    pairs = [pair for pair in COMPARISONS if pair.system in measured and pair.against in measured]
    found = []
    for this, other in ((measured[pair.system], measured[pair.against]) for pair in pairs):
        a, b = ([index_by_case(run, "dsc") for run in one.test] for one in (this, other))
        found.append(compare_seeded(a, b, shared_seeds=lends_level_1(other.system, this.system)))
    known = [one.p for one in found if one.p is not None]
    p = holm(known) if len(known) == len(found) else [None] * len(found)
    wilcoxon_p = holm([one.wilcoxon_p for one in found])
    return [PairedComparison(*parts) for parts in zip(pairs, found, p, wilcoxon_p, strict=True)]


def format_section(compared: Sequence[PairedComparison]) -> str:
    """Return the section of the report: the meaning of the columns, and the table."""
    seeds = len(compared[0].difference.by_seed)
    return f"""## Comparisons

Each system is compared with the one from which it differs in one part. {_explain_interval(seeds)}
*p* is from the same bootstrap; *p, cases alone* is from Wilcoxon's signed-rank test of each case's DSC, averaged over
seeds: it applies to these trained networks, not to training them again. Both are corrected for all {len(compared)}
comparisons (Holm), the intervals are not. A difference is *not resolved* where its interval contains 0 or its sign
differs between seeds, and found *before correction* only where the corrected p is {ALPHA} or more.

{format_table(compared)}"""


def _explain_interval(seeds: int) -> str:
    if seeds == 1:
        return """The interval is a bootstrap over cases alone:
with one training seed, the variation between seeds is unknown, and no difference counts as resolved."""
    return f"""The interval is a two-way
bootstrap: over cases, the same for both systems, and over the {seeds} training seeds, the same for both where one
builds on the other's networks (Ctx on HAS), independent elsewhere. {seeds} seeds are few: such an interval contains the
truth in somewhat fewer than 95 of 100 comparisons. *By training seed* gives the difference for each seed."""


def format_table(compared: Sequence[PairedComparison]) -> str:
    """Return the comparisons as a Markdown table."""
    return markdown_table(HEADER, map(_format_row, compared), words=3)


def _format_row(one: PairedComparison) -> tuple[str, ...]:
    return (
        one.pair.system,
        one.pair.against,
        one.pair.part,
        one.difference.format(),
        " ".join(f"{100 * value:+.1f}" for value in one.difference.by_seed),
        "-" if one.p is None else format_p(one.p),
        format_p(one.wilcoxon_p),
        one.finding,
    )
