"""The epochs of a network's training: step by step, or on a GPU as one captured graph of a whole step."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.training.matrices import TrainingData
from core.training.trainers.fitted import Order
from core.training.trainers.network_settings import Settings
from core.training.trainers.networks import Inputs, Plain, Residual, Transformer
from core.training.weighing import ClassWeight, row_weights

Network = Plain | Residual | Transformer
Step = Callable[[int], None]
CHECK_EVERY = 50  # batches between two looks at whether to stop
EAGER = 3  # steps before the capture, so that every kernel is loaded and the optimiser has its moments
SPARE = 64 * 2**20  # bytes of a GPU that a capture leaves alone


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

    def take(self, rows: torch.Tensor | slice) -> Target:
        """Some of the rows."""
        return Target(self.y[rows], None if self.weight is None else self.weight[rows], self.mean, self.scale)


class Loop:
    """Runs epochs of one training over rows that stay on their device."""

    def __init__(self, network: Network, rows: Inputs, target: Target, order: Order, settings: Settings) -> None:
        self.network, self.rows, self.target, self.settings = network, rows, target, settings
        self.task, self.progress = order.data.task, order.progress
        self.device = rows.numbers.device
        cuda = self.device.type == "cuda"
        self.mixed = cuda and settings.precision == "auto"
        rate = torch.tensor(settings.learning_rate, device=self.device) if cuda else settings.learning_rate
        self.optimiser = torch.optim.Adam(network.parameters(), lr=rate, weight_decay=settings.weight_decay, fused=True)
        self._forward = torch.compile(network) if settings.compile else network
        self._total = torch.zeros((), device=self.device)
        self._captured = Captured(self, settings.batch) if cuda and not settings.compile else None

    def epoch(self, number: int, seed: int) -> float:
        """One pass in an order that the epoch's own seed gives; the mean loss. A last batch of one row is left out."""
        torch.manual_seed(seed)
        count = len(self.rows)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(self.device)
        self.network.train()
        self._total.zero_()
        step = self._captured.over(order) if self._captured else self._sliced(order)
        starts = range(0, count - 1, self.settings.batch)
        for i, start in enumerate(starts):
            if i % CHECK_EVERY == 0:
                self.progress.check()
            self._set_rate(number + i / len(starts))
            step(start)
        return float(self._total) / max(len(starts), 1)

    def learn(self, rows: Inputs, target: Target) -> None:
        """One step on some rows; the loss is added up where they are, without waiting for it."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._loss(rows, target)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._total += loss.detach()

    def close(self) -> None:
        """Let go of the graph and its memory now, not when Python finds the circle."""
        self._captured = None

    def _sliced(self, order: torch.Tensor) -> Step:
        rows, target = self.rows.take(order), self.target.take(order)

        def step(start: int) -> None:
            part = slice(start, start + self.settings.batch)
            self.learn(rows.take(part), target.take(part))

        return step

    def _loss(self, rows: Inputs, target: Target) -> torch.Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            logits = self._forward(rows.numbers, rows.codes)
        logits, y, weight = logits.float(), target.y, target.weight
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
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


@contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing is freed in a capture that was not made in it: an older graph's end would invalidate the new one."""
    gc.collect()
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Captured:
    """A whole step as one CUDA graph, replayed: the launches of a small network cost more than their work.

    The graph reads its batch itself, at a place in the order that moves on with each replay, so that a
    step is one call and nothing is copied. The first steps of a run and each epoch's last, shorter batch
    are taken one by one. (The method is torch's own: docs, "CUDA semantics", whole-network capture.)
    """

    def __init__(self, loop: Loop, batch: int) -> None:
        self._loop, self._batch = loop, batch
        self._order = torch.zeros(len(loop.rows), dtype=torch.int64, device=loop.device)
        self._at = torch.zeros(1, dtype=torch.int64, device=loop.device)
        self._ahead = torch.arange(batch, device=loop.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._eager = 0

    def over(self, order: torch.Tensor) -> Step:
        """The steps of an epoch in this order of the rows."""
        self._order.copy_(order)
        self._at.zero_()
        return self._step

    def _step(self, start: int) -> None:
        if start + self._batch > len(self._order):
            self._learn(self._order[start:])
        elif self._graph is not None:
            self._graph.replay()
        else:
            self._beside()
            self._eager += 1
            if self._eager == EAGER and self._fits():
                self._graph = self._capture()

    def _fits(self) -> bool:
        """Whether the GPU has room for a graph, which holds memory of its own: as much as a step had at once.

        One that is too small has to be seen before: torch can't take back a capture that runs out of memory.
        """
        device = self._loop.device
        held = torch.cuda.memory_allocated(device)
        free, total = torch.cuda.mem_get_info(device)
        allowed = torch.cuda.get_per_process_memory_fraction(device) * total
        room = min(free + torch.cuda.memory_reserved(device), allowed) - held
        if room > 2 * (torch.cuda.max_memory_allocated(device) - held) + SPARE:
            return True
        self._loop.progress.log("The GPU has too little memory to capture whole steps: going on step by step")
        return False

    def _capture(self) -> torch.cuda.CUDAGraph:
        """A step that is written down and not taken."""
        graph, groups = torch.cuda.CUDAGraph(), self._loop.optimiser.param_groups
        for group in groups:
            group["capturable"] = True
        with _no_collection(), torch.cuda.graph(graph):
            self._next()
        for group in groups:
            group["capturable"] = False
        return graph

    def _beside(self) -> None:
        """One step on a stream of its own, as a capture takes it; what it needs at once is measured."""
        torch.cuda.reset_peak_memory_stats(self._loop.device)
        stream, here = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            self._next()
        here.wait_stream(stream)

    def _next(self) -> None:
        self._learn(self._order[self._at + self._ahead])
        self._at += self._batch

    def _learn(self, index: torch.Tensor) -> None:
        self._loop.learn(self._loop.rows.take(index), self._loop.target.take(index))


def rate_share(schedule: str, done: float) -> float:
    """Which share of the learning rate holds after ``done`` (0 to 1) of all epochs.

    cosine falls to a hundredth (Loshchilov and Hutter 2017); one_cycle rises from a tenth over the
    first three tenths before (Smith and Topin 2019).
    """
    warm = 0.3 if schedule == "one_cycle" else 0.0
    if done < warm:
        return 0.1 + 0.9 * done / warm
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (done - warm) / (1.0 - warm)))
