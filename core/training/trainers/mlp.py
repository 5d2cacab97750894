"""A small network: embedded categories and standardised numbers, trained with early stopping.

What makes it quick was measured: permute once an epoch, take contiguous slices, fused Adam. After
each epoch everything goes into a checkpoint, and an interrupted run goes on to the same result.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from pydantic import Field

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before torch: deterministic matrix products

import torch
from torch import nn

from core.kernel.digests import digest_bytes, digest_json
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.kernel.records import Record
from core.measures.classification import roc_auc
from core.training.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from core.training.graphs import GraphWriter, codes_in, numbers_in
from core.training.matrices import Columns, Matrix, TrainingData
from core.training.scaling import CLIP, Scaling, scaling_of
from core.training.trainers.fitted import Fitted, Order

CHECKPOINT = "checkpoint.npz"
BATCH_PREDICT = 65_536


class Settings(Record):
    """Settings of the network trainer."""

    hidden: list[int] = Field(default=[64, 32], min_length=1)
    embedding: int = Field(default=8, ge=1, description="Width of each category's embedding")
    epochs: int = Field(default=12, ge=1)
    patience: int = Field(default=3, ge=1, description="Epochs without a better validation AUC before stopping")
    batch: int = Field(default=1024, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$", description="auto takes CUDA where there is one")
    threads: int = Field(
        default=1, ge=1, description="Part of the result; on a busy machine, more threads mostly wait for each other"
    )


class Network(nn.Module):
    """Matrix [n, d] to logits [n]; embedding and standardisation are inside."""

    number_at: torch.Tensor
    category_at: torch.Tensor
    offsets: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, columns: Columns, scaling: Scaling, settings: Settings) -> None:
        super().__init__()
        self.columns = columns
        self.register_buffer("number_at", torch.tensor(columns.numbers, dtype=torch.long))
        self.register_buffer("category_at", torch.tensor(columns.categories, dtype=torch.long))
        self.register_buffer("offsets", torch.tensor(columns.offsets, dtype=torch.long))
        self.register_buffer("mean", torch.tensor(scaling.mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scaling.scale, dtype=torch.float32))
        self.embedding = nn.Embedding(max(sum(columns.sizes), 1), settings.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        width = len(columns.categories) * settings.embedding + 2 * len(columns.numbers)
        widths = [width, *settings.hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1], 1)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raw = x[:, self.number_at]
        missing = raw.isnan()
        filled = torch.where(missing, self.mean, raw)
        standard = ((filled - self.mean) / self.scale).clamp(-CLIP, CLIP)
        rows = x[:, self.category_at].long() + self.offsets
        embedded = self.embedding(rows).flatten(1)
        out = torch.cat([embedded, standard, missing.float()], dim=1)
        for layer in self.hidden:
            out = self.dropout(torch.relu(layer(out)))
        return self.last(out).squeeze(1)  # type: ignore[no-any-return]


def fit(order: Order, settings: Settings) -> Fitted:
    """Train with Adam on the log loss; the epoch of best validation AUC is kept.

    Raises:
        InputError: when CUDA is asked for and there is none.
    """
    device = _device(settings.device, order.progress)
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(mode=True)
    try:
        return _fit(order.data, settings, order.seed, order.folder, order.progress, device)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(mode=deterministic)


def _fit(
    data: TrainingData, settings: Settings, seed: int, folder: Path, progress: Progress, device: torch.device
) -> Fitted:
    torch.manual_seed(seed)
    network = Network(data.columns, scaling_of(data.x, data.columns), settings).to(device)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    identity = _identity(data, settings, seed, device)
    state = read_checkpoint(folder / CHECKPOINT, identity, network, optimiser) or Checkpoint.fresh()
    resumed = state.epoch
    if resumed:
        progress.log(f"Going on after epoch {resumed} of an interrupted run")
    x, y = torch.from_numpy(data.x).to(device), torch.from_numpy(data.y.astype(np.float32)).to(device)
    while state.epoch < settings.epochs and state.epoch - state.best_epoch < settings.patience:
        progress.check()
        loss = _epoch(network, optimiser, x, y, settings.batch, seed * 100_003 + state.epoch, progress)
        auc = roc_auc(data.y_validate, _probabilities(network, data.x_validate, device))
        state = state.after_epoch(auc, network)
        write_checkpoint(folder / CHECKPOINT, identity, state, network, optimiser)
        progress.metric("train_loss", state.epoch, loss)
        progress.metric("validate_auc", state.epoch, auc)
        progress.step(state.epoch, settings.epochs, f"Epoch {state.epoch}: validation AUC {auc:.4f}")
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.best.items()})
    network = network.cpu().eval()

    def native(matrix: Matrix) -> npt.NDArray[np.float64]:
        return _probabilities(network, matrix, torch.device("cpu"))

    graph = _graph(network, data.x.shape[1])
    return Fitted(graph, native, state.best_epoch, settings.plain(), settings.threads, str(device), resumed)


def _epoch(
    network: Network,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    batch: int,
    seed: int,
    progress: Progress,
) -> float:
    """One pass in an order that the epoch's own seed gives; the mean loss. A last batch of one row is left out."""
    torch.manual_seed(seed)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).to(x.device)
    xs, ys = x[order], y[order]
    network.train()
    total = torch.zeros((), device=x.device)
    starts = range(0, len(x) - 1, batch)
    for i, start in enumerate(starts):
        if i % 50 == 0:
            progress.check()
        optimiser.zero_grad(set_to_none=True)
        logits = network(xs[start : start + batch])
        loss = nn.functional.binary_cross_entropy_with_logits(logits, ys[start : start + batch])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += loss.detach()
    return float(total) / max(len(starts), 1)


