"""Croissant 1.1: a table's metadata as JSON-LD that other tools load records by (mlcommons.org/croissant)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from core.data.records import ColumnType
from core.kernel.records import Record

CONFORMS = "http://mlcommons.org/croissant/1.1"
_TYPES = {
    "int": "cr:Int64",
    "float": "cr:Float64",
    "text": "sc:Text",
    "bool": "sc:Boolean",
    "time": "sc:DateTime",
    "date": "sc:Date",
    "no values": "sc:Text",
}
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
}
_TERMS = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)


class ExportedFile(Record):
    """A Parquet file that lies beside the metadata: its name there, its SHA-256 and its size in bytes."""

    name: str
    sha256: str
    bytes: int


class CroissantFacts(Record):
    """What the metadata says beside its columns. ``key`` columns identify a row; ``personal`` ones were minimised."""

    table: str
    title: str
    description: str
    version: str
    published: str
    licence: str = ""
    citation: str = ""
    url: str = ""
    creator: str = ""
    key: list[str] = Field(default_factory=list)
    minimised: dict[str, str] = Field(default_factory=dict)
    notes: dict[str, str] = Field(default_factory=dict)


def croissant(facts: CroissantFacts, columns: Sequence[ColumnType], file: ExportedFile) -> dict[str, Any]:
    """One dataset with one record set over one Parquet file that lies beside the metadata."""
    said = {
        "url": facts.url,
        "license": facts.licence,
        "citeAs": facts.citation,
        "creator": {"@type": "sc:Organization", "name": facts.creator} if facts.creator else "",
        "version": facts.version,
        "datePublished": facts.published,
        "rai:dataCollection": facts.notes.get("collection", ""),
        "rai:dataPreprocessingProtocol": facts.notes.get("preprocessing", ""),
        "rai:dataUseCases": facts.notes.get("uses", ""),
        "rai:personalSensitiveInformation": _personal(facts),
        "rai:dataReleaseMaintenancePlan": facts.notes.get("maintenance", ""),
    }
    return {
        "@context": _CONTEXT | {term: f"cr:{term}" for term in _TERMS.split()},
        "@type": "sc:Dataset",
        "name": facts.table,
        "description": facts.description or facts.title,
        "conformsTo": CONFORMS,
        "isLiveDataset": False,
        **{name: value for name, value in said.items() if value},
        "distribution": [_file(file)],
        "recordSet": [_record_set(facts, columns, file.name)],
    }


def _file(file: ExportedFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _record_set(facts: CroissantFacts, columns: Sequence[ColumnType], file: str) -> dict[str, Any]:
    fields = [_field(facts, column, file) for column in columns]
    ids = {column.name: field["@id"] for column, field in zip(columns, fields, strict=True)}
    key = [{"@id": ids[name]} for name in facts.key if name in ids]
    made = {"@type": "cr:RecordSet", "@id": facts.table, "name": facts.table, "field": fields}
    return made | ({"key": key if len(key) > 1 else key[0]} if key else {})


def _field(facts: CroissantFacts, column: ColumnType, file: str) -> dict[str, Any]:
    how = facts.minimised.get(column.name, "")
    return {
        "@type": "cr:Field",
        "@id": f"{facts.table}/{re.sub(r'[^A-Za-z0-9_.-]', '_', column.name)}",
        "name": column.name,
        "description": f"Personal data: {how}" if how else f"Column {column.name}, {column.type}",
        "dataType": _TYPES.get(column.type, "sc:Text"),
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }


def _personal(facts: CroissantFacts) -> str:
    return "; ".join(f"{name}: {how}" for name, how in sorted(facts.minimised.items()))
