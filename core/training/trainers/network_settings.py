"""Settings of the network trainer. They know nothing of torch, so that a project is checked without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from core.kernel.records import Record
from core.training.weighing import CLASS_WEIGHT_WORDS, ClassWeight


class Settings(Record):
    """Settings of the network trainer."""

    architecture: Literal["mlp", "resnet", "transformer"] = "mlp"
    hidden: list[int] = Field(default=[64, 32], min_length=1, description="mlp: width of each layer")
    width: int = Field(default=64, ge=2, description="resnet and transformer: width of every block")
    blocks: int = Field(default=2, ge=1, description="resnet and transformer: how many blocks")
    heads: int = Field(default=4, ge=1, description="transformer: heads of attention; they divide the width")
    embedding: int = Field(default=8, ge=1, description="mlp and resnet: width of each category's embedding")
    epochs: int = Field(default=12, ge=1)
    patience: int = Field(default=3, ge=1, description="Epochs without a better validation figure before stopping")
    batch: int = Field(default=1024, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    schedule: Literal["constant", "cosine", "one_cycle"] = Field(
        default="constant", description="How the learning rate goes over all epochs; one_cycle warms up first"
    )
    weight_decay: float = Field(default=1e-5, ge=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    class_weight: ClassWeight = Field(default="none", description=CLASS_WEIGHT_WORDS)
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto takes CUDA where there is one")
    precision: Literal["auto", "float32"] = Field(default="auto", description="auto: bfloat16 products on CUDA")
    compile: bool = Field(default=False, description="torch.compile: worth it on a GPU and long runs only")
    threads: int = Field(
        default=1, ge=1, description="Part of the result; on a busy machine, more threads mostly wait for each other"
    )

    @model_validator(mode="after")
    def heads_fit(self) -> Settings:
        """The heads share the width."""
        if self.architecture == "transformer" and self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self
