"""Checkpoints of earlier formats, as those of the next.

A layout of a state that changes is a new format: add a function from the one before, the newest last. It is given the
tree as it stands in the file, where `{"$tensor": path}` stands for a tensor, and may change it. The spec in `of` says
its own format, and is upgraded by the run that reads it.
"""

from collections.abc import Callable

from td3core.formats import Document, Format


def _from_2(stored: Document) -> Document:
    """Curve points become objects, Farzi factors carry their temperature, and related fields are grouped.

    A teacher has members, of which there was one, its training may have been restarted, and rivals have targets, which
    were their inputs.

    `code_version` is dropped, because a later version may resume the run.
    """
    stored["of"].pop("code_version")
    stored["of"]["spec_format"] = 1  # the runs read specs of any format
    work = stored["work"] or {}
    if "training" in work:
        member = _training_from_2(work["training"])
        work["training"] = {"members": [], "training": member, "ensemble": None}
    if "distillation" in work:
        work["teacher"] = _trained_from_2(work["teacher"])
        temperature = stored["of"]["spec"]["summary"]["temperature"] or 1.0
        work["distillation"] = _distillation_from_2(work["distillation"], temperature)
    for rival in work.get("rivals", {}).values():
        if rival is not None:
            rival["targets"] = None
    for trial in work.get("trials", ()):
        if trial is not None:
            _name_points(trial)
    stored["work"] = work or None
    return stored


def _training_from_2(old: Document) -> Document:
    _name_points(old)
    if old["best"] is not None:
        old["best"] = _trained_from_2(old["best"])
    apart = ("items", "parameters", "optimizer", "generator", "seconds")
    return {
        "course": {"restarts": 0} | {name: value for name, value in old.items() if name not in apart},
        **{name: old[name] for name in apart},
    }


def _distillation_from_2(old: Document, temperature: float) -> Document:
    best, pool = old["best"], old["pool"]
    if best is not None:
        best["factors"] = _factors_from_2(best["factors"], temperature)
    if pool is not None:
        optimizer = {"moments": pool["moments"], "step": pool["ages"]}
        pool = {
            "members": {"parameters": pool["parameters"], "optimizer": optimizer},
            "left": pool["left"],
        }
    return {
        "course": {
            "step": old["step"],
            "first_loss": old["first"],
            "figures": old["score"],
            "best": best,
            "stopped": old["stopped"],
        },
        "factors": _factors_from_2(old["factors"], temperature),
        "average": _factors_from_2(old["average"], temperature),
        "log_lr": old["log_lr"],
        "optimizer": old["optimizer"],
        "pool": pool,
        "generator": old["generator"],
        "real": old["real"],
    }


def _factors_from_2(old: Document, temperature: float) -> Document:
    return old | ({"temperature": temperature} if "decoder" in old else {})


def _trained_from_2(old: Document) -> Document:
    _name_points(old)
    return {**old, "warnings": []}


def _name_points(curved: Document) -> None:
    curved["curve"] = [{"seconds": seconds, "score": score} for seconds, score in curved["curve"]]


def _from_3(stored: Document) -> Document:
    """Trainings of an evaluation keep the rank of every user: those that did not are done again.

    An evaluation has trainings on labelled users, of which there were none.
    """
    work = stored["work"] or {}
    if "trials" in work:
        work["trials"] = []
        work["labelled"] = []
    return stored


_UPGRADES: tuple[Callable[[Document], Document], ...] = (_from_2, _from_3)
CHECKPOINT = Format("checkpoint", _UPGRADES, oldest=2)
