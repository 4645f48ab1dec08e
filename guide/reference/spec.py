"""The page on specs: every field of a job's and an evaluation's spec."""

from guide.reference.schema import model_tables
from td3core.config import EvaluationSpec, JobSpec, SamplingConfig, StudentConfig


def spec_page() -> str:
    """Fields of all specs with type, default, bounds and meaning."""
    return f"""# Spec

A spec is a JSON object. Every field has a default, so a spec names only the fields that differ:
`{{"summary": {{"users": 30}}}}`.

An unknown field, a wrong type or a value out of bounds is refused with a [problem](problems.md) that names the field.
[Choose a spec](../how-to/choose-a-spec.md) says which fields to change first.

## Job

The part `spec` of `POST /v1/jobs`; `JobSpec` in Python.

{model_tables(JobSpec)}
## Evaluation

The body of `POST /v1/jobs/{{job_id}}/evaluations`; `EvaluationSpec` in Python.

{model_tables(EvaluationSpec)}
## Sampling

How `summary.sample` and `python -m td3core.export` draw sequences; `SamplingConfig` in Python.

{model_tables(SamplingConfig)}
## Students

How `summary.train` trains learners of another kind than the distillation's; `StudentConfig` in Python.

{model_tables(StudentConfig)}"""
