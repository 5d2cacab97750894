"""The tables of operations, job kinds and questions. Every face finds the same ones here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from core.engine.context import Context, Done
from core.identity.roles import PERMISSIONS
from core.kernel.errors import NotFound
from core.kernel.records import Record

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """A typed change: its name, who may do it, the request it takes and the function that does it."""

    name: str
    permission: str
    request: type[R]
    function: Callable[[Context, R], Done]


@dataclass(frozen=True)
class JobKind:
    """Work for a worker process (a dotted path) and the function that commits its outcome."""

    name: str
    permission: str
    work: str
    commit: Callable[[Context, JobOutcome], Done]
    rooms: tuple[str, ...]
    timeout_s: float
    retries: int = 0
    gpu: Callable[[dict[str, Any]], bool] = lambda _params: False


@dataclass(frozen=True)
class JobOutcome:
    """A finished job: what it was asked, where its files lie, and what the worker function returned."""

    job: str
    step: str
    folder: Any
    inputs: dict[str, str]
    params: dict[str, Any]
    value: dict[str, Any]
    seconds: float
    resources: dict[str, Any]


OPERATIONS: dict[str, Operation[Any]] = {}
JOB_KINDS: dict[str, JobKind] = {}
QUESTIONS: dict[str, Callable[..., Any]] = {}


def operation(
    name: str, permission: str, request: type[R]
) -> Callable[[Callable[[Context, R], Done]], Callable[[Context, R], Done]]:
    """Register the decorated function as the operation ``name``."""
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    def register(function: Callable[[Context, R], Done]) -> Callable[[Context, R], Done]:
        OPERATIONS[name] = Operation(name, permission, request, function)
        return function

    return register


def job_kind(
    name: str,
    permission: str,
    work: str,
    *,
    rooms: tuple[str, ...],
    timeout_s: float = 3600.0,
    retries: int = 0,
    gpu: Callable[[dict[str, Any]], bool] = lambda _params: False,
) -> Callable[[Callable[[Context, JobOutcome], Done]], Callable[[Context, JobOutcome], Done]]:
    """Register the decorated function as the commit of job kind ``name``; ``work`` runs in a worker.

    Args:
        retries: how often the work is tried again when its process dies; it goes on from its checkpoint.
        gpu: whether a job with these parameters takes a GPU for itself where there is one.
    """

    def register(commit: Callable[[Context, JobOutcome], Done]) -> Callable[[Context, JobOutcome], Done]:
        JOB_KINDS[name] = JobKind(name, permission, work, commit, rooms, timeout_s, retries, gpu)
        return commit

    return register


Q = TypeVar("Q", bound=Callable[..., Any])


def question(name: str) -> Callable[[Q], Q]:
    """Register the decorated function, which takes the workspace first, as the question ``name``."""

    def register(function: Q) -> Q:
        QUESTIONS[name] = function
        return function

    return register


def find_operation(name: str) -> Operation[Any]:
    """The operation of that name."""
    if name not in OPERATIONS:
        raise NotFound(f"There is no operation {name!r}")
    return OPERATIONS[name]
