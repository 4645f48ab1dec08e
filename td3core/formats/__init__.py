"""Reading documents that earlier versions stored.

Every kind of stored document has a format number and a list of functions that upgrade each format to the next. A
document is shown as it was stored. Before it is used, it is upgraded and then validated.
"""

from td3core.formats.format import Document, Format
from td3core.formats.formats import EVALUATION_RESULT, EVALUATION_SPEC, JOB_SPEC, MANIFEST
from td3core.formats.specs import first_fault, read_evaluation_spec, read_job_spec

__all__ = [
    "EVALUATION_RESULT",
    "EVALUATION_SPEC",
    "JOB_SPEC",
    "MANIFEST",
    "Document",
    "Format",
    "first_fault",
    "read_evaluation_spec",
    "read_job_spec",
]
