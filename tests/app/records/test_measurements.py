import statistics
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from app.records.measurements import MeasurementFilter, Measurements
from app.records.repository import Repository
from tests.app.records.examples import NOON, request, stored

EVERYTHING = MeasurementFilter()


@pytest.fixture
def measurements(engine: Engine) -> Measurements:
    return Measurements(engine)


class TestPage:
    def test_newest_first_and_only_completed_ones(self, repository: Repository, measurements: Measurements) -> None:
        ids = [stored(repository, volume) for volume in (200.0, 210.0, 220.0)]
        repository.accept(request())
        assert [item.id for item in measurements.page(EVERYTHING, 10)] == ids[::-1]

    def test_pages_follow_one_another(self, repository: Repository, measurements: Measurements) -> None:
        ids = [stored(repository) for _ in range(5)]
        first = measurements.page(EVERYTHING, 2)
        second = measurements.page(EVERYTHING, 2, first[-1].sequence)
        assert [item.id for item in first + second] == ids[:0:-1]
        assert [item.id for item in measurements.all(EVERYTHING, page_size=2)] == ids[::-1]

    def test_an_item_tells_interval_and_flags(self, repository: Repository, measurements: Measurements) -> None:
        stored(repository)
        item = measurements.page(EVERYTHING, 1)[0]
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
        assert [item.head_volume_ml for item in measurements.page(wanted, 10)] == volumes


class TestSummary:
    def test_of_nothing(self, measurements: Measurements) -> None:
        summary = measurements.summary(EVERYTHING)
        assert (summary.overall.count, summary.overall.mean_ml, summary.reproducibility_sd_ml) == (0, None, None)

    def test_rejected_ones_do_not_count(self, repository: Repository, measurements: Measurements) -> None:
        stored(repository, 200.0)
        stored(repository, None, "reject")
        overall = measurements.summary(EVERYTHING).overall
        assert (overall.count, overall.mean_ml, overall.sd_ml) == (1, 200.0, None)

    def test_mean_and_sd_are_the_textbook_ones(self, repository: Repository, measurements: Measurements) -> None:
        volumes = [187.25, 236.4, 251.0, 310.5]
        for volume in volumes:
            stored(repository, volume)
        overall = measurements.summary(EVERYTHING).overall
        assert overall.mean_ml == pytest.approx(statistics.mean(volumes), rel=1e-12)
        assert overall.sd_ml == pytest.approx(statistics.stdev(volumes), rel=1e-9)
        assert (overall.min_ml, overall.max_ml) == (187.25, 310.5)

    def test_weeks_are_completed_weeks(self, repository: Repository, measurements: Measurements) -> None:
        for weeks in (24.0, 24.99, 25.0):
            stored(repository, 200.0, gestational_age_weeks=weeks)
        stored(repository, 200.0)
        weeks_found = [(week, found.count) for week, found in measurements.summary(EVERYTHING).by_gestational_week]
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
            statistics.mean([statistics.stdev([203.0, 207.0]), statistics.stdev([400.0, 405.0])])
        )

    def test_equal_volumes_have_no_spread(self, repository: Repository, measurements: Measurements) -> None:
        for _ in range(3):
            stored(repository, 342.4, subject="A", gestational_age_weeks=26.0)
        summary = measurements.summary(EVERYTHING)
        (day,) = measurements.series(MeasurementFilter(subject="A"))
        for found in (summary.overall, summary.by_gestational_week[0][1], day.statistics):
            assert found.mean_ml == pytest.approx(342.4, rel=1e-15)
            assert found.sd_ml == pytest.approx(0.0, abs=1e-12)
        assert summary.reproducibility_sd_ml == pytest.approx(0.0, abs=1e-12)

    def test_a_small_spread_of_large_volumes_is_told(self, repository: Repository, measurements: Measurements) -> None:
        volumes = [1e6 + step for step in (0.0, 0.01, 0.02)]
        for volume in volumes:
            stored(repository, volume)
        assert measurements.summary(EVERYTHING).overall.sd_ml == pytest.approx(0.01, rel=1e-4)

    def test_a_series_goes_day_by_day(self, repository: Repository, measurements: Measurements) -> None:
        for day, volume in ((0, 200.0), (7, 240.0), (0, 210.0)):
            stored(repository, volume, subject="A", created_at=NOON + timedelta(days=day))
        series = measurements.series(MeasurementFilter(subject="A"))
        assert [(day.day.isoformat(), day.statistics.mean_ml) for day in series] == [
            ("2026-03-14", 205.0),
            ("2026-03-21", 240.0),
        ]
