import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from benchmarks.third_party import __main__ as third_party
from benchmarks.third_party.sources import Source, cut, source_sequences
from td3core import DistillationRun, Summary
from td3core.config import JobSpec
from td3core.data.sample import generate_sample_log
from td3core.data.sequences import Split, build_sequences, leave_last_out
from td3core.interactions import filter_log, read_log

SPEC = JobSpec.model_validate(
    {
        "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 12},
        "teacher": {"members": 1, "max_epochs": 1},
        "summary": {"users": 4, "length": 12},
        "inner": {"steps": 4, "window": 2, "pool_size": 2},
        "outer": {"steps": 2, "validation_learners": 1},
    }
)
# In the place of the third party: it ranks by the item's number, the first of its epochs the wrong way round.
STAND_IN = """#!{python}
import json, sys, pathlib
import numpy as np
folder = pathlib.Path(sys.argv[2])
settings = json.loads((folder / "settings.json").read_text())
for part in ("valid", "test"):
    assert (folder / (part + ".csv")).read_text().startswith("user_id,item_id,timestamp\\n0,")
    for epoch, sign in ((2, -1.0), (4, 1.0)):
        scores = np.tile(np.arange(settings["n_items"], dtype=np.float32), (settings["n_users"], 1))
        np.save(folder / (part + "-" + str(epoch) + ".npy"), sign * scores)
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    generate_sample_log(users=40, items=30, seed=1).write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(log: Path) -> DistillationRun:
    run = DistillationRun(log, SPEC, log_name=log.name, device=torch.device("cpu"))
    for _ in run:
        pass
    return run


@pytest.fixture(scope="module")
def summary(run: DistillationRun) -> Summary:
    return run.summary


@pytest.fixture(scope="module")
def split(log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(log, SPEC.data), SPEC.data)))


def test_pieces_keep_every_transition_once() -> None:
    pieces = cut([np.arange(8), np.arange(3), np.arange(1)], 3)
    assert [piece.tolist() for piece in pieces] == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7], [0, 1, 2], [0]]
    found = [pair for piece in cut([np.arange(50)], 7) for pair in pairwise(piece.tolist())]
    assert found == list(pairwise(range(50)))


@pytest.mark.parametrize("source", ["ancestral", "independent"])
def test_as_many_interactions_are_sampled_as_the_share_says(
    source: Source, summary: Summary, split: Split
) -> None:
    drawn = source_sequences(source, split.train, summary, share=0.2, seed=1)
    interactions = sum(map(len, drawn))
    assert abs(interactions - 0.2 * len(split.train.items)) <= len(drawn[0]) / 2
    assert max(int(row.max()) for row in drawn) < split.train.n_items


def test_the_same_users_are_cut_as_are_whole(summary: Summary, split: Split) -> None:
    whole = source_sequences("users", split.train, summary, share=0.2, seed=1)
    short = source_sequences("users_cut", split.train, summary, share=0.2, seed=1)
    assert len(whole) == round(0.2 * split.train.n_users)
    assert {item for row in whole for item in row.tolist()} == {
        item for row in short for item in row.tolist()
    }
    assert max(map(len, short)) == len(
        source_sequences("ancestral", split.train, summary, share=0.2, seed=1)[0]
    )


def test_the_best_validated_epoch_counts(
    run: DistillationRun, log: Path, split: Split, tmp_path: Path
) -> None:
    archive, out, stand_in = tmp_path / "summary.zip", tmp_path / "out.json", tmp_path / "python"
    run.save(archive)
    stand_in.write_text(STAND_IN.format(python=sys.executable))
    stand_in.chmod(0o755)
    app = Typer()
    app.command()(third_party.main)
    options = ["--seeds", "2", "--epochs", "4", "--check-every", "2", "--source", "users", "--json", str(out)]
    done = CliRunner().invoke(app, [str(log), "--summary", str(archive), "--python", str(stand_in), *options])
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    seen = [set(split.history("test").of(user).tolist()) for user in range(split.train.n_users)]
    n_items = split.train.n_items
    gains = {2: [], 4: []}
    for target, known in zip(split.test.tolist(), seen, strict=True):
        for epoch, order in ((2, range(n_items)), (4, reversed(range(n_items)))):
            rank = 1 + [item for item in order if item == target or item not in known].index(target)
            gains[epoch].append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    for training in report["trainings"]:
        best = max(training["checks"], key=lambda check: check["valid"]["ndcg@10"])
        assert training["best"] == best
        for check in training["checks"]:
            assert check["test"]["ndcg@10"] == pytest.approx(np.mean(gains[check["epoch"]]))
    found = report["results"]["users"]
    assert found["mean"] == report["trainings"][0]["best"]["test"]["ndcg@10"]
    assert found["low"] == found["mean"] == found["high"]


def test_a_missing_environment_is_named(log: Path, tmp_path: Path) -> None:
    app = Typer()
    app.command()(third_party.main)
    done = CliRunner().invoke(app, [str(log), "--python", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "`make third-party` builds it" in " ".join(done.output.split())
