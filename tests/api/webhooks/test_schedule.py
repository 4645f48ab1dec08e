from datetime import UTC, datetime, timedelta

import pytest

from api.settings import Settings
from api.webhooks.schedule import next_wait, parse, read_retry_after

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def test_ten_tries_over_three_days_each_a_little_late() -> None:
    waits = Settings().webhook_waits
    hours = [0, 5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    for failures, expected in enumerate(hours):
        drawn = [next_wait(waits, failures) for _ in range(100)]
        low, high = timedelta(hours=expected), timedelta(hours=1.2 * expected)
        assert all(wait is not None and low <= wait <= high for wait in drawn)
        assert failures == 0 or len(set(drawn)) > 50
    assert next_wait(waits, len(hours)) is None


def test_a_receiver_can_ask_for_more_time_but_not_for_less_nor_for_ever() -> None:
    waits = parse("60,60")
    assert next_wait(waits, 1, retry_after=timedelta(hours=2)) == timedelta(hours=2)
    asked_for_little = next_wait(waits, 1, retry_after=timedelta(seconds=1))
    assert asked_for_little is not None
    assert asked_for_little >= timedelta(seconds=60)
    assert next_wait(waits, 1, retry_after=timedelta(days=300)) == timedelta(days=1)
    assert next_wait(waits, 2, retry_after=timedelta(hours=2)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("9" * 400, 86_400),
        ("Thu, 15 Jan 2026 09:31:30 GMT", 90),
        ("Thu, 15 Jan 2026 09:29:00 GMT", -60),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert read_retry_after(value, at=AT) == expected


@pytest.mark.parametrize("text", ["", "0,", "0,x", "-1", "0,nan", "0,inf", "0,1e300", "9999999"])
def test_other_texts_are_no_schedules(text: str) -> None:
    with pytest.raises(ValueError, match="expected seconds separated by commas"):
        parse(text)
