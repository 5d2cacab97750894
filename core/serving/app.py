"""The RSGI application: Open Inference Protocol V2, health, metrics and feature updates."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Sequence
from typing import Any

import orjson

from core.kernel.clock import utc_text
from core.kernel.errors import AnswerIsNo, InputError, PlimsollError
from core.serving.answers import infer_answer, model_metadata, output_types, server_metadata
from core.serving.feature_updates import answer_look_ups, apply_updates
from core.serving.http import TEXT, HttpError, answer_error, answer_json, error_text, read_body
from core.serving.loaded import LoadedModel
from core.serving.protocol import InferRequest, decode
from core.serving.scoring import Scored, Unfit, log_lines, score
from core.serving.service import Service

INLINE_ROWS = 64  # more rows than this are scored in a thread, so that other requests go on


class App:
    """Routes requests; every answer that is an error has V2's form ``{"error": text}``."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        service = self.service
        service.in_flight += 1
        try:
            await self._route(scope, proto)
        except HttpError as error:
            service.metrics.add("plimsoll_rejected_total", reason=error.reason)
            answer_error(proto, error.status, error.text)
        except PlimsollError as error:
            service.metrics.add("plimsoll_errors_total", kind=type(error).__name__)
            answer_error(proto, 400 if isinstance(error, InputError) else 500, error_text(error))
        except Exception as error:  # noqa: BLE001  (the boundary: a fault must answer, and is counted)
            service.metrics.add("plimsoll_errors_total", kind=type(error).__name__)
            answer_error(proto, 500, "The server failed on this request")
        finally:
            service.in_flight -= 1
            if service.draining and service.in_flight == 0:
                service.idle.set()

    async def _route(self, scope: Any, proto: Any) -> None:
        parts = [part for part in scope.path.split("/") if part]
        method = scope.method
        if parts == ["metrics"] and method == "GET":
            self._metrics(proto)
        elif parts[:1] != ["v2"]:
            raise HttpError(404, f"there is nothing at {scope.path[:200]}", "not_found")
        elif method == "GET":
            self._get(parts[1:], scope, proto)
        elif method == "POST":
            await self._post(parts[1:], scope, proto)
        else:
            raise HttpError(405, f"{method} is not supported", "method")

    def _get(self, parts: Sequence[str], scope: Any, proto: Any) -> None:
        """Health and metadata."""
        if not parts:
            answer_json(proto, 200, server_metadata())
        elif parts == ["health", "live"]:
            answer_json(proto, 200, {"live": True})
        elif parts == ["health", "ready"]:
            ready = self.service.ready
            answer_json(proto, 200 if ready else 503, {"ready": ready} if ready else {"error": self._unready()})
        elif parts == ["plimsoll", "status"]:
            answer_json(proto, 200, {**self.service.status(), "features": self.service.online.freshness()})
        elif parts == ["plimsoll", "features"]:
            self._must_hold_token(scope)
            answer_json(proto, 200, {view: held.plain() for view, held in self.service.online.held().items()})
        elif parts[0] == "models" and len(parts) >= 2:
            self._model(parts[1:], proto)
        else:
            raise HttpError(404, f"there is nothing at {scope.path[:200]}", "not_found")

    def _model(self, parts: Sequence[str], proto: Any) -> None:
        name, version, rest = _split_model(parts)
        model = self._serving(name, version)
        if rest == []:
            answer_json(proto, 200, model_metadata(model.name, model.version, model.contract))
        elif rest == ["ready"] and self.service.ready:
            answer_json(proto, 200, {"name": model.name, "ready": True})
        elif rest == ["ready"]:
            raise HttpError(503, self._unready(), "not_ready")
        else:
            raise HttpError(404, f"a model has no {'/'.join(rest)[:100]}", "not_found")

    async def _post(self, parts: Sequence[str], scope: Any, proto: Any) -> None:
        if list(parts) == ["repository", "index"]:
            await self._index(scope, proto)
        elif list(parts) == ["plimsoll", "features"]:
            await self._features(scope, proto)
        elif list(parts) == ["plimsoll", "features", "lookup"]:
            await self._look_ups(scope, proto)
        elif len(parts) >= 3 and parts[0] == "models" and parts[-1] == "infer":
            await self._infer(parts[1:], scope, proto)
        else:
            raise HttpError(404, f"there is nothing at {scope.path[:200]}", "not_found")

    async def _index(self, scope: Any, proto: Any) -> None:
        """POST /v2/repository/index: the one model, and a release that was refused."""
        body = await read_body(scope, proto)
        asked = _json_object(body) if body else {}
        service, items = self.service, []
        if service.model is not None:
            state, reason = ("READY", "") if service.ready else ("UNAVAILABLE", self._unready())
            items.append(
                {"name": service.model.name, "version": service.model.version, "state": state, "reason": reason}
            )
        if asked.get("ready") is True:
            items = [item for item in items if item["state"] == "READY"]
        answer_json(proto, 200, items)

    async def _features(self, scope: Any, proto: Any) -> None:
        """POST /v2/plimsoll/features with the bearer token of ``state/token``."""
        self._must_hold_token(scope)
        document = _json_object(await read_body(scope, proto))
        contract = self.service.model.contract if self.service.model else None
        loop = asyncio.get_running_loop()
        counts = await loop.run_in_executor(None, apply_updates, self.service.online, document, contract)
        answer_json(proto, 200, {"upserted": counts})

    async def _look_ups(self, scope: Any, proto: Any) -> None:
        """POST /v2/plimsoll/features/lookup: what a prediction would find, for parity. Needs the token too."""
        self._must_hold_token(scope)
        document = _json_object(await read_body(scope, proto))
        loop = asyncio.get_running_loop()
        answer_json(proto, 200, await loop.run_in_executor(None, answer_look_ups, self.service.online, document))

    def _must_hold_token(self, scope: Any) -> None:
        sent = scope.headers.get("authorization", "")
        if not hmac.compare_digest(sent.encode(), f"Bearer {self.service.token}".encode()):
            raise HttpError(401, "feature updates need the bearer token of this target", "unauthorized")

    async def _infer(self, parts: Sequence[str], scope: Any, proto: Any) -> None:
        """POST .../infer: answer, count, and queue the log lines."""
        started = time.perf_counter()
        name, version, _ = _split_model(parts)
        status = 500
        model: LoadedModel | None = None
        try:
            self._may_infer()
            model = self._serving(name, version)
            body, headers = await self._scored(model, scope, proto, started)
            status = 200
        except HttpError as error:
            status = error.status
            raise
        finally:
            labels = {"model": model.name, "version": model.version} if model else {"model": "", "version": ""}
            self.service.metrics.add("plimsoll_requests_total", status=str(status), **labels)
            self.service.metrics.observe(time.perf_counter() - started, **labels)
        proto.response_bytes(200, headers, body)

    async def _scored(
        self, model: LoadedModel, scope: Any, proto: Any, started: float
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """Decode, score, log, encode.

        Raises:
            HttpError: 400 with all problems, 500 when the model's output is unusable.
        """
        head, raw = _split_binary(scope, await read_body(scope, proto))
        try:
            request = decode(head, raw, model.contract, list(output_types(model.contract)))
        except InputError as error:
            raise HttpError(400, error_text(error), "malformed") from error
        try:
            scored = await self._score(model, request)
        except Unfit as error:
            self._record(model, request, error.scored, started)
            raise HttpError(400, error_text(error), "contract") from error
        except AnswerIsNo as error:
            raise HttpError(500, error_text(error), "output") from error
        self._record(model, request, scored, started)
        return infer_answer(request, scored, model.name, model.version, model.contract)

    async def _score(self, model: LoadedModel, request: InferRequest) -> list[Scored]:
        if len(request.rows) <= INLINE_ROWS:
            return score(model, request.rows, request.given, self.service.online)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, score, model, request.rows, request.given, self.service.online)

    def _record(self, model: LoadedModel, request: InferRequest, scored: list[Scored], started: float) -> None:
        """Log lines and row counters of one request."""
        latency_ms = round((time.perf_counter() - started) * 1000, 4)
        at = utc_text(self.service.now())
        lines = log_lines(model, request.rows, scored, request_id=request.id, at=at, latency_ms=latency_ms)
        self.service.log.add(lines)
        labels = {"model": model.name, "version": model.version}
        for row in scored:
            self.service.metrics.add("plimsoll_rows_total", outcome=row.status, **labels)
            for view in row.stale:
                self.service.metrics.add("plimsoll_stale_features_total", view=view, **labels)

    def _may_infer(self) -> None:
        if self.service.killed:
            raise HttpError(503, "the kill switch of this target is on", "killed")
        if self.service.log.full:
            raise HttpError(503, self.service.log.fault or "the prediction log is behind", "log_full")

    def _serving(self, name: str, version: str | None) -> LoadedModel:
        """The model that serves, if it is the one that was asked for."""
        model = self.service.model
        if model is None:
            raise HttpError(503, self._unready(), "not_ready")
        if name != model.name:
            raise HttpError(404, f"there is no model {name[:100]!r} here; {model.name} serves", "unknown_model")
        if version not in (None, model.version):
            raise HttpError(404, f"version {version!r} does not serve; {model.version} does", "unknown_version")
        return model

    def _unready(self) -> str:
        service = self.service
        if service.killed:
            return "the kill switch of this target is on"
        if service.draining:
            return "the server is stopping"
        return str(service.problem["headline"]) if service.problem else "no release is loaded"

    def _metrics(self, proto: Any) -> None:
        metrics, model = self.service.metrics, self.service.model
        metrics.set("plimsoll_log_pending", self.service.log.pending)
        if model is not None:
            metrics.set("plimsoll_release_info", 1, model=model.name, version=model.version, release=model.release)
        proto.response_bytes(200, [TEXT], metrics.text().encode())


def _split_model(parts: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """``[name, "versions", v, rest...]`` or ``[name, rest...]``."""
    if len(parts) >= 3 and parts[1] == "versions":
        return parts[0], parts[2], list(parts[3:])
    return parts[0], None, list(parts[1:])


def _split_binary(scope: Any, body: bytes) -> tuple[bytes, bytes]:
    """The JSON head and the raw tensors of a request (header ``Inference-Header-Content-Length``)."""
    stated = scope.headers.get("inference-header-content-length")
    if stated is None:
        return body, b""
    if not stated.isdecimal() or int(stated) > len(body):
        raise HttpError(400, "Inference-Header-Content-Length does not fit the body", "malformed")
    return body[: int(stated)], body[int(stated) :]


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "the body is not JSON", "malformed") from error
    if not isinstance(value, dict):
        raise HttpError(400, "the body must be a JSON object", "malformed")
    return value
