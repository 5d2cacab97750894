"""The trainers that a project may name: those that come with Plimsoll, and those that installed packages add."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from core.kernel.errors import Problem
from core.project.document import Document
from core.project.explain import nearest
from core.project.schema import primaries_of

GROUP = "plimsoll.trainers"
BUILT_IN = ("linear", "logistic", "boosting", "mlp", "sklearn", "script", "lightgbm", "xgboost")
WITH_CODE = ("sklearn", "script")  # trained by a function of the project's own


def plug_ins() -> dict[str, EntryPoint]:
    """Trainers of other packages by name; one named like a built-in trainer is passed over."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def trainer_names(doc: Document) -> Iterator[Problem]:
    """Every candidate names a trainer that is here, with a function if it trains by one, and only then."""
    for name in doc.mapping("training", "candidates"):
        path = ("training", "candidates", name)
        trainer = doc.text(*path, "trainer")
        if trainer and trainer not in BUILT_IN and trainer not in (others := plug_ins()):
            known = [*BUILT_IN, *others]
            what, expected = f"training.candidates.{name}.trainer is {trainer!r}", f"one of {', '.join(known)}"
            yield doc.problem((*path, "trainer"), what, expected, nearest(trainer, known))
        function = doc.text(*path, "function")
        if trainer in WITH_CODE and not function:
            yield doc.problem(path, f"The trainer {trainer} trains by your own function", "function: FILE.py:NAME")
        if function and trainer and trainer not in WITH_CODE:
            yield doc.problem((*path, "function"), f"The trainer {trainer} takes no function", remedy="Remove it")
        if doc.text(*path, "source"):
            yield doc.problem((*path, "source"), "The digest of the code is filled in by Plimsoll", remedy="Remove it")


def task_shapes(doc: Document) -> Iterator[Problem]:
    """What only a label of two values has is not asked of another task, and the metric that decides is the task's."""
    task = doc.text("label", "task")
    primary, known = doc.text("evaluation", "primary"), primaries_of(task or "binary")
    if primary and known and primary not in known:
        words = f"{primary} does not judge a label of task {task or 'binary'}"
        yield doc.problem(("evaluation", "primary"), words, expected=", ".join(known))
    if task != "multiclass" and doc.mapping("evaluation", "costs"):
        words, remedy = "A matrix of costs is for several classes", "Use cost_false_positive and cost_false_negative"
        yield doc.problem(("evaluation", "costs"), words, remedy=remedy if task != "regression" else "Remove it")
    if task not in ("multiclass", "regression"):
        return
    if doc.mapping("labelling"):
        yield doc.problem(
            ("labelling",), f"Weak labels are for a binary label; this one is for {task}", remedy="Remove labelling"
        )
    for name in doc.mapping("training", "candidates"):
        chosen = ("training", "candidates", name, "calibrate")
        if doc.text(*chosen) not in (None, "", "none"):
            yield doc.problem(chosen, f"Only a label of two values can be calibrated; this one is for {task}")
    for name in doc.mapping("slos") if task == "regression" else ():
        if doc.text("slos", name, "indicator") == "quality":
            path = ("slos", name, "indicator")
            yield doc.problem(path, "The objective 'quality' is a floor of ROC-AUC, which numbers do not have")
