"""Presets: values for many fields of a job spec at once. Fields that the spec gives come before those of its preset."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel

Preset = Literal["paper"]

PRESETS: dict[Preset, dict[str, dict[str, Any]]] = {
    # Zhang et al., "TD3", WWW 2025, arXiv 2502.02854, and the authors' code: their settings for MovieLens-100k.
    "paper": {
        "teacher": {"members": 1, "warm_up": 0.0, "scale_lr": False},
        "summary": {
            "users": 30,
            "length": 50,
            "rank_users": 8,
            "rank_time": 8,
            "start": "noise",
            "precision": "float32",
        },
        "inner": {
            "steps": 200,
            "window": 40,
            "lr": 5e-3,
            "weight_decay": 5e-5,
            "schedule": "constant",
            "batch_users": 15,
            "supervision": "paper",
            "targets": "summary",
            "warm_up": "rat",
        },
        "outer": {
            "steps": 750,  # 30 epochs of 25 batches
            "lr": 3e-2,
            "weight_decay": 1e-4,
            "clip": 1.0,
            "batch_size": 4096,
            "candidates": None,
            "averaging": 0.0,
            "alignment": 1.0,
            "alignment_at": "last",
        },
    }
}


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with the fields of its preset filled in; one without a known preset stays as it is."""
    preset = given.get("preset")
    if not isinstance(preset, str) or preset not in PRESETS:
        return dict(given)
    filled = dict(given)
    for part, fields in PRESETS[preset].items():
        own = given.get(part, {})
        if isinstance(own, BaseModel):
            own = own.model_dump(exclude_unset=True)
        if isinstance(own, Mapping):  # anything else is for validation to refuse
            filled[part] = {**fields, **cast(Mapping[str, Any], own)}
    return filled
