"""The hot swap: a thread that watches ``current`` and the trust root, proves what it finds, and hands it over."""

from __future__ import annotations

import threading
from pathlib import Path

from core.kernel.errors import PlimsollError, Refused
from core.serving.deploy import may_serve, refusal, valid_at
from core.serving.loaded import LoadedModel, load_release, read_dossier
from core.serving.service import Service
from core.serving.trust import read_trust
from core.serving.verify import verify_release

POLL_S = 0.5


class Watcher:
    """Looks every half second, and at once when :meth:`look` is called; a failure keeps the old release serving."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wake = threading.Event()
        self._stop = False
        self._seen: tuple[str | None, int, int] | None = None
        self._forced = False
        self._thread = threading.Thread(target=self._run, name="release-watcher", daemon=True)

    def start(self) -> None:
        """Begin; the first look is immediate."""
        self._wake.set()
        self._thread.start()

    def look(self) -> None:
        """Look now, even when nothing seems to have changed (SIGHUP)."""
        self._forced = True
        self._wake.set()

    def close(self) -> None:
        """Stop watching; a look under way is finished."""
        self._stop = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop:
            self._wake.wait(POLL_S)
            self._wake.clear()
            if not self._stop:
                self.check()

    def check(self) -> None:
        """Take the current release if it or the trust root changed."""
        release: str | None = None
        try:
            release = self._service.layout.current_release()
            seen = (release, _stamp(self._service.layout.trust), _stamp(self._service.layout.killed))
            forced, self._forced = self._forced, False
            if seen == self._seen and not forced:
                return
            self._seen = seen
            self._take(release)
        except PlimsollError as error:
            self._failed(release, error)
        except Exception as error:  # noqa: BLE001  (the watcher must outlive any fault; it is told in the status)
            self._failed(release, PlimsollError("The release could not be loaded", detail=repr(error)))

    def _failed(self, release: str | None, error: PlimsollError) -> None:
        self._service.metrics.add("plimsoll_swaps_total", outcome="refused")
        self._service.refused(release, error.as_dict())

    def _take(self, release: str | None) -> None:
        """Verify, load, prove, and replace the serving release in one assignment.

        Raises:
            PlimsollError: and then what served before goes on.
        """
        service = self._service
        if release is None:
            service.write_status()
            return
        model = load_current(service, release)
        already = service.model
        if already is not None and (already.release, already.payload) == (model.release, model.payload):
            service.problem = None
            service.write_status()
            return
        service.took(model)
        service.metrics.add("plimsoll_swaps_total", outcome="taken")


def load_current(service: Service, release: str) -> LoadedModel:
    """The release that ``current`` names, verified against the pinned trust root and proven.

    Raises:
        PlimsollError: saying why it may not serve.
    """
    layout = service.layout
    folder = layout.release(release)
    trust = read_trust(layout.trust)
    dossier = read_dossier(folder)
    at = valid_at(layout, release, dossier.payload, service.now())
    verified = verify_release(folder, trust, now=at, environment=trust.environment)
    if not verified.ok:
        raise refusal(verified)
    if problems := may_serve(layout, dossier, verified.payload):
        raise Refused(f"Release {release} would be a downgrade or a jump", problems=problems)
    return load_release(folder, verified, service.clock)


def _stamp(path: Path) -> int:
    """When a file changed last, in ns; 0 when it is absent."""
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0
