"""From decoded rows to predictions: contract checks, view features, the model, output checks, fallback."""

from __future__ import annotations

import itertools
import math
import secrets
from dataclasses import dataclass
from typing import Any

from core.contract.schema import CheckResult, Contract, ViewRef
from core.kernel.errors import AnswerIsNo, InputError, Problem
from core.kernel.ids import ALPHABET
from core.serving.loaded import LoadedModel
from core.serving.online import OnlineStore, Value, epoch_s

MASKED = "(masked)"
MOST_TOLD = 20
SUM_TOLERANCE = 1e-3  # of float32 over many classes

_boot = "".join(secrets.choice(ALPHABET) for _ in range(8))
_numbers = itertools.count(1)


def next_prediction_id() -> str:
    """Unique over restarts: a random word for this process and a running number."""
    return f"pred-{_boot}-{next(_numbers):x}"


@dataclass(slots=True)
class Scored:
    """One row's outcome. ``status``: ok, fallback or rejected; ``reason`` names what was wrong.

    A binary model gives ``probability`` and ``decision``, one of several classes ``probabilities`` and
    ``prediction``, the most probable class, and one of numbers ``prediction``.
    """

    prediction_id: str
    status: str
    view: dict[str, Value]
    stale: list[str]
    reason: str = ""
    probability: float | None = None
    decision: bool | None = None
    probabilities: list[float] | None = None
    prediction: float | str | None = None


class Unfit(InputError):
    """Rows that the contract refuses; ``scored`` says which, for the log."""

    def __init__(self, problems: list[Problem], scored: list[Scored]) -> None:
        super().__init__("The request does not fit the model's contract", problems=problems)
        self.scored = scored


def score(
    model: LoadedModel, rows: list[dict[str, Value]], given: list[dict[str, Value]], online: OnlineStore
) -> list[Scored]:
    """Score rows. Rows that break the contract get the fallback, or refuse the whole request.

    Raises:
        Unfit: the contract says reject and a row breaks it. AnswerIsNo: an output is not what the
        task gives and there is no fallback.
    """
    frame, broken = model.checked(rows)
    scored = [_prepared(model.contract, row, extra, online) for row, extra in zip(rows, given, strict=True)]
    for row, results in broken.items():
        scored[row].reason = "; ".join(sorted({result.name for result in results}))
    if broken and not _falls_back(model.contract):
        for item in scored:
            item.status = "rejected"
        raise Unfit(_told(broken), scored)
    for row in broken:
        _fall_back(model.contract, scored[row], scored[row].reason)
    good = [row for row in range(len(rows)) if row not in broken]
    if good:
        kept = frame if len(good) == len(rows) else frame[good]
        values = model.answers(kept, [scored[row].view for row in good])
        for row, value in zip(good, values, strict=True):
            _settle(model.contract, scored[row], value)
    return scored


def _told(broken: dict[int, list[CheckResult]]) -> list[Problem]:
    """The problems of a refused request, all fields of the first rows."""
    problems = [
        Problem(f"{result.name}: {result.observed}", where=f"row {row}", expected=result.expected)
        for row in sorted(broken)
        for result in broken[row]
    ]
    return problems[:MOST_TOLD]


def _prepared(contract: Contract, row: dict[str, Value], extra: dict[str, Value], online: OnlineStore) -> Scored:
    """A row's outcome to be, with the view features that will be used: given ones, else looked up."""
    view, stale = dict(extra), []
    for ref in contract.views:
        if all(name in view for name in ref.features):
            continue
        found = _looked_up(contract, ref, row, online)
        if found is None:
            stale.append(ref.name)
        for name in ref.features:
            view.setdefault(name, None if found is None else found.get(name))
    return Scored(next_prediction_id(), "ok", view, stale)


def _looked_up(contract: Contract, ref: ViewRef, row: dict[str, Value], online: OnlineStore) -> dict[str, Value] | None:
    key = [row.get(name) for name in ref.entity]
    at = row.get(contract.time_field)
    if at is None or any(value is None for value in key):
        return None
    try:
        return online.lookup(ref.name, key, epoch_s(at), ref.max_age_s)
    except InputError:
        return None


def _falls_back(contract: Contract) -> bool:
    return contract.on_invalid == "fallback" and contract.fallback_value is not None


def _fall_back(contract: Contract, item: Scored, reason: str) -> None:
    item.status, item.reason = "fallback", reason
    value = contract.fallback_value
    if contract.task == "multiclass":
        _answer(contract, item, [float(name == value) for name in contract.classes])
    else:
        _answer(contract, item, float(value or 0.0))


def _answer(contract: Contract, item: Scored, value: Any) -> None:
    """Put a number, or one for each class, where the task has it."""
    if contract.task == "binary":
        item.probability, item.decision = value, value >= contract.threshold
    elif contract.task == "multiclass":
        item.probabilities = value
        item.prediction = contract.classes[max(range(len(value)), key=value.__getitem__)]
    else:
        item.prediction = value


def _settle(contract: Contract, item: Scored, value: Any) -> None:
    """Accept what the task may give; anything else is a fault of the model."""
    wrong = _wrong(contract, value)
    if not wrong:
        _answer(contract, item, value)
    elif _falls_back(contract):
        _fall_back(contract, item, f"the model's output is not {wrong}")
    else:
        raise AnswerIsNo(f"The model's output is not {wrong}", detail=f"{contract.output} = {value}")


def _wrong(contract: Contract, value: Any) -> str:
    """What a value should be and is not; empty when it is."""
    if contract.task == "regression":
        return "" if math.isfinite(value) else "a finite number"
    shares = value if contract.task == "multiclass" else [value]
    sound = all(math.isfinite(share) and 0.0 <= share <= 1.0 for share in shares)
    if contract.task == "binary":
        return "" if sound else "a probability"
    return "" if sound and abs(sum(shares) - 1.0) <= SUM_TOLERANCE else "probabilities that sum to 1"


def log_lines(
    model: LoadedModel,
    rows: list[dict[str, Value]],
    scored: list[Scored],
    *,
    request_id: str | None,
    at: str,
    latency_ms: float,
) -> list[dict[str, Any]]:
    """One line for the prediction log for each row; personal fields are masked, key fields too."""
    contract = model.contract
    personal = frozenset(contract.personal)
    return [
        {
            "prediction_id": item.prediction_id,
            "request_id": request_id,
            "at": at,
            "key": {name: _masked(name, row.get(name), personal) for name in contract.key},
            "model": model.name,
            "version": model.version,
            "release": model.release,
            "fields": {name: _masked(name, value, personal) for name, value in row.items()},
            "view": item.view,
            "stale_views": item.stale,
            **_logged(contract, item),
            "latency_ms": latency_ms,
            "status": item.status,
            "reason": item.reason,
        }
        for row, item in zip(rows, scored, strict=True)
    ]


def _logged(contract: Contract, item: Scored) -> dict[str, Any]:
    """The answer as a log line has it: each kind of task under names of its own."""
    if contract.task == "binary":
        return {"probability": item.probability, "decision": item.decision}
    if contract.task == "multiclass":
        return {"class": item.prediction, "probabilities": item.probabilities}
    return {"prediction": item.prediction}


def _masked(name: str, value: Value, personal: frozenset[str]) -> Value:
    return MASKED if value is not None and name in personal else value
