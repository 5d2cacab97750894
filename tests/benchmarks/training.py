"""The network trainer against a bare loop over permuted slices with fused Adam, and a DataLoader loop as a peer.

Run it as ``python tests/benchmarks/training.py [ROWS] [--epochs N] [--device cuda]``; 500,000 rows x 40 columns
unless ROWS says otherwise. All three train the same layers on the same rows, one thread, each in a process of its
own, the bare loop first and last; the trainer also validates, measures, writes checkpoints and tells its progress
after every epoch. CPU seconds (wall seconds on a GPU), without imports and without making the table; on a GPU each
process trains a short table first, which loads the kernels, and says what that took. Without a CUDA device
``--device cuda`` says so and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])  # not this folder: its profile.py is not the library's

import numpy as np  # noqa: E402

WIDTH, BATCH, HIDDEN, DROPOUT, RATE, LATER = 40, 1024, [64, 32], 0.1, 2e-3, 0.1
WAYS = ("bare", "trainer", "dataloader")


def table(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers with a signal of two kinds: sums, and one product."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, WIDTH)).astype(np.float32)
    logit = x[:, :10] @ np.linspace(0.5, -0.5, 10) + x[:, 10] * x[:, 11] + 0.5 * np.abs(x[:, 12])
    y = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    return x, y


def network() -> Any:
    """The same layers as the trainer's."""
    from torch import nn

    widths = [WIDTH, *HIDDEN]
    layers: list[Any] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1))


def bare(x: Any, y: Any, epochs: int, device: Any) -> Any:
    """Nothing but what training is: permute, slice, forward, backward, step."""
    import torch

    model = network().to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=1e-5, fused=True)
    x, y = torch.from_numpy(x).to(device), torch.from_numpy(y.astype(np.float32)).to(device)
    x = (x - x.mean(0)) / x.std(0)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(x)).to(device)
        xs, ys = x[order], y[order]
        for start in range(0, len(x), BATCH):
            optimiser.zero_grad(set_to_none=True)
            loss_of(model(xs[start : start + BATCH]).squeeze(1), ys[start : start + BATCH]).backward()
            optimiser.step()
    return lambda rows: _scores(model, rows, device)


def dataloader(x: Any, y: Any, epochs: int, device: Any) -> Any:
    """The loop of most tutorials."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    model = network().to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=1e-5)
    rows = TensorDataset(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    model.train()
    for _ in range(epochs):
        for xb, yb in DataLoader(rows, batch_size=BATCH, shuffle=True):
            optimiser.zero_grad()
            loss_of(model(xb.to(device)).squeeze(1), yb.to(device)).backward()
            optimiser.step()
    return lambda rows: _scores(model, rows, device)


def trainer(x: Any, y: Any, later: Any, epochs: int, device: str) -> Any:
    """Plimsoll's own, with everything that it does beside training."""
    from core.kernel.progress import Silent
    from core.project.candidates import Candidate
    from core.training.matrices import Columns, TrainingData
    from core.training.trainers import mlp
    from core.training.trainers.fitted import Order

    data = TrainingData(Columns(list(range(WIDTH)), [], []), x, y, *later)
    settings = mlp.Settings(
        hidden=HIDDEN, batch=BATCH, epochs=epochs, patience=epochs, dropout=DROPOUT, learning_rate=RATE, device=device
    )
    with tempfile.TemporaryDirectory() as folder:
        order = Order(data, 7, Path(folder), Silent(), Candidate(trainer="mlp"))
        return mlp.fit(order, settings).native


def _scores(model: Any, rows: np.ndarray, device: Any) -> np.ndarray:
    import torch

    model.eval()
    with torch.inference_mode():
        return model(torch.from_numpy(rows).to(device)).squeeze(1).cpu().numpy()


def run(way: str, x: Any, y: Any, later: Any, epochs: int, device: str) -> Any:
    """Train in one way; the function that scores rows."""
    if way == "trainer":
        return trainer(x, y, later, epochs, device)
    return (bare if way == "bare" else dataloader)(x, y, epochs, torch_device(device))


def torch_device(name: str) -> Any:
    """The device of this name."""
    import torch

    return torch.device(name)


def one(way: str, rows: int, epochs: int, device: str) -> None:
    """Train one way in this process and print seconds and AUC."""
    import torch

    from core.measures.classification import roc_auc
    from core.training.trainers import mlp  # noqa: F401 - the imports are no part of the time

    torch.set_num_threads(1)
    torch.manual_seed(7)
    x, y = table(rows + int(rows * LATER))
    later = (x[rows:], y[rows:])
    x, y = x[:rows], y[:rows]
    begun = time.perf_counter()
    if device == "cuda":
        run(way, x[: 8 * BATCH], y[: 8 * BATCH], later, 1, device)
        torch.cuda.synchronize()
    loading = time.perf_counter() - begun
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    predict = run(way, x, y, later, epochs, device)
    if device == "cuda":
        torch.cuda.synchronize()
    after, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - begun
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    auc = roc_auc(later[1], predict(later[0]))
    print(json.dumps({"seconds": wall if device == "cuda" else cpu, "auc": auc, "loading": loading}))


def main() -> None:
    """Run every way and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=500_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--way", choices=WAYS)
    told = parser.parse_args()
    if told.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            print("skipped: torch finds no CUDA device here")
            return
    if told.way:
        one(told.way, told.rows, told.epochs, told.device)
        return
    found: dict[str, list[dict[str, float]]] = {}
    for way in ("bare", "trainer", "dataloader", "bare"):
        command = [sys.executable, __file__, str(told.rows), "--epochs", str(told.epochs), "--device", told.device]
        done = subprocess.run([*command, "--way", way], capture_output=True, text=True, check=True)
        found.setdefault(way, []).append(json.loads(done.stdout))
    floor = min(made["seconds"] for made in found["bare"])
    unit = "wall s" if told.device == "cuda" else "CPU s"
    print(f"{told.rows:,} rows x {WIDTH} columns, {told.epochs} epochs, {told.device}")
    for way, made in found.items():
        best = min(made, key=lambda item: item["seconds"])
        loading = f"  (before: {best['loading']:.2f} s)" if told.device == "cuda" else ""
        print(
            f"{way:12} {best['seconds']:8.2f} {unit}  {best['seconds'] / floor:5.2f}x  AUC {best['auc']:.4f}{loading}"
        )


if __name__ == "__main__":
    main()
