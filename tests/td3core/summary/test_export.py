"""Exported files: read back by our own reader, whole or not there, and refused by name."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from td3core import Summary, load_summary
from td3core.config import DataConfig, SamplingConfig
from td3core.data.sequences import build_sequences
from td3core.errors import ExportError
from td3core.interactions import read_log
from td3core.summary.export import main, sequences_amounting_to, sequences_table, write_sequences

SUFFIXES = (".parquet", ".csv", ".inter")
IDS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="\ufeff"),
    min_size=1,
    max_size=8,
).filter(lambda text: text == text.strip() and text[0] != "[")  # which ids of logs are


@pytest.fixture(scope="module")
def summary(archive: Path) -> Summary:
    return load_summary(archive)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(sequences=st.lists(st.lists(IDS, min_size=1, max_size=5), min_size=1, max_size=4))
@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)
def test_files_are_read_back_as_they_were_written(
    suffix: str, sequences: list[list[str]], tmp_path: Path
) -> None:
    path = tmp_path / f"out{suffix}"
    write_sequences(sequences, path, overwrite=True)
    read = build_sequences(read_log(path, DataConfig(null_ids="keep")))
    assert read.user_ids.to_list() == [f"s{number + 1}" for number in range(len(sequences))]
    assert [
        [read.item_ids[row] for row in read.of(user).tolist()] for user in range(read.n_users)
    ] == sequences


def test_columns_are_what_other_libraries_expect(tmp_path: Path) -> None:
    sequences = [["a", "b"], ["b"]]
    for suffix in SUFFIXES:
        write_sequences(sequences, tmp_path / f"out{suffix}")
    assert (tmp_path / "out.csv").read_text() == "user_id,item_id,timestamp\ns1,a,0\ns1,b,1\ns2,b,0\n"
    assert (tmp_path / "out.inter").read_text() == (
        "user_id:token\titem_id:token\ttimestamp:float\ns1\ta\t0\ns1\tb\t1\ns2\tb\t0\n"
    )
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table.equals(sequences_table(sequences))
    assert table.schema == {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.inter", "out.parquet"]


def test_what_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    for path, said in (
        (tmp_path / "out.xlsx", r"unknown suffix '.xlsx'; expected .parquet, .csv or .inter"),
        (tmp_path / "none" / "out.csv", "none is not a directory"),
        (there, "there.csv exists already"),
    ):
        with pytest.raises(ExportError, match=said):
            write_sequences([["a"]], path)
    with pytest.raises(ExportError, match=r"item id 'a\\tb' has a tab"):
        write_sequences([["a\tb"]], tmp_path / "out.inter")
    assert there.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    write_sequences([["a"]], there, overwrite=True)
    assert there.read_text().endswith("s1,a,0\n")


def test_the_command_writes_the_same_bytes_for_the_same_seed(archive: Path, tmp_path: Path) -> None:
    def exported(name: str, *arguments: str) -> bytes:
        main([str(archive), str(tmp_path / name), "--learners", "1", *arguments])
        return (tmp_path / name).read_bytes()

    for suffix in SUFFIXES:
        first = exported(f"a{suffix}", "--sequences", "3", "--seed", "4")
        assert exported(f"b{suffix}", "--sequences", "3", "--seed", "4") == first
        assert exported(f"a{suffix}", "--sequences", "3", "--seed", "5", "--force") != first
    few = exported("c.csv", "--sequences", "2", "--length", "3", "--method", "independent")
    assert few.count(b"\n") == 1 + 2 * 3


def test_left_out_the_number_amounts_to_a_fifth_of_the_log(
    summary: Summary, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    main([str(archive), str(out), "--learners", "1"])
    length = summary.sampled_length(SamplingConfig())
    rows = pl.read_csv(out).height
    assert abs(rows - summary.manifest.dataset.kept.interactions / 5) <= length / 2
    assert sequences_amounting_to(0.1, 50) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{archive}", "{folder}/out.txt"], "expected .parquet, .csv or .inter"),
        (["{folder}/none.zip", "{folder}/out.csv"], "none.zip cannot be read"),
        (["{archive}", "{folder}/out.csv", "--sequences", "0"], "n is 0; expected at least 1"),
        (
            ["{archive}", "{folder}/out.csv", "--temperature", "0"],
            "temperature: expected at least 0.001",
        ),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], said: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([argument.format(archive=archive, folder=tmp_path) for argument in arguments])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_help_names_formats_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        ".parquet, .csv or .inter (RecBole)",
        "20% of the distilled interactions",
        "--first-temperature",
        "--force",
    ):
        assert part in text
