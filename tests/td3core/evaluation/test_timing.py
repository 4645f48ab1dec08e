import pytest
import torch

from td3core.evaluation.timing import break_even, compare_seconds, seconds_to_reach
from td3core.stopwatch import CurvePoint, Stopwatch

CURVE = (CurvePoint(10.0, 0.02), CurvePoint(20.0, 0.06), CurvePoint(30.0, 0.05), CurvePoint(40.0, 0.10))


@pytest.mark.parametrize(
    ("score", "seconds"), [(0.01, 5.0), (0.02, 10.0), (0.03, 12.5), (0.06, 20.0), (0.08, 36.0), (0.10, 40.0)]
)
def test_seconds_to_reach_a_score_by_hand(score: float, seconds: float) -> None:
    assert seconds_to_reach(score, CURVE) == pytest.approx(seconds)


def test_a_score_that_is_never_reached() -> None:
    assert seconds_to_reach(0.11, CURVE) is None


def test_break_even_by_hand() -> None:
    assert break_even(distil=240.0, log=63.0, summary=3.0) == 4.0
    assert break_even(distil=240.0, log=3.0, summary=3.0) is None


def test_timing_by_hand() -> None:
    found = compare_seconds(
        summary=[CurvePoint(1.0, 0.07), CurvePoint(3.0, 0.09)],  # mean quality 0.08
        full=[CURVE, (CurvePoint(10.0, 0.04), CurvePoint(20.0, 0.07))],  # reached after 36 s; never
        distil=104.0,
    )
    assert found.summary_seconds.mean == 2.0
    assert found.full_seconds.values == (40.0, 20.0)
    assert found.log_seconds.values == pytest.approx((36.0, 20.0))
    assert found.reached == 1
    assert found.speedup == pytest.approx(14.0)
    assert found.break_even == pytest.approx(4.0)


def test_timing_of_a_distillation_that_nobody_timed() -> None:
    found = compare_seconds(summary=[CurvePoint(1.0, 0.07)], full=[CURVE], distil=None)
    assert found.break_even is None


def test_a_stopwatch_adds_up_what_it_sees() -> None:
    watch = Stopwatch(torch.device("cpu"))
    seen = [watch.seconds]
    for _ in range(2):
        watch.start()
        sum(range(1000))
        watch.stop()
        seen.append(watch.seconds)
    assert seen[0] == 0.0
    assert seen == sorted(set(seen))
