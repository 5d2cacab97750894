"""Networks for tables, trained with early stopping.

What makes it quick was measured: rows prepared once and kept on the device, permuted once an epoch,
contiguous slices, fused Adam. After each epoch everything goes into a checkpoint, and an interrupted
run goes on to the same result.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before torch: deterministic matrix products

import torch
from torch import nn

from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.training.checkpoints import CHECKPOINT, identity_of, read_arrays, write_arrays
from core.training.matrices import Matrix, TrainingData
from core.training.scaling import scaling_of
from core.training.trainers.fitted import Fitted, Order
from core.training.trainers.network_graph import network_graph
from core.training.trainers.network_settings import Settings as Settings
from core.training.trainers.network_state import restore, state_arrays
from core.training.trainers.networks import ARCHITECTURES, Inputs, Plain, Reader, Residual, Transformer
from core.training.watching import WATCHED
from core.training.weighing import ClassWeight, row_weights

Floats = npt.NDArray[np.float64]
Network = Plain | Residual | Transformer
BATCH_PREDICT = 8_192
CHECK_EVERY = 50  # batches between two looks at whether to stop


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


@dataclass(frozen=True)
class Target:
    """Labels and weights [n] on the device, in the form of the loss; numbers are standardised."""

    y: torch.Tensor
    weight: torch.Tensor | None
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, data: TrainingData, class_weight: ClassWeight, device: torch.device) -> Target:
        """The train rows' labels."""
        weight = row_weights(data, class_weight)
        held = None if weight is None else torch.from_numpy(weight.astype(np.float32)).to(device)
        if data.task == "multiclass":
            return cls(torch.from_numpy(data.y).to(device), held)
        y, mean, scale = data.y.astype(np.float64), 0.0, 1.0
        if data.task == "regression":
            mean, scale = float(np.float32(y.mean())), float(np.float32(y.std())) or 1.0
            y = (y - mean) / scale
        return cls(torch.from_numpy(y.astype(np.float32)).to(device), held, mean, scale)


def _fit(order: Order, settings: Settings, device: torch.device) -> Fitted:
    data, progress, watched = order.data, order.progress, WATCHED[order.data.task]
    reader = Reader(data.columns, scaling_of(data.x, data.columns), data.x)
    torch.manual_seed(order.seed)
    network = ARCHITECTURES[settings.architecture](reader, settings, data.outputs).to(device)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    identity, path = identity_of(order, settings, str(device), torch.__version__), order.folder / CHECKPOINT
    state = restore(read_arrays(path, identity), network, optimiser)
    resumed = state.epoch
    if resumed:
        progress.log(f"Going on after epoch {resumed} of an interrupted run")
    rows, target = reader.read(data.x).to(device), Target.of(data, settings.class_weight, device)
    later = reader.read(data.x_validate).to(device)
    loop = Loop(network, optimiser, data, settings, device)
    while state.epoch < settings.epochs and state.epoch - state.best_epoch < settings.patience:
        progress.check()
        loss = loop.epoch(rows, target, state.epoch, order.seed * 100_003 + state.epoch, progress)
        value = watched.measure(data.y_validate, answers(network, later, data, target, loop.mixed))
        state = state.after_epoch(watched.gain(value), network)
        write_arrays(path, identity, state_arrays(state, network, optimiser))
        progress.metric("train_loss", state.epoch, loss)
        progress.metric(watched.name, state.epoch, value)
        progress.step(state.epoch, settings.epochs, f"Epoch {state.epoch}: {watched.words} {value:.4f}")
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.best.items()})
    network = network.cpu().eval()

    def native(x: Matrix) -> Floats:
        return answers(network, reader.read(x), data, target, mixed=False)

    graph = network_graph(network, reader, data, target.mean, target.scale)
    return Fitted(graph, native, state.best_epoch, settings.plain(), settings.threads, str(device), resumed)


class Loop:
    """Runs epochs of one training."""

    def __init__(
        self,
        network: Network,
        optimiser: torch.optim.Optimizer,
        data: TrainingData,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.network, self.optimiser, self.task, self.settings, self.device = (
            network, optimiser, data.task, settings, device,
        )  # fmt: skip
        self.mixed = device.type == "cuda" and settings.precision == "auto"
        self._forward = torch.compile(network) if settings.compile else network

    def epoch(self, rows: Inputs, target: Target, number: int, seed: int, progress: Progress) -> float:
        """One pass in an order that the epoch's own seed gives; the mean loss. A last batch of one row is left out."""
        torch.manual_seed(seed)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).to(self.device)
        mixed, y = rows.take(order), target.y[order]
        weight = None if target.weight is None else target.weight[order]
        self.network.train()
        total = torch.zeros((), device=self.device)
        starts = range(0, len(rows) - 1, self.settings.batch)
        for i, start in enumerate(starts):
            if i % CHECK_EVERY == 0:
                progress.check()
            part = slice(start, start + self.settings.batch)
            self._set_rate(number + i / len(starts))
            self.optimiser.zero_grad(set_to_none=True)
            loss = self._loss(mixed.take(part), y[part], None if weight is None else weight[part])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += loss.detach()
        return float(total) / max(len(starts), 1)

    def _loss(self, rows: Inputs, y: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            logits = self._forward(rows.numbers, rows.codes)
        logits = logits.float()
        how = "mean" if weight is None else "none"
        if self.task == "multiclass":
            loss = nn.functional.cross_entropy(logits, y, reduction=how)
        elif self.task == "binary":
            loss = nn.functional.binary_cross_entropy_with_logits(logits.squeeze(1), y, reduction=how)
        else:
            loss = nn.functional.mse_loss(logits.squeeze(1), y, reduction=how)
        return loss if weight is None else (loss * weight).mean()

    def _set_rate(self, epochs_done: float) -> None:
        if self.settings.schedule == "constant":
            return
        rate = self.settings.learning_rate * rate_share(self.settings.schedule, epochs_done / self.settings.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = rate


def rate_share(schedule: str, done: float) -> float:
    """Which share of the learning rate holds after ``done`` (0 to 1) of all epochs.

    cosine falls to a hundredth (Loshchilov and Hutter 2017); one_cycle rises from a tenth over the
    first three tenths before (Smith and Topin 2019).
    """
    warm = 0.3 if schedule == "one_cycle" else 0.0
    if done < warm:
        return 0.1 + 0.9 * done / warm
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (done - warm) / (1.0 - warm)))


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
