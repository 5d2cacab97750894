"""Networks for tables: a plain one, one with residual blocks, and a small transformer over the columns.

A network reads what :class:`Reader` prepares once: standardised numbers with their missing indicators
[n, m], and rows of one shared table of all categories [n, c].

Sources: Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data" (residual blocks and
the transformer over feature tokens), with layer instead of batch normalisation, so that a row's answer
never depends on the rows beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from core.training.matrices import Columns, Matrix
from core.training.scaling import BLOCK, CLIP, Scaling

if TYPE_CHECKING:
    from core.training.trainers.network_settings import Settings


@dataclass(frozen=True)
class Inputs:
    """Prepared rows: float32 [n, m] and int64 [n, c]."""

    numbers: torch.Tensor
    codes: torch.Tensor

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: torch.Tensor | slice) -> Inputs:
        """Some of the rows."""
        return Inputs(self.numbers[rows], self.codes[rows])

    def to(self, device: torch.device) -> Inputs:
        """The same rows on a device."""
        return Inputs(self.numbers.to(device), self.codes.to(device))


class Reader:
    """Prepares a matrix. ``holes`` are the numbers that train has missing: only they get an indicator."""

    def __init__(self, columns: Columns, scaling: Scaling, x: Matrix) -> None:
        self.columns, self.scaling = columns, scaling
        missing = np.flatnonzero(np.isnan(x).sum(axis=0)).tolist()
        self.holes = [i for i, column in enumerate(columns.numbers) if column in missing]

    def read(self, x: Matrix) -> Inputs:
        """Rows [n, d] as a network reads them, in float32 as the graph does it."""
        mean, scale = (part.astype(np.float32) for part in (self.scaling.mean, self.scaling.scale))
        k = len(self.columns.numbers)
        out = np.empty((len(x), self.width), dtype=np.float32)
        for start in range(0, len(x), BLOCK):
            numbers = x[start : start + BLOCK, self.columns.numbers]
            missing = np.isnan(numbers)
            np.copyto(numbers, np.broadcast_to(mean, numbers.shape), where=missing)
            numbers -= mean
            numbers /= scale
            np.clip(numbers, -CLIP, CLIP, out=out[start : start + BLOCK, :k])
            out[start : start + BLOCK, k:] = missing[:, self.holes]
        codes = x[:, self.columns.categories].astype(np.int64) + np.array(self.columns.offsets, dtype=np.int64)
        return Inputs(torch.from_numpy(out), torch.from_numpy(codes))

    @property
    def width(self) -> int:
        """How many numbers a row has, indicators included."""
        return len(self.columns.numbers) + len(self.holes)


class Embedded(nn.Module):
    """All inputs beside each other [n, w]: embedded categories, then numbers."""

    def __init__(self, reader: Reader, embedding: int) -> None:
        super().__init__()
        self.categories = len(reader.columns.categories)
        self.table = nn.Embedding(max(sum(reader.columns.sizes), 1), embedding)
        nn.init.normal_(self.table.weight, std=0.1)
        self.width = self.categories * embedding + reader.width

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        if not self.categories:
            return numbers
        return torch.cat([self.table(codes).flatten(1), numbers], dim=1)


class Plain(nn.Module):
    """Layers one after the other."""

    def __init__(self, reader: Reader, settings: Settings, outputs: int) -> None:
        super().__init__()
        self.inputs = Embedded(reader, settings.embedding)
        widths = [self.inputs.width, *settings.hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1], outputs)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        out = self.inputs(numbers, codes)
        for layer in self.hidden:
            out = self.dropout(torch.relu(layer(out)))
        return self.last(out)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Normalise, widen, narrow, and add to what came in."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.dropout(self.narrow(self.dropout(torch.relu(self.wide(self.norm(x))))))
        return out


class Residual(nn.Module):
    """Residual blocks of one width."""

    def __init__(self, reader: Reader, settings: Settings, outputs: int) -> None:
        super().__init__()
        self.inputs = Embedded(reader, settings.embedding)
        self.first = nn.Linear(self.inputs.width, settings.width)
        self.blocks = nn.ModuleList(Block(settings.width, settings.dropout) for _ in range(settings.blocks))
        self.norm = nn.LayerNorm(settings.width)
        self.last = nn.Linear(settings.width, outputs)

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        out = self.first(self.inputs(numbers, codes))
        for block in self.blocks:
            out = block(out)
        return self.last(torch.relu(self.norm(out)))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Every token looks at every other one (Vaswani et al. 2017), and adds what it saw."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.norm(x)
        query, key, value = (
            layer(seen).unflatten(2, (self.heads, self.size)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        share = torch.softmax(query @ key.transpose(2, 3) * self.size**-0.5, dim=3)
        out: torch.Tensor = x + self.dropout(self.out((share @ value).transpose(1, 2).flatten(2)))
        return out


class Transformer(nn.Module):
    """Each column a token, and one more that gathers the answer."""

    def __init__(self, reader: Reader, settings: Settings, outputs: int) -> None:
        super().__init__()
        self.categories = len(reader.columns.categories)
        self.table = nn.Embedding(max(sum(reader.columns.sizes), 1), settings.width)
        self.weight = nn.Parameter(torch.randn(reader.width, settings.width) * 0.1)
        self.bias = nn.Parameter(torch.randn(reader.width, settings.width) * 0.1)
        self.answer = nn.Parameter(torch.zeros(1, 1, settings.width))
        nn.init.normal_(self.table.weight, std=0.1)
        self.looks = nn.ModuleList(
            Attention(settings.width, settings.heads, settings.dropout) for _ in range(settings.blocks)
        )
        self.blocks = nn.ModuleList(Block(settings.width, settings.dropout) for _ in range(settings.blocks))
        self.norm = nn.LayerNorm(settings.width)
        self.last = nn.Linear(settings.width, outputs)

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        tokens = [self.answer.expand(len(numbers), 1, -1), numbers.unsqueeze(2) * self.weight + self.bias]
        out = torch.cat([*tokens, *([self.table(codes)] if self.categories else [])], dim=1)
        for look, block in zip(self.looks, self.blocks, strict=True):
            out = block(look(out))
        return self.last(torch.relu(self.norm(out[:, 0])))  # type: ignore[no-any-return]


ARCHITECTURES: dict[str, type[Plain | Residual | Transformer]] = {
    "mlp": Plain,
    "resnet": Residual,
    "transformer": Transformer,
}
