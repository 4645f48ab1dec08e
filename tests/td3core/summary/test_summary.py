from dataclasses import replace
from pathlib import Path

import pytest
import torch

from td3core import Summary, load_summary
from td3core.config import LearnerConfig, LearnerKind, SamplingConfig, SamplingMethod


@pytest.fixture(scope="module")
def summary(archive: Path) -> Summary:
    return load_summary(archive)


@pytest.mark.parametrize("method", ["ancestral", "independent"])
def test_samples_are_sequences_of_the_clients_ids(summary: Summary, method: SamplingMethod) -> None:
    sampling = SamplingConfig(method=method, learners=2)
    drawn = summary.sample(8, seed=1, sampling=sampling)
    assert len(drawn) == 8
    for sequence in drawn:
        assert len(sequence) == summary.sampled_length(sampling)
        assert len(set(sequence)) == len(sequence)
        assert set(sequence) <= set(summary.item_ids)
    assert summary.sample(8, seed=1, sampling=sampling) == drawn
    assert summary.sample(8, seed=2, sampling=sampling) != drawn


def test_independent_samples_follow_the_distributions(summary: Summary) -> None:
    sampling = SamplingConfig(method="independent", distinct=False)
    drawn = summary.sample(6 * 400, sampling=sampling)
    soft = summary.soft_sequences()
    row_of = {item: row for row, item in enumerate(summary.item_ids)}
    counts = torch.zeros(6, len(row_of))
    for index, sequence in enumerate(drawn):
        counts[index % 6, row_of[sequence[3]]] += 1
    assert (counts / 400 - soft[:, 3]).abs().max() < 0.1


def test_ancestral_samples_follow_a_learner_from_first_items_of_the_summary(summary: Summary) -> None:
    sampling = SamplingConfig(length=2, temperature=0.5, first_temperature=2.0, learners=1, distinct=False)
    drawn = summary.sample(6 * 2000, seed=3, sampling=sampling)
    row_of = {item: row for row, item in enumerate(summary.item_ids)}
    pairs = torch.tensor([[row_of[item] for item in sequence] for sequence in drawn])
    first = (summary.soft_sequences()[0, 0].log() / 2.0).softmax(-1)
    counts = torch.bincount(pairs[::6, 0], minlength=len(row_of))
    assert (counts / 2000 - first).abs().max() < 0.05
    commonest = int(pairs[:, 0].bincount().argmax())
    followers = pairs[pairs[:, 0] == commonest, 1]
    scores = dict(
        summary.train(seed=3).recommend([summary.item_ids[commonest]], k=10_000, exclude_seen=False)
    )
    expected = (torch.tensor([scores[item] for item in summary.item_ids]) / 0.5).softmax(-1)
    found = followers.bincount(minlength=len(row_of)) / len(followers)
    assert (found - expected).abs().max() < 4 * (0.25 / len(followers)) ** 0.5


def test_sequences_longer_than_the_summary_can_be_drawn(summary: Summary) -> None:
    drawn = summary.sample(2, sampling=SamplingConfig(length=20, learners=1))
    assert [len(set(sequence)) for sequence in drawn] == [20, 20]


def test_training_beats_an_untrained_learner_at_the_summary_itself(summary: Summary) -> None:
    """With the targets of the paper, which are the summary itself."""
    spec = summary.manifest.spec
    inner = spec.inner.model_copy(update={"targets": "summary"})
    manifest = summary.manifest.model_copy(update={"spec": spec.model_copy(update={"inner": inner})})
    summary = replace(summary, manifest=manifest)

    def loss(steps: int) -> float:
        trained = summary.train(steps=steps, seed=1)
        outputs = trained.learner(trained.parameters, summary.expected_embeddings()[None])[0]
        log_predicted = (outputs @ summary.items.T).log_softmax(-1)
        return -float((summary.soft_sequences()[:, 1:] * log_predicted).sum(-1).mean())

    assert loss(60) < loss(0) - 0.01


