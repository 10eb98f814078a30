import statistics
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from app.contract.review import NewDecision
from app.contract.volumes import MeasurementFilter
from app.records.artifacts import ArtifactStore
from app.records.measurements import Measurements, group_by_day
from app.records.repository import Repository
from app.records.reviews import Reviews
from tests.app.records.examples import request, stored
from tests.helpers.reports import NOON

EVERYTHING = MeasurementFilter()


@pytest.fixture
def measurements(engine: Engine) -> Measurements:
    return Measurements(engine)


class TestPage:
    def test_newest_first_and_only_completed_ones(self, repository: Repository, measurements: Measurements) -> None:
        ids = [stored(repository, volume) for volume in (200.0, 210.0, 220.0)]
        repository.accept(request())
        assert [item.id for item in measurements.page(EVERYTHING, 10).items] == ids[::-1]

    def test_pages_follow_one_another(self, repository: Repository, measurements: Measurements) -> None:
        ids = [stored(repository) for _ in range(5)]
        first = measurements.page(EVERYTHING, 2)
        second = measurements.page(EVERYTHING, 2, first.following)
        assert [item.id for item in first.items + second.items] == ids[:0:-1]
        assert [item.id for item in measurements.all(EVERYTHING, page_size=2)] == ids[::-1]

    def test_an_item_tells_interval_and_flags(self, repository: Repository, measurements: Measurements) -> None:
        stored(repository)
        item = measurements.page(EVERYTHING, 1).items[0]
        assert (item.head_volume_interval_ml, item.flags) == ((220.0, 250.0), ("truncated",))
        assert item.created_at == NOON

    @pytest.mark.parametrize(
        ("wanted", "volumes"),
        [
            (MeasurementFilter(subject="A"), [200.0]),
            (MeasurementFilter(verdict="review"), [210.0]),
            (MeasurementFilter(model_version=2), [220.0]),
            (MeasurementFilter(since=NOON + timedelta(hours=1)), [220.0]),
            (MeasurementFilter(until=NOON + timedelta(hours=1)), [210.0, 200.0]),
            (MeasurementFilter(subject="A", verdict="review"), []),
        ],
    )
    def test_filters(
        self, repository: Repository, measurements: Measurements, wanted: MeasurementFilter, volumes: list[float]
    ) -> None:
        stored(repository, 200.0, subject="A")
        stored(repository, 210.0, "review")
        stored(repository, 220.0, model_version=2, created_at=NOON + timedelta(hours=1))
        assert [item.head_volume_ml for item in measurements.page(wanted, 10).items] == volumes


class TestSummary:
    def test_of_nothing(self, measurements: Measurements) -> None:
        summary = measurements.summary(EVERYTHING)
        assert (summary.count, summary.mean_ml, summary.reproducibility_sd_ml) == (0, None, None)

    def test_rejected_ones_do_not_count(self, repository: Repository, measurements: Measurements) -> None:
        stored(repository, 200.0)
        stored(repository, None, "reject")
        overall = measurements.summary(EVERYTHING)
        assert (overall.count, overall.mean_ml, overall.sd_ml) == (1, 200.0, None)

    def test_mean_and_sd_are_the_textbook_ones(self, repository: Repository, measurements: Measurements) -> None:
        volumes = [187.25, 236.4, 251.0, 310.5]
        for volume in volumes:
            stored(repository, volume)
        overall = measurements.summary(EVERYTHING)
        assert overall.mean_ml == pytest.approx(statistics.mean(volumes), rel=1e-12)
        assert overall.sd_ml == pytest.approx(statistics.stdev(volumes), rel=1e-9)
        assert (overall.min_ml, overall.max_ml) == (187.25, 310.5)

    def test_weeks_are_completed_weeks(self, repository: Repository, measurements: Measurements) -> None:
        for weeks in (24.0, 24.99, 25.0):
            stored(repository, 200.0, gestational_age_weeks=weeks)
        stored(repository, 200.0)
        weeks_found = [(found.week, found.count) for found in measurements.summary(EVERYTHING).by_gestational_week]
        assert weeks_found == [(24, 2), (25, 1)]

    def test_reproducibility_is_the_mean_sd_of_same_day_groups(
        self, repository: Repository, measurements: Measurements
    ) -> None:
        for volume in (200.0, 210.0, 220.0):
            stored(repository, volume, subject="A")
        for volume in (300.0, 300.0):
            stored(repository, volume, subject="B")
        stored(repository, 400.0, subject="A", created_at=NOON + timedelta(days=7))
        summary = measurements.summary(EVERYTHING)
        assert summary.reproducibility_groups == 2
        assert summary.reproducibility_sd_ml == pytest.approx((10.0 + 0.0) / 2)

    def test_neither_another_age_nor_the_same_file_is_a_repeat(
        self, repository: Repository, measurements: Measurements
    ) -> None:
        stored(repository, 100.0, subject="A", gestational_age_weeks=20.0)
        stored(repository, 400.0, subject="A", gestational_age_weeks=28.0)
        stored(repository, 250.0, subject="A")
        for volume in (200.0, 206.0):
            stored(repository, volume, subject="B", input_sha256="c" * 64, model_version=round(volume))
        summary = measurements.summary(EVERYTHING)
        assert (summary.reproducibility_groups, summary.reproducibility_sd_ml) == (0, None)
        stored(repository, 207.0, subject="B")
        stored(repository, 405.0, subject="A", gestational_age_weeks=28.0)
        summary = measurements.summary(EVERYTHING)
        assert summary.reproducibility_groups == 2
        assert summary.reproducibility_sd_ml == pytest.approx(
            statistics.mean([statistics.stdev([206.0, 207.0]), statistics.stdev([400.0, 405.0])])
        )

    def test_equal_volumes_have_no_spread(self, repository: Repository, measurements: Measurements) -> None:
        for _ in range(3):
            stored(repository, 342.4, subject="A", gestational_age_weeks=26.0)
        summary = measurements.summary(EVERYTHING)
        (day,) = group_by_day(measurements.scans(MeasurementFilter(subject="A")))
        for found in (summary, summary.by_gestational_week[0], day):
            assert found.mean_ml == pytest.approx(342.4, rel=1e-15)
            assert found.sd_ml == pytest.approx(0.0, abs=1e-12)
        assert summary.reproducibility_sd_ml == pytest.approx(0.0, abs=1e-12)

    def test_a_small_spread_of_large_volumes_is_told(self, repository: Repository, measurements: Measurements) -> None:
        volumes = [1e6 + step for step in (0.0, 0.01, 0.02)]
        for volume in volumes:
            stored(repository, volume)
        assert measurements.summary(EVERYTHING).sd_ml == pytest.approx(0.01, rel=1e-4)


