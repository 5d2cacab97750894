"""What machines cost."""

from __future__ import annotations

from pydantic import Field

from core.kernel.records import Record


class Rates(Record):
    """What an hour costs, in any unit: every run then tells what it cost."""

    cpu_hour: float = Field(default=0.0, ge=0, description="An hour of one core, as the process used it")
    gpu_hour: float = Field(default=0.0, ge=0, description="An hour of a GPU, from the start of the job to its end")
