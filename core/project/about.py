"""What a person says of a table for its data sheet: licence, citation and prose. Facts come from records."""

from __future__ import annotations

from pydantic import Field

from core.kernel.records import Record

SECTIONS = ("motivation", "composition", "collection", "preprocessing", "uses", "distribution", "maintenance")


class About(Record):
    """Sections after Gebru et al. (2021), *Datasheets for Datasets*. Longer prose may stand in ``sheets/TABLE.md``."""

    licence: str = Field(default="", description="Name or address of the licence, such as CC0-1.0")
    citation: str = Field(default="", description="How to cite it")
    url: str = Field(default="", description="Where it is described")
    creator: str = Field(default="", description="Who made it")
    motivation: str = Field(default="", description="Why it was made")
    composition: str = Field(default="", description="What its rows are, and what is missing")
    collection: str = Field(default="", description="How and when it was gathered, and whether people agreed")
    preprocessing: str = Field(default="", description="What was done to it before it came here")
    uses: str = Field(default="", description="What it is for, and what it must not be used for")
    distribution: str = Field(default="", description="Who may get it, under which terms")
    maintenance: str = Field(default="", description="Who keeps it, and how errors are put right")

    def prose(self) -> dict[str, str]:
        """What was written, by section."""
        return {name: getattr(self, name) for name in SECTIONS if getattr(self, name)}
