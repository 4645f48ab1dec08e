"""How many sequences a labelled rival has, and how long learners are trained on them."""

from pathlib import Path

import pytest

from td3core.config import SOURCE_BY_NAME
from td3core.data import Sequences, build_sequences, leave_last_out
from td3core.evaluation.sequences import SourceSequences
from td3core.interactions import filter_log, read_log
from td3core.runs.distillation import DistillationRun

STEPS = 11
RANDOM = SOURCE_BY_NAME["random_labelled"]


@pytest.fixture
def train(finished_run: DistillationRun, tiny_log: Path) -> Sequences:
    data = finished_run.spec.data
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, data), data))).train


@pytest.fixture
def made(finished_run: DistillationRun, train: Sequences) -> SourceSequences:
    """Of a summary of 6 users, of which 3 are read in a step."""
    return SourceSequences(finished_run.summary, train, steps=STEPS, spare_bytes=2000)


def test_a_training_is_as_long_as_on_the_summary_or_reads_each_sequence_once(made: SourceSequences) -> None:
    long = SOURCE_BY_NAME["random_labelled_long"]
    assert made.inner(RANDOM)[1] == STEPS
    assert [made.inner(RANDOM, count)[1] for count in (6, 33, 34, 60)] == [STEPS, STEPS, 12, 20]
    assert [made.inner(long, count)[1] for count in (60, 601)] == [200, 201]
    assert made.inner(long, 60)[0].lr == long.lr
    assert [made.student(count).steps for count in (None, 6, 900, 901)] == [300, 300, 300, 301]
    assert {made.student(count).batch_users for count in (None, 1, 6, 901)} == {3}


def test_a_rival_has_as_many_real_users_as_it_is_given(made: SourceSequences, train: Sequences) -> None:
    assert len(made.embedded(RANDOM, seed=0).embeddings) == 6
    for count in (1, 6, 40, train.n_users):
        found = made.embedded(RANDOM, 0, count)
        assert len(found.embeddings) == len(made.items_of(RANDOM, 0, most=1, sequences=count).items) == count
        assert found.targets is not None
        assert len(found.targets) == count
    with pytest.raises(ValueError, match="no embedded sequences of full"):
        made.embedded(SOURCE_BY_NAME["full"], seed=0)