def _probabilities(network: Network, x: Matrix, device: torch.device) -> npt.NDArray[np.float64]:
    network.eval()
    with torch.inference_mode():
        parts = [
            torch.sigmoid(network(torch.from_numpy(x[start : start + BATCH_PREDICT]).to(device))).cpu().numpy()
            for start in range(0, len(x), BATCH_PREDICT)
        ]
    return np.concatenate(parts).astype(np.float64)


def _device(wanted: str, progress: Progress) -> torch.device:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise InputError("The trainer asks for CUDA, and torch finds no CUDA device here", remedy="Use device: auto")
    if wanted != "cpu" and there:
        progress.log(f"Training on {torch.cuda.get_device_name()} (CUDA {torch.version.cuda})")
        return torch.device("cuda")
    progress.log("Training on the CPU" + ("" if wanted == "cpu" else ": torch finds no CUDA device"))
    return torch.device("cpu")


def _identity(data: TrainingData, settings: Settings, seed: int, device: torch.device) -> str:
    """What a checkpoint must agree on before a run goes on from it."""
    content = [digest_bytes(np.ascontiguousarray(part).tobytes()) for part in (data.x, data.y, data.x_validate)]
    return digest_json([settings.plain(), seed, str(device), torch.__version__, *content])


def _graph(network: Network, width: int) -> onnx.ModelProto:
    """The network, node by node; dropout is not part of it."""
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    columns, writer = network.columns, GraphWriter()
    parts = []
    if columns.categories:
        table = writer.constant("embedding", weights["embedding.weight"])
        picked = writer.node("Gather", [table, codes_in(writer, columns)], "picked", axis=0)
        parts.append(writer.node("Flatten", [picked], "embedded", axis=1))
    if columns.numbers:
        parts += numbers_in(writer, columns, weights["mean"], weights["scale"], CLIP)
    out = writer.node("Concat", parts, "joined", axis=1)
    layers = [f"hidden.{i}" for i in range(len(network.hidden))] + ["last"]
    for name in layers:
        weight = writer.constant(f"{name}_weight", weights[f"{name}.weight"].T)
        bias = writer.constant(f"{name}_bias", weights[f"{name}.bias"])
        out = writer.node("Gemm", [out, weight, bias], f"{name}_out")
        if name != "last":
            out = writer.node("Relu", [out], f"{name}_active")
    squeezed = writer.node("Squeeze", [out, writer.constant("axes", np.array([1]))], "logit")
    writer.node("Sigmoid", [squeezed], "probability")
    return writer.finish(width)
