import torch

from td3core.learners import MaskedItem, NextItem


def test_next_item_asks_for_everything_unless_told_otherwise(generator: torch.Generator) -> None:
    lengths = torch.full((3,), 9)
    assert NextItem().draw(lengths, length=9, generator=generator) is None
    assert NextItem().draw(lengths, length=9, most=8, generator=generator) is None
    drawn = torch.stack(
        [
            positions
            for _ in range(50)
            if (positions := NextItem().draw(lengths, length=9, most=3, generator=generator)) is not None
        ]
    )
    assert drawn.shape == (50, 3, 3)
    assert set(drawn.flatten().tolist()) == set(range(1, 9))
    assert all(len(set(row.tolist())) == 3 for row in drawn.flatten(0, 1))


def test_masked_item_hides_a_fifth_and_always_the_last(generator: torch.Generator) -> None:
    lengths = torch.tensor([20, 10, 2, 13, 1])
    seen: set[int] = set()
    for _ in range(200):
        drawn = MaskedItem().draw(lengths, length=20, generator=generator)
        assert drawn.shape == (5, 4)
        for row, (length, count) in enumerate([(20, 4), (10, 2), (2, 1), (13, 3), (1, 0)]):
            positions = drawn[row].tolist()
            inside = [position for position in positions if position < length]
            assert len(set(inside)) == len(inside) == count
            assert count == 0 or length - 1 in inside
            assert all(1 <= position < 20 for position in positions)
        seen |= set(drawn[0].tolist())
    assert seen == set(range(1, 20))


def test_masked_item_asks_for_no_more_than_it_may(generator: torch.Generator) -> None:
    lengths = torch.full((2, 3), 50)
    assert MaskedItem().draw(lengths, length=50, generator=generator).shape == (2, 3, 10)
    drawn = MaskedItem().draw(lengths, length=50, most=4, generator=generator)
    assert drawn.shape == (2, 3, 4)
    assert (drawn == 49).any(-1).all()


def test_draws_follow_their_generator() -> None:
    lengths = torch.full((4,), 30)
    for objective in (NextItem(), MaskedItem()):
        first, again, other = (
            objective.draw(lengths, length=30, most=5, generator=torch.Generator().manual_seed(seed))
            for seed in (1, 1, 2)
        )
        assert first is not None
        assert again is not None
        assert other is not None
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
