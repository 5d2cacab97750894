"""Networks for tables, trained with early stopping.

What makes it quick was measured: rows prepared once and kept on the device, permuted once an epoch,
contiguous slices, fused Adam, and on a GPU each step as one captured graph. After each epoch
everything goes into a checkpoint, and an interrupted run goes on to the same result.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import numpy.typing as npt

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before torch: deterministic matrix products

import torch

from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.training.checkpoints import CHECKPOINT, identity_of, read_arrays, write_arrays
from core.training.matrices import Matrix, TrainingData
from core.training.scaling import scaling_of
from core.training.trainers.fitted import Fitted, Order
from core.training.trainers.network_graph import network_graph
from core.training.trainers.network_loop import Loop, Network, Target
from core.training.trainers.network_settings import Settings as Settings
from core.training.trainers.network_state import restore, state_arrays
from core.training.trainers.networks import ARCHITECTURES, Inputs, Reader
from core.training.watching import WATCHED

Floats = npt.NDArray[np.float64]
BATCH_PREDICT = 8_192


def fit(order: Order, settings: Settings) -> Fitted:
    """Train with Adam; the epoch of the best validation figure is kept.

    Where the GPU has too little memory, ``device: auto`` says so and begins anew on the CPU.

    Raises:
        InputError: when CUDA is asked for and there is none, or it is too small.
    """
    device = device_of(settings.device, order.progress)
    with held_still(settings.threads):
        try:
            return _fit(order, settings, device)
        except torch.cuda.OutOfMemoryError as error:
            if settings.device == "cuda":
                raise InputError(
                    "The GPU has too little memory for this training",
                    detail=str(error).partition("\n")[0],
                    remedy="Use a smaller batch or network, or device: auto, which goes on on the CPU",
                ) from error
            order.progress.log("The GPU has too little memory for this training: beginning anew on the CPU")
            return _fit(order, settings, torch.device("cpu"))


@contextmanager
def held_still(threads: int) -> Iterator[None]:
    """Deterministic kernels and a fixed number of threads, as before afterwards.

    What is allocated isn't filled with a pattern: nothing here reads memory that was never written.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(mode=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]


def _fit(order: Order, settings: Settings, device: torch.device) -> Fitted:
    data, progress, watched = order.data, order.progress, WATCHED[order.data.task]
    reader = Reader(data.columns, scaling_of(data.x, data.columns), data.x)
    torch.manual_seed(order.seed)
    network = ARCHITECTURES[settings.architecture](reader, settings, data.outputs).to(device)
    rows, target = reader.read(data.x).to(device), Target.of(data, settings.class_weight, device)
    loop = Loop(network, rows, target, order, settings)
    identity, path = identity_of(order, settings, str(device), torch.__version__), order.folder / CHECKPOINT
    state = restore(read_arrays(path, identity), network, loop.optimiser)
    resumed = state.epoch
    if resumed:
        progress.log(f"Going on after epoch {resumed} of an interrupted run")
    later = reader.read(data.x_validate).to(device)
    with closing(loop):
        while state.epoch < settings.epochs and state.epoch - state.best_epoch < settings.patience:
            progress.check()
            loss = loop.epoch(state.epoch, order.seed * 100_003 + state.epoch)
            value = watched.measure(data.y_validate, answers(network, later, data, target, loop.mixed))
            state = state.after_epoch(watched.gain(value), network)
            write_arrays(path, identity, state_arrays(state, network, loop.optimiser))
            progress.metric("train_loss", state.epoch, loss)
            progress.metric(watched.name, state.epoch, value)
            progress.step(state.epoch, settings.epochs, f"Epoch {state.epoch}: {watched.words} {value:.4f}")
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.best.items()})
    network = network.cpu().eval()

    def native(x: Matrix) -> Floats:
        return answers(network, reader.read(x), data, target, mixed=False)

    graph = network_graph(network, reader, data, target.mean, target.scale)
    return Fitted(graph, native, state.best_epoch, settings.plain(), settings.threads, str(device), resumed)


def answers(network: Network, rows: Inputs, data: TrainingData, target: Target, mixed: bool) -> Floats:
    """Probabilities [n] or [n, k], or numbers [n]."""
    network.eval()
    device = rows.numbers.device
    parts = []
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
        for start in range(0, len(rows), BATCH_PREDICT):
            part = rows.take(slice(start, start + BATCH_PREDICT))
            parts.append(network(part.numbers, part.codes).float().cpu())
    logits = torch.cat(parts).double() if parts else torch.zeros(0, data.outputs, dtype=torch.float64)
    if data.task == "multiclass":
        return torch.softmax(logits, dim=1).numpy()
    out = torch.sigmoid(logits) if data.task == "binary" else logits * target.scale + target.mean
    return out.squeeze(1).numpy()


def device_of(wanted: str, progress: Progress) -> torch.device:
    """Where to train; it is said aloud.

    Raises:
        InputError: when CUDA is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise InputError("The trainer asks for CUDA, and torch finds no CUDA device here", remedy="Use device: auto")
    if wanted != "cpu" and there:
        own = int(os.environ.get("PLIMSOLL_GPU", "-1"))  # the job board gives each job a GPU of its own
        device = torch.device("cuda", own) if 0 <= own < torch.cuda.device_count() else torch.device("cuda")
        progress.log(f"Training on {torch.cuda.get_device_name(device)} (CUDA {torch.version.cuda})")
        return device
    progress.log("Training on the CPU" + ("" if wanted == "cpu" else ": torch finds no CUDA device"))
    return torch.device("cpu")
