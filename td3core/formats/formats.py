"""Every kind of stored document."""

from td3core.formats.format import Format

JOB_SPEC = Format("job spec")
EVALUATION_SPEC = Format("evaluation spec")
EVALUATION_RESULT = Format("evaluation result")
MANIFEST = Format("manifest")
