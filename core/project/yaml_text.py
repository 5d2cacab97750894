"""YAML text to plain values, with the line of every value, reading nothing that could run or explode.

Built on ruamel.yaml's event stream (YAML 1.2) instead of its constructors: no object is ever made
from a tag, nesting is bounded without recursion, duplicate keys are seen, and reading goes on after
an error so that all of them are reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

from core.kernel.errors import Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 24
MAX_ALIASES = 64
MAX_VALUES = 50_000
PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp")}

Path_ = tuple[str | int, ...]


@dataclass
class YamlValue:
    """What a text holds: the plain ``value``, the line of each path in it, and what is wrong."""

    value: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Open:
    """A mapping or list that is still being read."""

    value: dict[Any, Any] | list[Any]
    path: Path_
    anchor: str | None
    before: int
    is_key: bool = False
    key: str | None = None
    skip: bool = False

    def child(self) -> Path_:
        return (*self.path, self.key) if self.key is not None else (*self.path, len(self.value))


class _TooMuch(Exception):
    """A bound is passed; reading stops."""


class _Reader:
    """Builds one value from events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.out = YamlValue()
        self.yaml = YAML(typ="safe", pure=True)
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliases = self.values = self.documents = 0

    def problem(self, what: str, line: int, expected: str = "", remedy: str = "") -> None:
        place = f"{self.name}:{line}" if line else self.name
        self.out.problems.append(Problem(what=what, where=place, expected=expected, remedy=remedy))

    def read(self, text: str) -> YamlValue:
        try:
            for event in self.yaml.parse(text):
                handler = getattr(self, "on_" + type(event).__name__, None)
                if handler is not None:
                    handler(event, event.start_mark.line + 1)
        except _TooMuch:
            pass
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problem(_sentence(error), mark.line + 1 if mark else 0, remedy="Check indentation, colons and quotes")
        except YAMLError as error:
            self.problem("The text cannot be read as YAML", 0, remedy=str(error).splitlines()[0])
        return self.out

    def stop(self, what: str, line: int, expected: str) -> None:
        self.problem(what, line, expected, "Reading stopped here")
        raise _TooMuch

    def count(self, values: int, line: int) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            self.stop("The file holds too many values", line, f"at most {MAX_VALUES:,}, aliases counted in full")

    # Events, named as ruamel.yaml names them.

    def on_DocumentStartEvent(self, _event: Any, line: int) -> None:
        self.documents += 1
        if self.documents > 1:
            self.stop("A second document starts here", line, "one document in the file")

    def on_MappingStartEvent(self, event: Any, line: int) -> None:
        self.start({}, event, line)

    def on_SequenceStartEvent(self, event: Any, line: int) -> None:
        self.start([], event, line)

    def on_MappingEndEvent(self, _event: Any, line: int) -> None:
        self.finish(line)

    def on_SequenceEndEvent(self, _event: Any, line: int) -> None:
        self.finish(line)

    def on_AliasEvent(self, event: Any, line: int) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.stop("The file uses too many aliases", line, f"at most {MAX_ALIASES}")
        if event.anchor not in self.anchors:
            self.problem(f"The alias *{event.anchor} names nothing", line, f"an anchor &{event.anchor} above it")
            return self.put(None, line)
        value, size = self.anchors[event.anchor]
        self.count(size, line)
        return self.put(value, line)

    def on_ScalarEvent(self, event: Any, line: int) -> None:
        self.count(1, line)
        value = self.scalar(event, line)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self.put(value, line)

    # Values.

    def scalar(self, event: Any, line: int) -> Any:
        waits_for_key = self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key is None
        if waits_for_key:
            return event.value
        tag = self.tag_of(event, line) or str(self.yaml.resolver.resolve(ScalarNode, event.value, event.implicit))
        if tag not in PLAIN_TAGS:
            return event.value
        node = ScalarNode(tag, event.value, event.start_mark, event.end_mark, style=event.style)
        try:
            return self.yaml.constructor.construct_object(node)
        except (ValueError, OverflowError, YAMLError):
            self.problem(f"{event.value!r} is not a valid {tag.rsplit(':', 1)[1]}", line)
            return None

    def tag_of(self, event: Any, line: int) -> str | None:
        """The event's own tag, if it is one that may stand here."""
        tag = str(event.tag) if event.tag is not None else None
        if tag is not None and tag not in PLAIN_TAGS and tag not in ("!", *_COLLECTION_TAGS):
            self.problem(f"The tag {tag} is not read", line, "plain values only", "Remove the tag")
            return "tag:yaml.org,2002:str"
        return tag if tag in PLAIN_TAGS else None

    def start(self, value: dict[Any, Any] | list[Any], event: Any, line: int) -> None:
        self.tag_of(event, line)
        if len(self.open) >= MAX_DEPTH:
            self.stop("The file is nested too deeply", line, f"at most {MAX_DEPTH} levels")
        before = self.values
        self.count(1, line)
        outer = self.open[-1] if self.open else None
        is_key = outer is not None and isinstance(outer.value, dict) and outer.key is None
        if is_key:
            self.problem("A key is a mapping or a list", line, "text as a key")
        path = outer.child() if outer else ()
        self.out.lines.setdefault(path, line)
        self.open.append(_Open(value, path, event.anchor, before, is_key))

    def finish(self, line: int) -> None:
        done = self.open.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.values - done.before)
        if done.is_key:
            self.open[-1].key, self.open[-1].skip = "", True
        else:
            self.put(done.value, line)

    def put(self, value: Any, line: int) -> None:
        """Give a finished value to what is open around it."""
        if not self.open:
            self.out.value = value
            return
        outer = self.open[-1]
        if isinstance(outer.value, list):
            self.out.lines.setdefault(outer.child(), line)
            outer.value.append(value)
        elif outer.key is None:
            self.take_key(outer, value, line)
        else:
            if not outer.skip:
                outer.value[outer.key] = value
            outer.key, outer.skip = None, False

    def take_key(self, outer: _Open, key: Any, line: int) -> None:
        outer.key = str(key)
        assert isinstance(outer.value, dict)
        if key == "<<":
            outer.skip = True
            self.problem("Merge keys (<<) are not read", line, remedy="Write the merged keys out")
        elif outer.key in outer.value:
            outer.skip = True
            first = self.out.lines.get(outer.child(), 0)
            self.problem(f"The key {outer.key!r} is given twice", line, remedy=f"It stands on line {first} already")
        else:
            self.out.lines[outer.child()] = line


_COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def _sentence(error: MarkedYAMLError) -> str:
    parts = [str(part).strip() for part in (error.problem, error.context) if part]
    return "YAML cannot be read: " + ", ".join(parts)


def read_yaml(text: str, name: str) -> YamlValue:
    """Read YAML ``text``; ``name`` is the file's name in the places of problems.

    Bounds: 1 MB, 24 levels, 64 aliases, 50,000 values with aliases counted in full.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        problem = Problem("The file is too large", where=name, expected=f"at most {MAX_BYTES:,} bytes")
        return YamlValue(problems=[problem])
    return _Reader(name).read(text)
