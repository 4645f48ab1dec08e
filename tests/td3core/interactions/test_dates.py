"""Times that are text: exact or refused, and how other forms than ISO 8601 are read."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from td3core.config import DataConfig
from td3core.errors import BadRowsError, MissingColumnError, UnreadableLogError
from td3core.interactions import Limits, read_log

SECOND = 1_500_000_000  # 2017-07-14T02:40:00Z


def times(path: Path, *texts: str, block_bytes: int = 1 << 20, **data: Any) -> list[int | float]:
    path.write_text("user;item;ts\n" + "".join(f"u;i{row};{text}\n" for row, text in enumerate(texts)))
    spec = DataConfig.model_validate({"separator": ";", **data})
    return read_log(path, spec, limits=Limits(block_bytes=block_bytes)).frame["timestamp"].to_list()


def refused(path: Path, *texts: str, **data: Any) -> str:
    with pytest.raises((BadRowsError, UnreadableLogError)) as caught:
        times(path, *texts, **data)
    return str(caught.value)


@pytest.mark.parametrize("block_bytes", [1 << 20, 60])
def test_what_is_finer_than_a_microsecond_is_counted_in_nanoseconds(tmp_path: Path, block_bytes: int) -> None:
    path = tmp_path / "log.csv"
    coarse, fine = "2017-07-14T02:40:00.5Z", "2017-07-14 02:40:00.500000001"
    found = times(path, coarse, fine, "2017-07-14", "1969-12-31T23:59:59.9999999Z", block_bytes=block_bytes)
    day = SECOND - 2 * 3600 - 40 * 60
    assert found == [SECOND * 10**9 + 500_000_000, SECOND * 10**9 + 500_000_001, day * 10**9, -100]
    assert times(path, fine, coarse, block_bytes=block_bytes) == [found[1], found[0]]
    compact = times(path, "20170714T024000.1234567Z", block_bytes=block_bytes)
    assert compact == [SECOND * 10**9 + 123_456_700]


def test_microseconds_stay_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    assert times(path, "2017-07-14T02:40:00.123456000Z", "9998-12-31") == [
        SECOND * 10**6 + 123_456,
        253_370_678_400 * 10**6,
    ]


def test_times_that_nanoseconds_do_not_reach(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    fine = "2017-07-14T02:40:00.123456789Z"
    assert "too far from 1970 to be counted in nanoseconds" in refused(path, fine, "9998-12-31")
    with pytest.raises(UnreadableLogError, match="finer than a microsecond, and others too far from 1970"):
        times(path, "9998-12-31", *["2017-07-14"] * 20, fine, block_bytes=60)


def test_the_first_rules_cut_nanoseconds_as_they_did(tmp_path: Path) -> None:
    assert times(tmp_path / "log.csv", "2017-07-14T02:40:00.123456789Z", rules=1) == [
        SECOND * 10**6 + 123_456
    ]


def test_decimals_are_exact_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    assert times(path, "1500000000.1234567", "1500000000.500000000000000") == [
        1500000000.1234567,
        1500000000.5,
    ]
    assert "line 3, column ts: more digits than" in refused(path, "1500000000.5", "1500000000.123456789")
    assert times(path, "1500000000123456789", "1500000000123456790") == [
        1500000000123456789,
        1500000000123456790,
    ]


def test_decimals_of_json_are_exact_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = '{"user": "u", "item": "i", "ts": %s}\n'
    path.write_text(line % "1500000000.1234567" + line % "1500000000.5")
    assert read_log(path, DataConfig()).frame["timestamp"].to_list() == [1500000000.1234567, 1500000000.5]
    path.write_text(line % "1500000000.5" + line % "1500000000.123456789")
    with pytest.raises(BadRowsError, match="line 2, column ts: more digits than"):
        read_log(path, DataConfig())


def test_floats_of_32_bits(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame = pl.DataFrame(
        {"user": ["a", "b"], "item": ["c", "d"], "ts": np.array([1.5, 2**24], dtype=np.float32)}
    )
    frame.write_parquet(path)
    assert read_log(path, DataConfig()).frame["timestamp"].to_list() == [1.5, 2.0**24]
    frame.with_columns(ts=pl.Series(np.array([1.5, 1.5e9], dtype=np.float32))).write_parquet(path)
    with pytest.raises(BadRowsError, match="row 2, column ts: a float of 32 bits"):
        read_log(path, DataConfig())


@pytest.mark.parametrize(
    ("text", "form", "seconds"),
    [
        ("7/14/2017 2:40", "%m/%d/%Y %H:%M", SECOND),
        ("14/07/2017 02:40:00", "%d/%m/%Y %H:%M:%S", SECOND),
        ("07/14/17 2:40 AM", "%m/%d/%y %I:%M %p", SECOND),
        ("7/14/2017 2:40:00 PM", "%m/%d/%Y %I:%M:%S %p", SECOND + 12 * 3600),
        ("14.07.2017", "%d.%m.%Y", SECOND - 9600),
        ("2017/07/14 02:40:00.25", "%Y/%m/%d %H:%M:%S.%f", SECOND + 0.25),
        ("Fri Jul 14 04:40:00 +0200 2017", "%a %b %d %H:%M:%S %z %Y", SECOND),
        ("July 14, 2017", "%B %d, %Y", SECOND - 9600),
        ("20170714", "%Y%m%d", SECOND - 9600),
        ("2017-07-14 02:40Z", "%Y-%m-%d %H:%M%z", SECOND),
    ],
)
def test_the_spec_may_have_the_form(tmp_path: Path, text: str, form: str, seconds: float) -> None:
    path = tmp_path / "log.csv"
    assert times(path, text, time_format=form) == [int(seconds * 10**6)]
    assert "line 3, column ts: not written as data.time_format has it" in refused(
        path, text, "2017-07-14T02:40:00Z", time_format=form
    )


def test_what_the_form_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for text in ("7/14/17", "14/7/2017", "2/30/2017", "7/14/2017 2:40", "7/14", "", "1500000000"):
        assert "line 3, column ts" in refused(path, "7/4/2017", text, time_format="%m/%d/%Y")
    form = "%m/%d/%Y %H:%M:%S.%f"
    assert times(path, "7/14/2017 2:40:00.1234560", time_format=form) == [SECOND * 10**6 + 123_456]
    assert "finer than a microsecond" in refused(path, "7/14/2017 2:40:00.1234561", time_format=form)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("7/14/2017", ("%m/%d/%Y", "%d/%m/%Y")),
        ("07/14/17 02:40", ("%m/%d/%y %H:%M", "%d/%m/%y %H:%M")),
        ("7/14/2017 2:40:00 AM", ("%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p")),
        ("7/14/2017, 2:40AM", ("%m/%d/%Y, %I:%M%p",)),
        ("14.07.2017 02:40:00.123", ("%d.%m.%Y %H:%M:%S.%f",)),
        ("14-07-2017", ("%d-%m-%Y",)),
        ("2017/07/14 02:40", ("%Y/%m/%d %H:%M",)),
    ],
)
def test_the_refusal_has_a_form_that_reads_the_log(tmp_path: Path, text: str, forms: tuple[str, ...]) -> None:
    path = tmp_path / "log.csv"
    message = refused(path, text)
    for form in forms:
        assert f"{form!r}" in message
    read = [form for form in forms if "%m/%d" in form or len(forms) == 1]
    assert times(path, text, time_format=read[0])


@pytest.mark.parametrize(
    "text", ["yesterday", "Jul 14, 2017", "14 July 2017 02:40", "2017-07-14T02:40:00,5", "2017-W28"]
)
def test_other_forms_are_refused_with_what_to_set(tmp_path: Path, text: str) -> None:
    message = refused(tmp_path / "log.csv", text)
    assert "neither a number nor a date or time of ISO 8601" in message
    assert "set data.time_format to how it is written, or data.columns.timestamp to none" in message


@pytest.mark.parametrize(
    "form",
    [
        "",
        "%",
        "%Q",
        "%m/%d",
        "%H:%M",
        "%Y-%m-%d %H",
        "%Y-%m-%d %M",
        "%Y-%m-%d %I:%M",
        "%Y-%m-%d %S",
        "%Y-%m-%d%f",
        "%F",
    ],
)
def test_forms_that_are_none(form: str) -> None:
    with pytest.raises(ValidationError, match="time_format"):
        DataConfig(time_format=form)


def test_columns_valued_like_other_dates_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for values in (
        ("2017/07/14", "2017/07/15", "2017/07/16"),
        ("14.07.2017 02:40", "15.07.2017 02:40", "16.07.2017 02:40"),
        ("14-07-2017", "15-07-2017", "16-07-2017"),
        ("Jul 14, 2017", "Jul 15, 2017", "Jul 16, 2017"),
        ("Fri, 14 Jul 2017 02:40:00 GMT", "Sat, 15 Jul 2017 02:40:00 GMT", "Sun, 16 Jul 2017 02:40:00 GMT"),
        ("Fri Jul 14 02:40:00 2017", "Sat Jul 15 02:40:00 2017", "Sun Jul 16 02:40:00 2017"),
    ):
        path.write_text("user;item;posted\n" + "".join(f"u;i;{value}\n" for value in values))
        with pytest.raises(MissingColumnError, match="look like times: posted"):
            read_log(path, DataConfig(separator=";"))


def test_a_form_is_for_text(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": ["u"], "item": ["i"], "ts": [10102026]}).write_parquet(path)
    with pytest.raises(UnreadableLogError, match=r"have the type Int64, and data\.time_format is for text"):
        read_log(path, DataConfig(time_format="%d%m%Y"))
