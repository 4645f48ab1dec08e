"""The formats of manifests, which hold the spec of their job.

1. As of 0.1.0; the spec has format 1.
2. The archive may have a member `teacher.safetensors`. Tensors may be 16-bit floats or 8-bit integers, and members
   compressed; `items.parquet` has no column `row`. The spec has format 2.
"""

from td3core.formats import job_spec
from td3core.formats.format import Document


def upgrade_1_to_2(stored: Document) -> Document:
    """Upgrade the spec; there is no teacher."""
    if isinstance(stored.get("spec"), dict):  # whatever else it is, validation names it
        stored["spec"] = job_spec.upgrade_1_to_2(stored["spec"])
    return stored
