import torch

from td3core.learners import MaskedItem, NextItem


def test_next_item_asks_for_everything_unless_told_otherwise(generator: torch.Generator) -> None:
    assert NextItem().draw((3,), length=9, generator=generator) == (None, None)
    assert NextItem().draw((3,), length=9, most=8, generator=generator) == (None, None)
    lengths, seen = torch.tensor([9, 4, 2]), set[int]()
    for _ in range(50):
        drawn = NextItem().draw((3,), length=9, lengths=lengths, most=3, generator=generator)
        assert drawn.lengths is lengths
        assert drawn.positions is not None
        assert drawn.positions.shape == (3, 3)
        assert all(len(set(row.tolist())) == 3 for row in drawn.positions)
        seen |= set(drawn.positions.flatten().tolist())
    assert seen == set(range(1, 9))


def test_masked_item_hides_a_fifth_and_always_the_last(generator: torch.Generator) -> None:
    lengths = torch.tensor([20, 10, 2, 13, 1])
    seen, whole, cropped = set[int](), 0, set[int]()
    for _ in range(300):
        drawn = MaskedItem().draw((5,), length=20, lengths=lengths, generator=generator)
        assert drawn.positions is not None
        assert drawn.lengths is not None
        for supervised, length, most in zip(
            drawn.positions, drawn.lengths.tolist(), lengths.tolist(), strict=True
        ):
            assert min(2, most) <= length <= most
            positions = supervised.tolist()
            inside = [position for position in positions if position < length]
            assert len(set(inside)) == len(inside) == (max(1, round(length / 5)) if length > 1 else 0)
            assert length == 1 or length - 1 in inside
            assert all(1 <= position < 20 for position in positions)
        seen |= set(drawn.positions[0].tolist())
        whole += int(drawn.lengths[0] == 20)
        cropped.add(int(drawn.lengths[0]))
    assert seen == set(range(1, 20))
    assert cropped == set(range(2, 21))
    assert 120 < whole < 200  # of 300: half, and the crops that leave all


def test_masked_item_asks_for_no_more_than_it_may(generator: torch.Generator) -> None:
    shapes = {
        most: positions.shape
        for most in (None, 4)
        if (positions := MaskedItem().draw((2, 9), length=50, most=most, generator=generator).positions)
        is not None
    }
    assert shapes == {None: (2, 9, 10), 4: (2, 9, 4)}


def test_draws_follow_their_generator() -> None:
    for objective in (NextItem(), MaskedItem()):
        first, again, other = (
            objective.draw((4,), length=30, most=5, generator=torch.Generator().manual_seed(seed)).positions
            for seed in (1, 1, 2)
        )
        assert first is not None
        assert again is not None
        assert other is not None
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
