"""The online store in Redis, where several servers share one: the same verbs as the file, one round trip a lookup.

Each entity is a sorted set of versions by the second from which they are valid. One script writes a batch and
how far its plan has come, so that Redis runs both or neither; another looks a value up in the generation
that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from core.kernel.digests import strict_json
from core.kernel.errors import InputError, SystemFault
from core.serving.forgetting import Subject
from core.serving.online_records import VERSIONS, Held, Row, Step, Value, entity_bytes, out_of_order

PREFIX = "plimsoll"
AT_ONCE = 2_000  # rows in one script: Redis answers nobody else meanwhile
SCAN = 5_000

# KEYS: held, generations. ARGV: view, key prefix, versions, expected held, new held, generation that counts from
# now on, then entity, seconds, data for each row.
WRITE = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[4] then return -1 end
for i = 7, #ARGV, 3 do
  local key = ARGV[2] .. ARGV[i]
  redis.call('ZREMRANGEBYSCORE', key, ARGV[i + 1], ARGV[i + 1])
  redis.call('ZADD', key, ARGV[i + 1], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
  redis.call('ZREMRANGEBYRANK', key, 0, -1 - tonumber(ARGV[3]))
end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[6]) end
return (#ARGV - 6) / 3
"""
# KEYS: generations. ARGV: view, key prefix without generation, then entity and seconds for each row.
READ = """
local space = ARGV[2] .. (redis.call('HGET', KEYS[1], ARGV[1]) or '0') .. ':'
local out = {}
for i = 3, #ARGV, 2 do
  local found = redis.call('ZREVRANGEBYSCORE', space .. ARGV[i], ARGV[i + 1], '-inf', 'LIMIT', 0, 1)
  out[#out + 1] = found[1] or ''
end
return out
"""


