"""Every kind of stored document but checkpoints, whose format is in `td3core.checkpoint.upgrades`."""

from td3core.formats import evaluation_result, evaluation_spec, job_spec, manifest
from td3core.formats.format import Format

JOB_SPEC = Format("job spec", (job_spec.upgrade_1_to_2,))
EVALUATION_SPEC = Format("evaluation spec", (evaluation_spec.upgrade_1_to_2,))
EVALUATION_RESULT = Format(
    "evaluation result", (evaluation_result.upgrade_1_to_2, evaluation_result.upgrade_2_to_3)
)
MANIFEST = Format("manifest", (manifest.upgrade_1_to_2,))
