from app.access.rate import RateLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    limit = RateLimit(6, clock)
    assert [limit.wait_s("a") for _ in range(7)] == [0] * 6 + [10]
    clock.now = 9.0
    assert limit.wait_s("a") == 1
    clock.now = 10.0
    assert limit.wait_s("a") == 0
    assert limit.wait_s("a") == 10


def test_one_caller_does_not_use_up_anothers_share() -> None:
    limit = RateLimit(1, Clock())
    assert (limit.wait_s("a"), limit.wait_s("b"), limit.wait_s("a")) == (0, 0, 60)


def test_zero_is_no_limit() -> None:
    limit = RateLimit(0, Clock())
    assert {limit.wait_s("a") for _ in range(10_000)} == {0}


def test_callers_that_are_gone_take_no_memory() -> None:
    clock = Clock()
    limit = RateLimit(60, clock)
    for number in range(10_000):
        limit.wait_s(str(number))
    clock.now = 60.0
    limit.wait_s("another")
    assert len(limit._buckets) == 1
