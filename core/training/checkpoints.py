"""Checkpoints: plain arrays, no pickle, written whole or not at all, and used only by the very same run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.kernel.digests import digest_bytes, digest_json
from core.kernel.records import Record

if TYPE_CHECKING:
    from core.training.trainers.fitted import Order

Arrays = dict[str, npt.NDArray[Any]]
CHECKPOINT = "checkpoint.npz"


def identity_of(order: Order, settings: Record, *more: str) -> str:
    """What a checkpoint must agree on before a run goes on from it: data, settings, seed, versions."""
    data = order.data
    arrays = [data.x, data.y, data.x_validate, data.y_validate, *([] if data.weight is None else [data.weight])]
    content = [digest_bytes(np.ascontiguousarray(array).tobytes()) for array in arrays]
    return digest_json(
        [order.candidate.trainer, settings.plain(), order.seed, data.task, data.classes, *more, *content]
    )


def write_arrays(path: Path, identity: str, arrays: Arrays) -> None:
    """Write everything that the rest of a run depends on; the old checkpoint stays until the new one is whole."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **{"identity": np.array(identity), **arrays})
    part.replace(path)


def read_arrays(path: Path, identity: str) -> Arrays | None:
    """The arrays of a checkpoint of the same run; None when there is none.

    A damaged one counts as none: the run begins anew, which gives the same result.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    return arrays if str(arrays.pop("identity", "")) == identity else None


def under(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