def test_training_comes_closer_to_what_the_teacher_predicts_at_the_summary(summary: Summary) -> None:
    assert summary.manifest.spec.inner.targets == "teacher"
    assert summary.labeller is not None
    inputs = summary.expected_embeddings()
    labels = (summary.labeller.outputs(inputs) @ summary.items.T).softmax(-1)

    def loss(steps: int) -> float:
        trained = summary.train(steps=steps, seed=1)
        outputs = trained.learner(trained.parameters, inputs[None])[0]
        return -float((labels * (outputs @ summary.items.T).log_softmax(-1)).sum(-1).mean())

    assert loss(60) < loss(0) - 0.01


def test_recommendations_are_ranked_known_and_unseen(summary: Summary) -> None:
    recommender = summary.train(steps=10)
    history = list(summary.item_ids[:4])
    found = recommender.recommend([*history, "never heard of"], k=5)
    scores = [score for _, score in found]
    assert len(found) == 5
    assert scores == sorted(scores, reverse=True)
    assert not {item for item, _ in found} & set(history)
    everything = recommender.recommend(history, k=10_000, exclude_seen=False)
    assert {item for item, _ in everything} == set(summary.item_ids)
    assert len(recommender.recommend(history, k=10_000)) == len(summary.item_ids) - 4


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "narm", "bert4rec"])
def test_recommends_by_the_whole_history_to_its_last_item(summary: Summary, kind: LearnerKind) -> None:
    config = LearnerConfig(kind=kind, embedding_size=16, inner_size=16, max_length=20)
    recommender = summary.train(steps=10, learner=config)
    history = list(summary.item_ids[:6])
    scores, other_last, other_first = (
        dict(recommender.recommend(known, k=100, exclude_seen=False))
        for known in (history, [*history[:-1], summary.item_ids[9]], [summary.item_ids[9], *history[1:]])
    )
    assert scores != other_last
    assert scores != other_first
    learner, long = recommender.learner, list(summary.item_ids[:30])
    read = long[-learner.max_length :]
    assert recommender.recommend(long, exclude_seen=False) == recommender.recommend(read, exclude_seen=False)
    sequence = torch.cat((recommender.items[:6], torch.zeros(1, 16)))
    output = learner(recommender.parameters, sequence[None, None], torch.tensor([[[6]]]))[0, 0, 0]
    by_hand = dict(zip(summary.item_ids, (recommender.items @ output).tolist(), strict=True))
    assert scores == pytest.approx(by_hand, abs=1e-5)


def test_a_learner_of_another_width_trains_an_embedding_of_its_own(summary: Summary) -> None:
    recommender = summary.train(steps=2, learner=LearnerConfig(embedding_size=8))
    assert recommender.items.shape == (len(summary.item_ids), 8)
    shared = summary.train(steps=2, learner=LearnerConfig(embedding_size=16))
    assert torch.equal(shared.items, summary.items)


def test_what_does_not_fit_is_refused_by_name(summary: Summary) -> None:
    with pytest.raises(ValueError, match="max_length of the learner is 5; expected at least 12"):
        summary.train(learner=LearnerConfig(embedding_size=16, max_length=5))
    with pytest.raises(ValueError, match="n is 0; expected at least 1"):
        summary.sample(0)
    with pytest.raises(ValueError, match="length is 2000; expected at most"):
        summary.sample(1, sampling=SamplingConfig(length=2000))
    with pytest.raises(ValueError, match="expected at most 12, the steps of the summary"):
        summary.sample(1, sampling=SamplingConfig(method="independent", length=13))
    with pytest.raises(ValueError, match="none of the 1 items"):
        summary.train(steps=1).recommend(["never heard of"])


def test_says_what_it_is_in_a_line(summary: Summary) -> None:
    items = len(summary.item_ids)
    assert repr(summary) == f"Summary(users=6, length=12, items={items}, log='tiny.csv')"


def test_moves_to_another_precision(summary: Summary) -> None:
    double = summary.to("cpu", torch.float64)
    assert double.expected_embeddings().dtype == torch.float64
    assert summary.items.dtype == torch.float32