class RedisStore:
    """Feature values of one project in one Redis server."""

    def __init__(self, url: str, project: str, password: str | None = None, *, versions: int = VERSIONS) -> None:
        """``url`` is redis://host:port/number or rediss://…, without a password: that comes apart from it.

        Raises:
            InputError: for another form of address. SystemFault: when no server answers.
        """
        import redis

        address_of(url)
        self._fault: type[Exception] = redis.exceptions.RedisError
        self._space = f"{PREFIX}:{project}:"
        self._versions = versions
        self._redis: Any = redis.Redis.from_url(url, password=password, socket_timeout=30.0, socket_connect_timeout=5.0)
        self._write = self._redis.register_script(WRITE)
        self._read = self._redis.register_script(READ)
        try:
            self._redis.ping()
        except self._fault as error:
            raise SystemFault("Redis does not answer", detail=_said(error), where=address_of(url)) from error

    def upsert(self, view: str, rows: Iterable[Row]) -> int:
        """Write versions outside any plan; the same entity and time replaces."""
        given, written = list(rows), 0
        for start in range(0, len(given), AT_ONCE):
            text = self._text(view)
            generation = _held(text).generation
            written += self._put(view, generation, text, None, given[start : start + AT_ONCE])
        return written

    def load(self, view: str, step: Step, rows: Sequence[Row]) -> int:
        """Write one batch of a plan, in several scripts where it is large; each notes how far the plan has come.

        Raises:
            InputError: when the batch leaves a gap. SystemFault: another process wrote the view meanwhile.
        """
        written, parts = 0, [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)] or [rows]
        for number, part in enumerate(parts):
            mark = step.mark if number == len(parts) - 1 else None
            one = step.model_copy(update={"first": step.first + number * AT_ONCE, "mark": mark})
            written += self._load(view, one, part)
        return written

    def _load(self, view: str, step: Step, rows: Sequence[Row]) -> int:
        text = self._text(view)
        before = _held(text)
        if before.plan == step.plan and step.first < before.done:
            return 0
        held = before.begun(step)
        if step.first != held.done:
            raise out_of_order(view, held, step)
        if step.replace and step.first == 0:  # what a plan that was given up had written
            self._drop(view, held.filling)
        after = held.after(step, len(rows))
        self._put(view, held.filling, text, after, rows)
        if after.generation != before.generation:
            self._drop(view, before.generation)
        return len(rows)

    def forget(self, subject: Subject) -> int:
        """Remove a person's entities, and versions that name the person, in every view and generation."""
        keys = list(self._ask(lambda: list(self._redis.scan_iter(match=f"{self._space}*#*:*", count=SCAN))))
        gone = 0
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            gone += self._forget(subject, some, self._ask(self._members, some))
        return gone

    def _members(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zrange(key, 0, -1)
            found: list[list[bytes]] = pipe.execute()
        return found

    def _forget(self, subject: Subject, keys: Sequence[bytes], members: Sequence[list[bytes]]) -> int:
        gone = 0
        for key, held in zip(keys, members, strict=True):
            view, _, rest = key.decode().removeprefix(self._space).partition("#")
            if subject.entity(view, orjson.loads(rest.partition(":")[2])):
                self._ask(self._redis.unlink, key)
                gone += len(held)
                continue
            named = [item for item in held if subject.holds(orjson.loads(item.partition(b" ")[2]))]
            if named:
                gone += int(self._ask(self._redis.zrem, key, *named))
        return gone

    def held(self) -> dict[str, Held]:
        """How far each view was materialised."""
        found: dict[bytes, bytes] = self._ask(self._redis.hgetall, self._space + "held")
        return {view.decode(): _held(text.decode()) for view, text in sorted(found.items())}

    def lookup(
        self, view: str, key: Sequence[Value], at: float, max_age_s: float | None = None
    ) -> dict[str, Value] | None:
        """The values that were valid at ``at`` (s since 1970); None when absent or older than ``max_age_s``."""
        return self.look_up(view, [(at, tuple(key))], max_age_s)[0]

    def look_up(
        self, view: str, asked: Sequence[tuple[float, tuple[Value, ...]]], max_age_s: float | None
    ) -> list[dict[str, Value] | None]:
        """:meth:`lookup` for many (instant, entity key), two thousand in one round trip."""
        out: list[dict[str, Value] | None] = []
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            words = [part for at, key in some for part in (entity_bytes(key), repr(at))]
            names = [self._space + "generation"]
            found = self._ask(self._read, keys=names, args=[view, f"{self._space}{view}#", *words])
            out += [_value(item, at, max_age_s) for item, (at, _) in zip(found, some, strict=True)]
        return out

    def freshness(self) -> dict[str, dict[str, Any]]:
        """For each view: the newest valid time of its last materialisation, and how far it reaches."""
        marks = {view: held.mark for view, held in self.held().items()}
        return {view: {"newest": mark.newest, "until": mark.until} for view, mark in marks.items() if mark}

    def count(self, view: str) -> tuple[int, int]:
        """Versions and entities of a view that are held."""
        generation = self.held().get(view, Held()).generation
        keys = list(self._keys(view, generation))
        counts = [self._ask(self._redis.zcard, key) for key in keys]
        return sum(counts), len(keys)

    def close(self) -> None:
        """Hang up."""
        self._redis.close()

    def _put(self, view: str, generation: int, expected: str, after: Held | None, rows: Sequence[Row]) -> int:
        news = (after.model_dump_json(), str(after.generation)) if after else ("", "")
        words: list[Any] = [view, f"{self._space}{view}#{generation}:", self._versions, expected, *news]
        for at, key, values in rows:
            words += (entity_bytes(key), repr(at), orjson.dumps(dict(values)))
        written = int(self._ask(self._write, keys=[self._space + "held", self._space + "generation"], args=words))
        if written < 0:
            raise SystemFault(f"Somebody else writes view {view!r} in Redis", remedy="Let them end, then try again.")
        return written

    def _text(self, view: str) -> str:
        found: bytes | None = self._ask(self._redis.hget, self._space + "held", view)
        return found.decode() if found else ""

    def _drop(self, view: str, generation: int) -> None:
        for key in self._keys(view, generation):
            self._ask(self._redis.unlink, key)

    def _keys(self, view: str, generation: int) -> Iterable[bytes]:
        pattern = f"{self._space}{view}#{generation}:*"
        yield from self._ask(lambda: list(self._redis.scan_iter(match=pattern, count=SCAN)))

    def _ask(self, function: Any, *words: Any, **named: Any) -> Any:
        try:
            return function(*words, **named)
        except self._fault as error:
            raise SystemFault("Redis refused or went away", detail=_said(error)) from error


def address_of(url: str) -> str:
    """``host:port/number`` of a Redis address.

    Raises:
        InputError: when it is none, or carries a password.
    """
    parts = urlsplit(url)
    if parts.password or parts.username or "password=" in parts.query:
        raise InputError(
            "A Redis address carries no name or password: it would stand in the ledger",
            remedy="Keep the password in the keyring and name its entry with --secret.",
        )
    try:
        port = parts.port or 6379
    except ValueError as error:
        raise InputError(f"The port of {url!r} is none") from error
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query:
        raise InputError(f"{url!r} is no Redis address", remedy="Write redis://host:port/0 or rediss://host:port/0.")
    return f"{parts.hostname}:{port}/{parts.path.strip('/') or '0'}"


def _held(text: str) -> Held:
    return Held.read(strict_json(text)) if text else Held()


def _value(item: bytes, at: float, max_age_s: float | None) -> dict[str, Value] | None:
    if not item:
        return None
    seconds, _, data = item.partition(b" ")
    if max_age_s is not None and at - float(seconds) > max_age_s:
        return None
    value: dict[str, Value] = orjson.loads(data)
    return value


def _said(error: Exception) -> str:
    """The server's words; the client never puts the password into them."""
    return f"{type(error).__name__}: {error}"[:500]
