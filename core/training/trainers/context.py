"""What the project's own training code is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from core.contract.tasks import Task
from core.kernel.errors import Cancelled, InputError
from core.kernel.progress import Progress
from core.kernel.records import Record
from core.project.python_code import code_failed, load_function
from core.training.matrices import Floats, Labels, Matrix
from core.training.trainers.fitted import Order


class FreeSettings(Record):
    """Settings that Plimsoll hands on as they are: the project's own code says what they mean."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class Context:
    """One training, as the project's own code sees it.

    ``x`` [n, d] is float32: numbers with NaN for missing ones (columns ``numbers``), categories as codes
    from 0 (columns ``categories``; ``sizes`` counts the codes of each, the last is "unknown"). ``y`` is 0
    or 1, the place in ``classes``, or a number. ``folder`` lasts until the run is done, over a crash too.
    """

    task: Task
    classes: list[str]
    seed: int
    settings: dict[str, Any]
    columns: list[str]
    numbers: list[int]
    categories: list[int]
    sizes: list[int]
    x: Matrix
    y: Labels
    weight: Floats | None
    x_validate: Matrix
    y_validate: Labels
    folder: Path
    progress: Progress

    def log(self, text: str) -> None:
        """One line for the run's log."""
        self.progress.log(text)

    def metric(self, name: str, step: int, value: float) -> None:
        """One point of a curve."""
        self.progress.metric(name, step, value)

    def check(self) -> None:
        """Call it often: it ends the training when somebody asked to stop."""
        self.progress.check()


def context_of(order: Order, settings: Record) -> Context:
    """The context of an order."""
    data, columns = order.data, order.data.columns
    return Context(
        task=data.task,
        classes=data.classes,
        seed=order.seed,
        settings=settings.plain(),
        columns=columns.names,
        numbers=columns.numbers,
        categories=columns.categories,
        sizes=columns.sizes,
        x=data.x,
        y=data.y,
        weight=data.weight,
        x_validate=data.x_validate,
        y_validate=data.y_validate,
        folder=order.folder,
        progress=order.progress,
    )


def own_function(order: Order) -> Callable[..., Any]:
    """The candidate's function, from a file that is what was digested.

    Raises:
        InputError: when there is no project folder here, or the file changed or fails.
    """
    if order.project is None:
        raise InputError("This candidate trains by the project's own code, and there is no project folder here")
    candidate = order.candidate
    return load_function(candidate.function, candidate.source, order.project, "trainer", place(order))


def place(order: Order) -> str:
    """Where the project names the function."""
    return f"training.candidates: {order.candidate.function}"


def called(order: Order, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call the project's own code; what it does wrong is told as its fault, with the line.

    Raises:
        InputError: when it fails. Cancelled: when it was asked to stop.
    """
    try:
        return function(*arguments, **named)
    except (Cancelled, InputError):
        raise
    except Exception as error:  # whatever the project's own code does wrong is told as its fault
        raise code_failed(order.candidate.function, place(order), error) from error
