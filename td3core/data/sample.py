"""Generator of a synthetic interaction log with realistic structure: `python -m td3core.data.sample OUT.csv.gz`.

`examples/sample.csv.gz` is its output and describes no real users.
With `w` the items' popularity, `k(j)` the genre of item j, and `pi_u(t)` user u's taste, a distribution over
the genres:

- popularity skew: `w_j` proportional to `rank(j) ** -0.7`, Zipf's law over a random order of the items;
- drifting tastes: `pi_u(t) = softmax(theta_u(t))`, where every entry of `theta_u` follows the stationary
  autoregression `theta(t + 1) = rho theta(t) + sqrt(1 - rho^2) sigma e(t)`, `e ~ N(0, 1)`,
  `theta(0) ~ N(0, sigma^2)`, with rho = 0.97 and sigma = 1.5;
- item-to-item transitions: each item i has three successors, two of its own genre and one of any, drawn by
  popularity; `F_ij` is 0.5, 0.3 and 0.2 for them and 0 elsewhere;
- the next item of user u after item i is j with probability

      a F_ij + b pi_u(t)[k(j)] w_j / sum(w_l : k(l) = k(j)) + (1 - a - b) w_j,    a = 0.35, b = 0.5

  and the first one is drawn from the other two terms alone;
- a user has `12 + floor(Exp(31))` interactions, at most 150, which begin at a uniform moment of 2024 and
  come in sessions: a gap is log-normal, around three minutes or, one time in five, around two days.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_GENRES = 10
_ZIPF = 0.7
_SUCCESSORS = np.array([0.5, 0.3, 0.2])
_FOLLOW, _TASTE = 0.35, 0.5
_RHO, _SIGMA = 0.97, 1.5
_SHORTEST, _MEAN_EXTRA, _LONGEST = 12, 31.0, 150
_YEAR_START, _YEAR_SECONDS = 1_704_067_200, 366 * 86_400  # 2024, UTC
_IN_SESSION, _AWAY, _LEAVES = 180.0, 2 * 86_400.0, 0.2


def generate_sample_log(*, users: int = 800, items: int = 400, seed: int = 0) -> pl.DataFrame:
    """Draw a log with the columns user_id, item_id and timestamp (Unix seconds), in time order.

    Raises:
        ValueError: There are fewer items than genres.
    """
    if items < _GENRES:
        raise ValueError(f"items is {items}; expected at least {_GENRES}, one for each genre")
    rng = np.random.default_rng(seed)
    lengths = np.minimum(_SHORTEST + rng.exponential(_MEAN_EXTRA, users).astype(np.int64), _LONGEST)
    drawn = _draw_items(rng, users, items, int(lengths.max()))  # (users, steps)
    moments = _draw_moments(rng, drawn.shape)  # (users, steps)
    user = np.repeat(np.arange(users), lengths)
    step = np.arange(len(user)) - np.repeat(lengths.cumsum() - lengths, lengths)
    width = max(4, len(str(max(users, items))))
    log = pl.DataFrame(
        {"user": user + 1, "item": drawn[user, step] + 1, "timestamp": moments[user, step], "step": step}
    )
    return log.sort("timestamp", "user", "step").select(
        user_id="u" + pl.col("user").cast(pl.String).str.zfill(width),
        item_id="i" + pl.col("item").cast(pl.String).str.zfill(width),
        timestamp="timestamp",
    )


def _draw_items(rng: np.random.Generator, users: int, items: int, steps: int) -> IntArray:
    """Simulate all users, step by step."""
    weight = (1.0 + rng.permutation(items)) ** -_ZIPF
    weight /= weight.sum()
    genre = rng.permutation(np.arange(items) % _GENRES)
    in_genre = (genre == np.arange(_GENRES)[:, None]) * weight  # (genres, items)
    in_genre /= in_genre.sum(axis=1, keepdims=True)
    follow = _transitions(rng, weight, in_genre[genre])  # (items, items)

    theta = _SIGMA * rng.standard_normal((users, _GENRES))
    drawn = np.empty((users, steps), dtype=np.int64)
    for step in range(steps):
        taste = np.exp(theta)
        taste /= taste.sum(axis=1, keepdims=True)
        by_taste = taste @ in_genre  # (users, items)
        if step == 0:
            chance = (_TASTE * by_taste + (1 - _FOLLOW - _TASTE) * weight) / (1 - _FOLLOW)
        else:
            chance = (
                _FOLLOW * follow[drawn[:, step - 1]] + _TASTE * by_taste + (1 - _FOLLOW - _TASTE) * weight
            )
        drawn[:, step] = _choose(rng, chance)
        theta = _RHO * theta + np.sqrt(1 - _RHO**2) * _SIGMA * rng.standard_normal(theta.shape)
    return drawn


def _transitions(rng: np.random.Generator, weight: FloatArray, same_genre: FloatArray) -> FloatArray:
    """`F`: row i holds the probabilities of the successors of item i."""
    items = len(weight)
    anywhere = np.broadcast_to(weight, (items, items))
    follow = np.zeros((items, items))
    for probability, chance in zip(_SUCCESSORS, (same_genre, same_genre, anywhere), strict=True):
        np.add.at(follow, (np.arange(items), _choose(rng, chance)), probability)
    return follow


def _choose(rng: np.random.Generator, chance: FloatArray) -> IntArray:
    """One column a row, with the row's probabilities, by inversion."""
    cumulative = chance.cumsum(axis=1)
    threshold = rng.random((len(chance), 1)) * cumulative[:, -1:]
    return (cumulative <= threshold).sum(axis=1)


def _draw_moments(rng: np.random.Generator, shape: tuple[int, int]) -> IntArray:
    """Unix seconds that grow along each row."""
    start = _YEAR_START + rng.random((shape[0], 1)) * _YEAR_SECONDS
    median = np.where(rng.random(shape) < _LEAVES, _AWAY, _IN_SESSION)
    gaps = np.ceil(median * np.exp(rng.standard_normal(shape)))
    gaps[:, 0] = 0.0
    return (start + gaps.cumsum(axis=1)).astype(np.int64)


def write_sample_log(path: Path, log: pl.DataFrame) -> None:
    """Write CSV, compressed if the name ends in `.gz`. The same log always gives the same bytes."""
    text = log.write_csv().encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def main() -> None:
    """Write a sample log to a file."""
    parser = argparse.ArgumentParser(
        prog="python -m td3core.data.sample", description="Write a synthetic interaction log."
    )
    parser.add_argument("out", type=Path, help="output file, .csv or .csv.gz")
    parser.add_argument("--users", type=int, default=800, help="number of users (default: 800)")
    parser.add_argument("--items", type=int, default=400, help="number of items (default: 400)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    options = parser.parse_args()
    write_sample_log(
        options.out, generate_sample_log(users=options.users, items=options.items, seed=options.seed)
    )


if __name__ == "__main__":
    main()
