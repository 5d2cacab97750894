"""The application behind the tracking port: finds the call, checks who asks, answers, or says what is wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from core.engine.engine import Engine
from core.engine.tracking import artifacts, experiments, logged_models, metrics, registry, runs
from core.engine.tracking.artifacts import Incoming
from core.engine.tracking.callers import Callers, status_of
from core.engine.tracking.committer import Committer
from core.engine.tracking.desk import Call, Desk, Json, find_call
from core.engine.tracking.forms import BODY, many, read
from core.kernel.errors import InputError, NotFound, PlimsollError, Refused
from core.serving.http import HttpError, read_body

JSON = ("content-type", "application/json")
BYTES = ("content-type", "application/octet-stream")
PREFIXES = tuple(
    f"/{face}/{version}/{kind}/"
    for face in ("api", "ajax-api")
    for version in ("2.0", "3.0")
    for kind in ("mlflow", "preview/mlflow")
)
FILES = ("/api/2.0/mlflow-artifacts/artifacts", "/ajax-api/2.0/mlflow-artifacts/artifacts")
SPOKEN_VERSION = "3.17.2"  # the newest MLflow client that the tests pass with
CALL_MODULES = (artifacts, experiments, logged_models, metrics, registry, runs)
logger = logging.getLogger(__name__)


class App:
    """Answers requests for one engine."""

    def __init__(self, engine: Engine, address: str) -> None:
        self._engine = engine
        self._address = address
        self._callers = Callers(engine)
        self.committer = Committer(lambda token, name, request: engine.change(token, name, request, None, None))

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        try:
            await self._route(scope, proto)
        except HttpError as error:
            _answer(proto, error.status, {"error_code": "INVALID_PARAMETER_VALUE", "message": error.text})
        except PlimsollError as error:
            status, code = status_of(error)
            if code == "PERMISSION_DENIED" and not scope.headers.get("authorization"):
                status = 401 if error.headline == "Say who you are" else status
            _answer(proto, status, {"error_code": code, "message": message_of(error)})
        except Exception as error:
            logger.exception("A tracking call failed: %s", scope.path)
            text = f"The engine failed: {type(error).__name__}"
            _answer(proto, 500, {"error_code": "INTERNAL_ERROR", "message": text})

    async def _route(self, scope: Any, proto: Any) -> None:
        _same_site(scope)
        path, method = scope.path, scope.method
        if path == "/health":
            proto.response_str(200, [("content-type", "text/plain")], "OK")
        elif path == "/version":
            proto.response_str(200, [("content-type", "text/plain")], SPOKEN_VERSION)
        else:
            desk = Desk(self._engine, self.committer, await self._who(scope))
            await self._known(desk, scope, proto, method, path)

    async def _known(self, desk: Desk, scope: Any, proto: Any, method: str, path: str) -> None:
        asked = _query(scope)
        if path.endswith("/mlflow/server-info"):
            _answer(proto, 200, {"store_type": "SqlStore", "workspaces_enabled": False})
        elif path == "/get-artifact" and method == "GET":
            _file(proto, await _aside(artifacts.file_of_run, desk, asked))
        elif path.strip("/") == "model-versions/get-artifact" and method == "GET":
            _file(proto, await _aside(artifacts.file_of_version, desk, asked))
        elif path.startswith(FILES):
            await self._files(desk, scope, proto, method, asked)
        else:
            await self._call(desk, scope, proto, method, path, asked)

    async def _call(self, desk: Desk, scope: Any, proto: Any, method: str, path: str, asked: Json) -> None:
        prefix = next((one for one in PREFIXES if path.startswith(one)), None)
        found = find_call(method, path.removeprefix(prefix)) if prefix else None
        if found is None:
            _answer(
                proto, 404, {"error_code": "ENDPOINT_NOT_FOUND", "message": f"There is no {method} {path[:200]} here"}
            )
            return
        call, places = found
        if method in ("POST", "PATCH", "DELETE"):
            asked = await self._body(call, scope, proto, asked)
        fields = read(_listed(call, asked), call.fields)
        answer = await _aside(call.answer, desk, fields, *(unquote(one) for one in places))
        if isinstance(answer, Future):
            answer = await asyncio.wrap_future(answer) or {}
        if isinstance(answer, Path):
            _file(proto, answer)
        else:
            _answer(proto, 200, answer)

    async def _body(self, call: Call, scope: Any, proto: Any, asked: Json) -> Json:
        body = await read_body(scope, proto)
        if "body" in call.fields:
            return {**asked, "body": body}
        if len(body) > 64 * BODY:
            raise InputError(f"The request is larger than {64 * BODY:,} bytes. Split it up.")
        if not body:
            return asked
        if "json" not in scope.headers.get("content-type", ""):
            raise InputError("The body must be JSON and say so: Content-Type application/json")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = _loose_json(body)
        if not isinstance(value, dict):
            raise InputError("The body must be a JSON object")
        return {**asked, **value}

    async def _files(self, desk: Desk, scope: Any, proto: Any, method: str, asked: Json) -> None:
        path = unquote(scope.path.split("/artifacts", 1)[1]).lstrip("/")
        if method == "GET" and not path:
            _answer(proto, 200, await _aside(artifacts.list_service, desk, str(asked.get("path", ""))))
        elif method == "GET":
            _file(proto, await _aside(lambda: artifacts.find_file(desk, *artifacts.place_of(path))))
        elif method == "PUT":
            await self._take(desk, proto, path)
        elif method == "DELETE":
            _answer(proto, 200, await _aside(artifacts.delete_service, desk, path))
        else:
            raise NotFound(f"There is no {method} of artifacts")

    async def _take(self, desk: Desk, proto: Any, path: str) -> None:
        """Stream a file in; only when it is whole and its run is there is it noted."""
        owner, inside = artifacts.place_of(path)
        if not inside:
            raise InputError("Invalid path")

        def check() -> None:
            with desk.reading() as shelf:
                artifacts.check_owner(shelf, owner)

        await _aside(check)
        incoming = Incoming(self._engine.workspace.blobs)
        try:
            async for chunk in proto:
                incoming.write(bytes(chunk))
            digest = await _aside(incoming.keep)
        except BaseException:
            incoming.drop()
            raise
        await _aside(artifacts.record_file, desk, owner, inside, digest, incoming.size)
        _answer(proto, 200, {})

    async def _who(self, scope: Any) -> str:
        authorization = scope.headers.get("authorization", "")
        return await _aside(self._callers.token_of, authorization, str(scope.client), self._address)  # type: ignore[no-any-return]


def message_of(error: PlimsollError) -> str:
    """All that an error says, in one text."""
    parts = [error.headline, error.detail, *(problem.line() for problem in error.problems), error.remedy]
    return "\n".join(part for part in parts if part)


async def _aside(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run what waits for the store in a thread, so that other requests go on."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def _same_site(scope: Any) -> None:
    """Refuse what a web page of elsewhere sends: by the name that it calls us, or where it says that it comes from.

    Raises:
        Refused: for a Host that is not an address of this machine, or a foreign Origin.
    """
    host = urlsplit(f"//{scope.headers.get('host', '') or scope.authority or ''}").hostname or ""
    if host not in ("localhost", "127.0.0.1", "::1"):
        raise Refused(f"This door answers to localhost only, not to {host[:100]!r}")
    origin = scope.headers.get("origin")
    if origin and urlsplit(origin).netloc != scope.headers.get("host"):
        raise Refused("Requests of other sites are not answered")


def _query(scope: Any) -> Json:
    """The parameters of the address; those that are told once as one value."""
    found = parse_qs(scope.query_string or "", keep_blank_values=True)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _listed(call: Call, asked: Json) -> Json:
    """Fields that are lists, told once in the address, as lists."""
    single = [name for name in LISTS if isinstance(asked.get(name), str) and call.fields.get(name, (None,))[0] is many]
    return {**asked, **{name: [asked[name]] for name in single}}


LISTS = ("run_id", "run_ids", "order_by", "stages")  # lists that stand in addresses


def _loose_json(body: bytes) -> Any:
    """JSON with NaN and Infinity, as Python's own writer puts them.

    Raises:
        InputError: when it is no JSON at all.
    """
    import json

    try:
        return json.loads(body)
    except ValueError as error:
        raise InputError("The body is not JSON") from error


def _answer(proto: Any, status: int, value: Json) -> None:
    proto.response_bytes(status, [JSON], orjson.dumps(value))


def _file(proto: Any, path: Path) -> None:
    """Bytes as they were sent, never as a page that a browser would show."""
    head = [BYTES, ("content-disposition", "attachment"), ("x-content-type-options", "nosniff")]
    proto.response_file(200, head, str(path))
