"""The filter, the size checks, the profile, and validation as a whole."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.config import DataConfig
from td3core.errors import BadRowsError, LogTooSmallError, UnreadableLogError
from td3core.interactions import InteractionLog, LogProfile, check_size, filter_log, profile_log, validate_log
from td3core.interactions._filter import select_rows
from td3core.interactions._numbering import number_ids


def log_of(*sequences: str) -> InteractionLog:
    """One user a word, one item a letter."""
    rows = [(f"u{user}", item) for user, items in enumerate(sequences) for item in items]
    return InteractionLog(pl.DataFrame(rows, schema={"user": pl.String, "item": pl.String}, orient="row"))


def words(log: InteractionLog) -> list[str]:
    return log.frame.group_by("user", maintain_order=True).agg(pl.col("item").str.join(""))["item"].to_list()


def dropped(log: InteractionLog) -> dict[str, int]:
    return {one.filter: one.interactions for one in log.dropped}


def test_a_single_pass_counts_users_and_items_on_the_same_log() -> None:
    # d occurs once, so it goes; the first user had four interactions when users were counted, and stays with three
    log = log_of("abcd", "abca", "abc")
    data = DataConfig(min_user_interactions=4, min_item_interactions=2)
    assert words(filter_log(log, data)) == ["abc", "abca"]


def test_iterated_goes_on_until_nothing_changes() -> None:
    log = log_of("abcd", "abca", "abcb", "abc")
    data = DataConfig(min_user_interactions=4, min_item_interactions=2, core_filter="iterated")
    assert words(filter_log(log, data)) == ["abca", "abcb"]


def test_users_left_with_too_little_to_split_are_dropped_after_a_single_pass() -> None:
    # x and y occur once each: the first user is left with two of four
    log = log_of("abxy", "abab", "abba")
    data = DataConfig(min_user_interactions=3, min_item_interactions=2)
    assert words(filter_log(log, data)) == ["abab", "abba"]


def test_low_ratings_go_before_the_counting() -> None:
    frame = log_of("aab", "aab", "aabbb").frame.with_columns(
        rating=pl.Series([1.0, 5, 5, 5, 4, 5, 5, 5, 5, 5, 1], dtype=pl.Float64)
    )
    data = DataConfig(min_rating=4.0, min_user_interactions=3, min_item_interactions=1)
    assert words(filter_log(InteractionLog(frame), data)) == ["aab", "aabb"]


def test_repeated_interactions_are_kept() -> None:
    log = log_of("aaab", "abbb")
    assert words(filter_log(log, DataConfig(min_user_interactions=3, min_item_interactions=1))) == [
        "aaab",
        "abbb",
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abcde", min_size=1, max_size=9), min_size=2, max_size=8),
    st.integers(3, 5),
    st.integers(1, 4),
)
def test_what_iterated_leaves_meets_both_minima_and_is_the_largest_such_part(
    sequences: list[str], min_user: int, min_item: int
) -> None:
    data = DataConfig(min_user_interactions=min_user, min_item_interactions=min_item, core_filter="iterated")
    expected = dict(enumerate(sequences))
    while True:  # by hand: drop one offender at a time
        text = "".join(expected.values())
        rare = next((item for item in text if text.count(item) < min_item), None)
        short = next((user for user, items in expected.items() if len(items) < min_user), None)
        if rare is not None:
            expected = {user: items.replace(rare, "") for user, items in expected.items()}
        elif short is not None:
            del expected[short]
        else:
            break
    log = log_of(*sequences)
    try:
        kept = words(filter_log(log, data))
    except LogTooSmallError:
        longest = max(map(len, expected.values()), default=0)
        assert len(expected) < 2 or len(set("".join(expected.values()))) < 2 or longest < 4
    else:
        assert kept == list(expected.values())


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        ([], "the log has no interactions"),
        (["abcabc"], r"the log has only one user \(6 interactions, 1 user, 3 items\)"),
        (["aaaa", "aaaa"], "the log has only one item"),
        (["abc", "ab", "ba"], "1 of 3 users have the 3 interactions"),
        (["abc", "bca", "cab"], "no user has 4 or more interactions"),
    ],
)
def test_a_log_too_small_for_any_setting(sequences: list[str], said: str) -> None:
    with pytest.raises(LogTooSmallError, match=said):
        check_size(log_of(*sequences))


def with_times(log: InteractionLog, times: list[int]) -> InteractionLog:
    return InteractionLog(log.frame.with_columns(timestamp=pl.Series(times)))


def test_exact_repeats_are_dropped_and_counted_unless_they_are_kept() -> None:
    """The first of two equal rows stays; the same item at another time, and another item at the same, stay as well."""
    log = with_times(log_of("aabac", "abba"), [1, 1, 1, 2, 3, 1, 1, 1, 2])
    drop = DataConfig(min_user_interactions=3, min_item_interactions=1)
    filtered = filter_log(log, drop)
    assert (words(filtered), dropped(filtered)) == (["abac", "aba"], {"repeats": 2})
    kept = filter_log(log, drop.model_copy(update={"repeats": "keep"}))
    assert (words(kept), dropped(kept)) == (["aabac", "abba"], {})


def test_users_are_counted_without_exact_repeats_and_after_low_ratings() -> None:
    log = with_times(log_of("abcd", "abbb", "abcd"), [1, 2, 3, 4, 1, 2, 2, 2, 1, 2, 3, 4])
    data = DataConfig(min_user_interactions=3, min_item_interactions=1)
    assert words(filter_log(log, data)) == ["abcd", "abcd"]
    rated = with_times(log_of("aabcd", "abcd"), [1, 1, 2, 3, 4, 1, 2, 3, 4]).frame.with_columns(
        rating=pl.Series([1.0, 5, 5, 5, 5, 5, 5, 5, 5])
    )
    filtered = filter_log(InteractionLog(rated), data.model_copy(update={"min_rating": 2.0}))
    assert (words(filtered), dropped(filtered)) == (["abcd", "abcd"], {"min_rating": 1})


ROWS = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz"), st.integers(0, 3), st.booleans())


@given(st.lists(ROWS, max_size=60), st.sampled_from([1, 10**9, 2**61]))
@settings(max_examples=60, deadline=None)
def test_what_is_left_is_numbered_as_its_ids_would_be(
    rows: list[tuple[str, str, int, bool]], apart: int
) -> None:
    """Whether the times are close enough for the repeats to be found by one number a row, or are not."""
    frame = pl.DataFrame(rows, schema=["user", "item", "timestamp", "rating"], orient="row")
    frame = frame.cast({"timestamp": pl.Int64, "rating": pl.Float64})
    log = InteractionLog(frame.with_columns(pl.col("timestamp") * apart))
    left = select_rows(log, DataConfig(min_rating=1.0))
    repeated = {row[:3]: row for row in log.frame.rows() if row[3]}
    assert left.frame.rows() == list(repeated.values())
    for numbered, column in ((left.users, "user"), (left.items, "item")):
        ids, rows_of = number_ids(left.frame[column])
        assert numbered.ids.to_list() == ids.to_list()
        assert numbered.rows.tolist() == rows_of.tolist()


def test_a_log_of_nothing_but_repeats_is_told_of_them() -> None:
    log = with_times(log_of("aabbcc", "abc"), [1, 1, 2, 2, 3, 3, 1, 2, 3])
    with pytest.raises(
        LogTooSmallError, match=r"of 9 interactions.*, 3 of them exact repeats \(data\.repeats\); exp"
    ):
        filter_log(log, DataConfig(min_user_interactions=3, min_item_interactions=1))


def test_a_filter_that_leaves_nothing_says_what_was_there_and_what_to_lower() -> None:
    with pytest.raises(LogTooSmallError) as caught:
        filter_log(log_of("abcd", "abcd"), DataConfig(min_user_interactions=9, min_item_interactions=2))
    assert "filtering: 0 interactions, 0 users, 0 items of 8 interactions, 2 users, 4 items;" in str(
        caught.value
    )
    assert "lower data.min_user_interactions 9 or data.min_item_interactions 2" in str(caught.value)
    assert [(problem.field, problem.value) for problem in caught.value.problems] == [
        ("data.min_user_interactions", "9"),
        ("data.min_item_interactions", "2"),
    ]


def test_a_filter_that_leaves_nothing_to_learn_from_is_refused() -> None:
    # d, e and f occur once each, so three interactions of each user are left: two are held out, one has no successor
    log = log_of("abcd", "bcae", "cabf")
    with pytest.raises(LogTooSmallError, match=r"filtering: 9 interactions.*one of them with 4"):
        filter_log(log, DataConfig(min_user_interactions=3, min_item_interactions=2))


def test_the_profile() -> None:
    log = log_of("abca", "ab", "cad", "ab")
    frame = log.frame.with_columns(timestamp=pl.int_range(5, 5 + pl.len()))
    assert profile_log(InteractionLog(frame)) == LogProfile(
        users=4,
        items=4,
        interactions=11,
        density=11 / 16,
        shortest_sequence=2,
        median_sequence=2.5,
        longest_sequence=4,
        first_timestamp=5,
        last_timestamp=15,
    )
    assert profile_log(log).first_timestamp is None
    assert profile_log(log_of()).interactions == 0


def test_validation_profiles_what_is_left_after_the_filter(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item\n" + "".join(f"u{n % 4},i{n % 3}\n" for n in range(40)) + "u9,i0\n")
    study = validate_log(path, DataConfig())
    assert study.kept is not None
    assert (study.given.interactions, study.kept.interactions) == (41, 40)


def test_validation_of_a_head_checks_rows_but_not_sizes(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,ts\na,b,1\na,b,x\n")
    study = validate_log(path, DataConfig(), head_bytes=20)
    assert (study.given.interactions, study.kept) == (1, None)
    with pytest.raises(BadRowsError):
        validate_log(path, DataConfig(), head_bytes=26)
    with pytest.raises(UnreadableLogError, match="line 1 is longer than 8 bytes, which are looked at"):
        validate_log(path, DataConfig(), head_bytes=8)


def test_reading_logs_never_loads_torch() -> None:
    code = "import sys, td3core.interactions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
