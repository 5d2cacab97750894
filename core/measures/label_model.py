"""How far can each labelling function be trusted, when nobody knows the truth?

Functions vote 0, 1 or abstain. If they err independently of each other given the true class, their agreements alone
tell how accurate each is: the model of Dawid and Skene (1979), fitted by expectation-maximisation (Dempster, Laird and
Rubin 1977), with abstention as a third answer. That is what lets a function that only ever says 1 be weighed: it is
the silence of the others that disagrees with it (compare Ratner et al. 2016, Data programming).

Rows with the same votes are counted together, so the cost depends on the patterns that occur, not on the rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.measures.classification import Floats

Votes = npt.NDArray[np.int8]
ABSTAIN = -1
ANSWERS = 3  # abstain, 0, 1
SMOOTH = 1.0
INDEPENDENT = 0.01  # gap of joint answers up to which the functions are taken to err independently
DIGITS = 39  # of base 3 in 63 bits
ROUNDS = 500
CLOSE = 1e-7


class LabelModel(Record):
    """A fitted model. ``answers[j][y]`` are the chances that function j abstains, says 0 or says 1 when y is true.

    ``accuracy[j]`` is the chance that j is right when it votes; ``balance`` the share of positives.
    """

    balance: float
    answers: list[list[list[float]]]
    accuracy: list[float]
    dependence: float = Field(description="Largest gap between joint answers of two functions and the model's")
    anchored: bool = Field(description="The majority's view was held on to, because the functions depend on each other")
    rounds: int
    converged: bool


class VoteReport(Record):
    """What can be said of one labelling function before any model: shares are of all rows."""

    function: str
    coverage: float
    overlap: float = Field(description="Share of rows where it and another vote")
    conflict: float = Field(description="Share of rows where it and another vote differently")
    polarity: list[int] = Field(description="The classes that it ever says")
    estimated_accuracy: float | None = Field(default=None, description="By the label model, without truth")
    empirical_accuracy: float | None = Field(default=None, description="Against true labels, where there are some")
    judged: int = Field(default=0, description="Votes on rows whose true label is known")


def vote_reports(votes: Votes, names: list[str], truth: Floats | None = None) -> list[VoteReport]:
    """Coverage, overlap, conflict, polarity and, with ``truth`` (n,; NaN where unknown), accuracy of each function.

    Args:
        votes: (n, m) of -1 (abstain), 0 or 1.

    Raises:
        InputError: when the votes are something else, or there are no rows.
    """
    _require(votes)
    cast = votes != ABSTAIN
    ones, zeros = (votes == 1).sum(axis=1), (votes == 0).sum(axis=1)
    out = []
    for j, name in enumerate(names):
        mine, said = cast[:, j], votes[:, j]
        against = np.where(said == 1, zeros, ones)
        known = mine & np.isfinite(truth) if truth is not None else np.zeros(len(votes), dtype=np.bool_)
        right = float((said[known] == truth[known]).mean()) if truth is not None and known.any() else None
        out.append(
            VoteReport(
                function=name,
                coverage=float(mine.mean()),
                overlap=float((mine & (ones + zeros > 1)).mean()),
                conflict=float((mine & (against > 0)).mean()),
                polarity=sorted(int(value) for value in np.unique(said[mine])),
                empirical_accuracy=right,
                judged=int(known.sum()),
            )
        )
    return out


def majority(votes: Votes, balance: float = 0.5) -> Floats:
    """Share of votes for 1 in each row (n,); ``balance`` where nobody votes."""
    _require(votes)
    ones, cast = (votes == 1).sum(axis=1), (votes != ABSTAIN).sum(axis=1)
    out: Floats = np.where(cast > 0, ones / np.maximum(cast, 1), balance)
    return out


def fit_label_model(votes: Votes, *, balance: float | None = None) -> LabelModel:
    """Estimate the accuracies of at least three functions from their votes (n, m) alone.

    ``balance`` fixes the share of positives; absent, it is estimated with the rest. The start is the majority's
    view. Functions that look at the same thing agree without being right, and would pull the latent class towards
    that thing. So where two answers come together more or less often than a fitted model says, by more than 0.01,
    the majority's view counts as much as the rows in a second fit. Deterministic.

    Raises:
        InputError: when there are fewer than three functions that vote, or the votes are malformed.
    """
    _require(votes)
    if int((votes != ABSTAIN).any(axis=0).sum()) < 3:
        raise InputError("Fewer than three labelling functions vote", remedy="Write functions that cover more rows")
    if balance is not None and not 0 < balance < 1:
        raise InputError("The balance lies between 0 and 1", detail=f"{balance:g}")
    patterns, place = _patterns(votes)
    weight = np.bincount(place).astype(np.float64)
    free = _fit(patterns, weight, balance, anchor=0.0)
    return free if free.dependence <= INDEPENDENT else _fit(patterns, weight, balance, anchor=1.0)


def _fit(patterns: Votes, weight: Floats, balance: float | None, anchor: float) -> LabelModel:
    start = majority(patterns, 0.5 if balance is None else balance)
    share = balance if balance is not None else float((weight * start).sum() / weight.sum())
    held = _answers(patterns, weight * anchor, start) + SMOOTH
    chance, done, close = start, 0, False
    while done < ROUNDS and not close:
        done += 1
        tally = _answers(patterns, weight, chance) + held
        answers = tally / tally.sum(axis=2, keepdims=True)
        if balance is None:
            share = float(np.clip((weight * chance).sum() / weight.sum(), 0.01, 0.99))
        fresh = _chance(patterns, answers, share)
        close = float(np.abs(fresh - chance).max()) < CLOSE
        chance = fresh
    right = (1 - share) * answers[:, 0, 1] + share * answers[:, 1, 2]
    cast = right + (1 - share) * answers[:, 0, 2] + share * answers[:, 1, 1]
    return LabelModel(
        balance=share,
        answers=answers.tolist(),
        accuracy=(right / cast).tolist(),
        dependence=_dependence(patterns, weight, answers, share),
        anchored=anchor > 0,
        rounds=done,
        converged=close,
    )


def probabilities(model: LabelModel, votes: Votes) -> Floats:
    """Chance of class 1 for each row (n,) by Bayes' rule; NaN where nobody votes."""
    _require(votes)
    patterns, place = _patterns(votes)
    chance = _chance(patterns, np.asarray(model.answers), model.balance)
    chance[(patterns == ABSTAIN).all(axis=1)] = np.nan
    out: Floats = chance[place]
    return out