class TestScans:
    @pytest.fixture
    def reviews(self, engine: Engine, repository: Repository, artifacts: ArtifactStore) -> Reviews:
        return Reviews(engine, repository, artifacts)

    def test_every_figure_counts_a_scan_once_by_its_valid_volume(
        self, repository: Repository, measurements: Measurements, reviews: Reviews
    ) -> None:
        def measure(file: str, volume: float | None, verdict: str = "ok", hours: int = 0) -> str:
            at = NOON + timedelta(hours=hours)
            return stored(repository, volume, verdict, subject="A", input_sha256=file * 64, created_at=at)

        measure("a", 200.0)
        newer = measure("a", 206.0)
        edited = measure("b", 210.0)
        reviews.store_mask(edited, b"mask", 214.0, "reader")
        reviews.decide(edited, NewDecision(decision="edit", reason="too wide"), "reader")
        measure("b", 220.0, hours=24)
        reviews.decide(measure("c", 250.0), NewDecision(decision="reject", reason="twins"), "reader")
        measure("d", None, "reject")

        wanted = MeasurementFilter(subject="A")
        assert [(scan.id, scan.head_volume_ml) for scan in measurements.scans(wanted)] == [
            (newer, 206.0),
            (edited, 214.0),
        ]
        (day,) = group_by_day(measurements.scans(wanted))
        spread = statistics.stdev([206.0, 214.0])
        assert (day.day, day.count, day.mean_ml, day.sd_ml) == (NOON.date(), 2, 210.0, spread)
        assert (day.min_ml, day.max_ml) == (206.0, 214.0)
        repeats = measurements.repeats(wanted, 10)
        assert [pair.model_dump() for pair in repeats.pairs] == [
            {
                "subject": "A",
                "day": NOON.date(),
                "earlier": newer,
                "later": edited,
                "mean_ml": 210.0,
                "difference_ml": 8.0,
            }
        ]
        summary = measurements.summary(wanted)
        assert summary.reproducibility_groups == 1
        assert summary.reproducibility_sd_ml == pytest.approx(spread)

    def test_what_readers_say_is_valid(
        self, repository: Repository, measurements: Measurements, reviews: Reviews
    ) -> None:
        def valid() -> tuple[float | None, float | None, tuple[float, float] | None]:
            found = [(scan.head_volume_ml, scan.head_volume_interval_ml) for scan in measurements.scans(EVERYTHING)]
            volume, interval = found[0] if found else (None, None)
            return measurements.page(EVERYTHING, 1).items[0].valid_volume_ml, volume, interval

        measured = stored(repository, 236.4, subject="A")
        assert valid() == (236.4, 236.4, (220.0, 250.0))
        reviews.store_mask(measured, b"mask", 240.0, "reader")
        assert valid() == (240.0, 240.0, None)
        reviews.decide(measured, NewDecision(decision="accept"), "reader")
        assert valid() == (236.4, 236.4, (220.0, 250.0))
        reviews.decide(measured, NewDecision(decision="reject", reason="moved"), "reader")
        assert valid() == (None, None, None)
        reviews.decide(measured, NewDecision(decision="edit", reason="moved a little"), "reader")
        assert valid() == (240.0, 240.0, None)

    def test_a_mask_that_was_replaced_asks_for_a_new_decision(
        self, repository: Repository, measurements: Measurements, reviews: Reviews
    ) -> None:
        def is_outdated() -> list[bool]:
            return [
                measurements.page(EVERYTHING, 1).items[0].outdated,
                reviews.latest([measured])[measured].is_outdated,
            ]

        measured = stored(repository, 236.4, subject="A")
        assert not measurements.page(EVERYTHING, 1).items[0].outdated
        reviews.store_mask(measured, b"mask", 240.0, "reader")
        assert is_outdated() == [False, False]
        for decision in ("edit", "reject", "accept"):
            reviews.decide(measured, NewDecision(decision=decision, reason="seen"), "reader")
            assert is_outdated() == [False, False]
            reviews.store_mask(measured, f"mask after {decision}".encode(), 250.0, "reader")
            assert is_outdated() == [True, True]

    def test_a_mask_drawn_after_a_rejection_makes_it_valid(
        self, repository: Repository, measurements: Measurements, reviews: Reviews
    ) -> None:
        rejected = stored(repository, None, "reject", subject="A")
        assert measurements.scans(EVERYTHING) == []
        reviews.store_mask(rejected, b"mask", 240.0, "reader")
        (scan,) = measurements.scans(EVERYTHING)
        assert (scan.id, scan.head_volume_ml) == (rejected, 240.0)

    def test_what_a_reader_accepted_outlasts_a_newer_measurement_of_the_file(
        self, repository: Repository, measurements: Measurements, reviews: Reviews
    ) -> None:
        accepted, _ = (
            stored(repository, volume, subject="A", input_sha256="a" * 64, created_at=NOON + timedelta(days=days))
            for days, volume in enumerate((200.0, 230.0))
        )
        assert [scan.head_volume_ml for scan in measurements.scans(EVERYTHING)] == [230.0]
        reviews.decide(accepted, NewDecision(decision="accept"), "reader")
        assert [(scan.head_volume_ml, scan.day) for scan in measurements.scans(EVERYTHING)] == [(200.0, NOON.date())]

    def test_measuring_a_file_again_on_another_day_leaves_it_on_its_own(
        self, repository: Repository, measurements: Measurements
    ) -> None:
        for days, file, volume in ((0, "a", 200.0), (0, "b", 210.0), (30, "a", 204.0)):
            created_at = NOON + timedelta(days=days)
            stored(repository, volume, subject="A", input_sha256=file * 64, created_at=created_at)
        assert [pair.difference_ml for pair in measurements.repeats(EVERYTHING, 10).pairs] == [6.0]

    def test_only_another_scan_of_the_same_subject_day_and_age_is_a_repeat(
        self, repository: Repository, measurements: Measurements
    ) -> None:
        for volume, weeks in ((100.0, 20.0), (400.0, 28.0), (250.0, None)):
            stored(repository, volume, subject="A", gestational_age_weeks=weeks)
        for volume, changes in ((300.0, {"created_at": NOON + timedelta(days=1)}), (310.0, {"subject": "B"})):
            stored(repository, volume, **({"subject": "A"} | changes))
        for volume in (500.0, 510.0):
            stored(repository, volume)
        assert dict(measurements.repeats(EVERYTHING, 10)) == {
            "pairs": (),
            "count": 0,
            "mean_difference_ml": None,
            "limits_of_agreement_ml": None,
        }
        stored(repository, 260.0, subject="A")
        assert measurements.repeats(EVERYTHING, 10).count == 1

    def test_limits_of_agreement_from_three_pairs_on(self, repository: Repository, measurements: Measurements) -> None:
        for volume in (200.0, 201.0, 203.0):
            stored(repository, volume, subject="A")
        found = measurements.repeats(EVERYTHING, 10)
        assert (found.mean_difference_ml, found.limits_of_agreement_ml) == (1.5, None)
        stored(repository, 209.0, subject="A")
        found = measurements.repeats(EVERYTHING, 2)
        half = 1.96 * 7**0.5
        assert found.limits_of_agreement_ml == pytest.approx((3.0 - half, 3.0 + half))
        assert ([pair.difference_ml for pair in found.pairs], found.count) == ([6.0, 2.0], 3)

    def test_a_series_goes_day_by_day(self, repository: Repository, measurements: Measurements) -> None:
        for day, volume in ((0, 200.0), (7, 240.0), (0, 210.0)):
            stored(repository, volume, subject="A", created_at=NOON + timedelta(days=day))
        series = group_by_day(measurements.scans(MeasurementFilter(subject="A")))
        assert [(day.day.isoformat(), day.mean_ml) for day in series] == [
            ("2026-03-14", 205.0),
            ("2026-03-21", 240.0),
        ]
