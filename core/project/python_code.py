"""The project's own Python: held to its digest, imported from the very bytes that were digested."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable
from importlib.abc import SourceLoader
from pathlib import Path
from typing import Any

from core.kernel.digests import digest_bytes
from core.kernel.errors import InputError
from core.project.python_tables import function_text


class _Verified(SourceLoader):
    """Imports a module from the very bytes that were digested, not from what the file holds by now."""

    def __init__(self, name: str, file: str, text: bytes) -> None:
        self.name, self._file, self._text = name, file, text

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 - the one module it knows
        """The file's name, as errors show it."""
        return self._file

    def get_data(self, path: str) -> bytes:
        """The bytes of the source. No compiled form of it is looked for."""
        if path != self._file:
            raise FileNotFoundError(path)
        return self._text


def load_function(function: str, source: str, folder: Path, module: str, where: str) -> Callable[..., Any]:
    """The function ``FILE.py:NAME`` of a project, whose file must have the digest ``source``.

    The file may import what is installed; it does not see its neighbours, which have no digest.

    Raises:
        InputError: when the file changed after the job was queued, or its code fails on import.
    """
    text = function_text(function, folder)
    if digest_bytes(text) != source:
        raise InputError(f"{function} changed after the job was queued", where=where, remedy="Run again")
    file, _, wanted = function.partition(":")
    loader = _Verified(f"plimsoll_project_{module}", file, text)
    made = importlib.util.spec_from_loader(loader.name, loader)
    assert made is not None
    loaded = importlib.util.module_from_spec(made)
    try:
        loader.exec_module(loaded)
    except Exception as error:  # whatever the project's own code does wrong is told as its fault
        raise code_failed(function, where, error) from error
    found: Callable[..., Any] = getattr(loaded, wanted)
    return found


def code_failed(function: str, where: str, error: Exception) -> InputError:
    """A fault of the project's own code, with the line on which it happened."""
    file = function.partition(":")[0]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = f"{file}:{lines[-1]}" if lines else file
    return InputError(f"{function} failed", detail=f"{place}: {type(error).__name__}: {error}", where=where)