def _patterns(votes: Votes) -> tuple[Votes, npt.NDArray[np.intp]]:
    """The distinct rows, and which of them each row is. Up to 39 votes are read as the digits of one number."""
    if votes.shape[1] > DIGITS:
        rows, place = np.unique(votes, axis=0, return_inverse=True)
        return rows, place.reshape(-1)
    number = np.zeros(len(votes), dtype=np.int64)
    for column in votes.T:
        number = number * ANSWERS + (column + 1)
    _, first, place = np.unique(number, return_index=True, return_inverse=True)
    return votes[first], place


def _answers(patterns: Votes, weight: Floats, chance: Floats) -> Floats:
    """Expected counts (m, 2, 3) of each answer given each class."""
    out = np.empty((patterns.shape[1], 2, ANSWERS))
    for r in range(ANSWERS):
        said = patterns == r - 1
        out[:, 0, r] = ((weight * (1 - chance))[:, None] * said).sum(axis=0)
        out[:, 1, r] = ((weight * chance)[:, None] * said).sum(axis=0)
    return out


def _dependence(patterns: Votes, weight: Floats, answers: Floats, share: float) -> float:
    """Largest gap between how often two functions give two answers together, and how often the model says."""
    m = patterns.shape[1]
    said = (patterns[:, :, None] == np.arange(ANSWERS) - 1).astype(np.float64).reshape(len(patterns), -1)
    seen = (said.T * (weight / weight.sum())) @ said
    prior = np.array([1 - share, share])
    told = np.einsum("y,jyr,kys->jrks", prior, answers, answers).reshape(seen.shape)
    apart = ~np.kron(np.eye(m, dtype=np.bool_), np.ones((ANSWERS, ANSWERS), dtype=np.bool_))
    return float(np.abs(seen - told)[apart].max())


def _chance(patterns: Votes, answers: Floats, share: float) -> Floats:
    """Posterior of class 1 for each pattern."""
    logs = np.log(answers)
    columns = np.arange(patterns.shape[1])
    zero = np.log(1 - share) + logs[columns, 0, patterns + 1].sum(axis=1)
    one = np.log(share) + logs[columns, 1, patterns + 1].sum(axis=1)
    out: Floats = 1.0 / (1.0 + np.exp(np.clip(zero - one, -700, 700)))
    return out


def _require(votes: Votes) -> None:
    if votes.ndim != 2 or not votes.size or not np.isin(votes, (ABSTAIN, 0, 1)).all():
        raise InputError("Votes are a table of -1 (no opinion), 0 and 1, with rows")
