"""The page on the artefact: the members of the archive and the fields of its manifest."""

from typing import get_args

from guide.reference.markdown import code, table
from guide.reference.schema import model_tables
from td3core.config import SummaryConfig, SummaryKind
from td3core.factors import factor_shapes
from td3core.summary.manifest import Manifest, usage

USERS, LENGTH, ITEMS, EMBEDDING, RANK_USERS, RANK_TIME, RANK = 61, 53, 997, 31, 23, 19, 17
"""Sizes of an example, all different, by which the shapes of the tensors are told apart."""


def artefact_page() -> str:
    """Members, tensors by kind of summary, and the manifest."""
    kinds = "\n".join(_kind(kind) for kind in get_args(SummaryKind))
    members = table(
        ("member", "what"),
        (
            ("`factors.safetensors`", "the tensors of the summary, in the safetensors format"),
            (
                "`teacher.safetensors`",
                "the weights of the teacher, a learner of `spec.learner` that reads and predicts rows of `items`; "
                "archives of format 1 do not have it",
            ),
            (
                "`items.parquet`",
                "the column `item_id`: ids as in the log, in the order of the rows of the tensors; in archives of "
                "format 1 there is a column `row`, which numbers them",
            ),
            ("`manifest.json`", "what was distilled, how, and how well; the fields are below"),
        ),
    )
    return f"""# Artefact

The result of a job is one zip archive without pickled objects. `td3core.load_summary` checks its hashes, shapes,
numbers and format ([Train a recommender](../how-to/train.md)), in memory that the size of the file bounds, whoever made
it; the archive can also be read with any reader of the three formats.

## Members

{members}
There are no others, and no two of one name. None is encrypted or packed otherwise than by deflate.

## Tensors

Sizes: `users` and `length` are those of `spec.summary`, `items` is the number of items after the filters, `d3` is
`spec.learner.embedding_size`, and `d1`, `d2` and `d` are ranks ([Glossary](../glossary.md)).

`spec.summary.precision` says how tensors are stored. `float32`: as they are. `float16`: as 16-bit floats. `int8`: as
8-bit integers, with a tensor of 16-bit floats beside each, of the same name and `.row_scale`, which has one number for
each row along the last axis; the product of both is the tensor. Vectors among the teacher's weights, and tensors with
numbers too large for a 16-bit float, stay floats. `load_summary` returns 32-bit floats. The figures of the manifest are
those of the summary as it is stored.

{kinds}
## Manifest

Readers ignore fields that they do not know. The format is versioned; [Compatibility](../compatibility.md) says what
may change.

{model_tables(Manifest, skip=("JobSpec",))}
The fields of `spec` are those of the [spec](spec.md#job).
"""


def _kind(kind: SummaryKind) -> str:
    """The tensors of one kind of summary."""
    names = {USERS: "users", LENGTH: "length", ITEMS: "items", EMBEDDING: "d3"}
    if kind == "tucker":
        config = SummaryConfig(users=USERS, length=LENGTH, rank_users=RANK_USERS, rank_time=RANK_TIME)
        names |= {RANK_USERS: "d1", RANK_TIME: "d2"}
    else:
        config = SummaryConfig(kind=kind, users=USERS, length=LENGTH, rank=RANK)
        names |= {RANK: "d"}
    shapes = factor_shapes(config, n_items=ITEMS, embedding_size=EMBEDDING) | {"items": (ITEMS, EMBEDDING)}
    rows = [(code(name), " x ".join(names[size] for size in shape)) for name, shape in shapes.items()]
    return f"""### Kind `{kind}`

{usage(kind)}

{table(("tensor", "shape"), rows)}"""
