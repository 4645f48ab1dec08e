"""How large the archive of a summary will be, by the spec that makes it."""

from td3core.config.job import JobSpec

_NUMBER = {"float32": 4.0, "float16": 2.0, "int8": 1.0}  # bytes
_SCALE = 2  # bytes of a row's scale, as `int8`
_ID = 8  # bytes of an item's id, packed
_MANIFEST = 8 << 10  # bytes, with the headers of the tensors


def summary_bytes(spec: JobSpec, *, items: int) -> int:
    """Estimate the size of the archive of a summary of a log with so many items.

    The teacher counts as a transformer, whatever it is.
    """
    summary, learner = spec.summary, spec.learner
    width, inner = learner.embedding_size, learner.inner_size
    match summary.kind:
        case "tucker":
            rows = summary.d1 * summary.d2, summary.users, summary.length
            widths = width, summary.d1, summary.d2
        case "farzi":
            rows = summary.users * summary.length, items
            widths = summary.d, summary.d
    teacher = learner.layers * (4 * width + 2 * inner), learner.max_length
    rows = (*rows, items, *teacher)
    widths = (*widths, width, width, width)
    numbers = sum(count * each for count, each in zip(rows, widths, strict=True))
    scales = _SCALE * sum(rows) if summary.precision == "int8" else 0
    return round(numbers * _NUMBER[summary.precision]) + scales + _ID * items + _MANIFEST
