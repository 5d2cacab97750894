"""The hot swap: a thread that watches ``current`` and the trust root, proves what it finds, and hands it over."""

from __future__ import annotations

import threading
from pathlib import Path

from core.contract.release import VerifiedRelease
from core.kernel.errors import PlimsollError, Refused
from core.serving.deploy import may_serve, refusal
from core.serving.history import switched_at
from core.serving.loaded import load_release, read_dossier
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
        self._seen: tuple[str | None, int] | None = None
        self._killed = 0
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
        """Take the current release if it or the trust root changed; tell of the kill switch."""
        release: str | None = None
        try:
            layout = self._service.layout
            release = layout.current_release()
            seen = (release, _stamp(layout.trust))
            killed = _stamp(layout.killed)
            forced, self._forced = self._forced, False
            if seen != self._seen or forced:
                self._seen, self._killed = seen, killed
                self._take(release)
            elif killed != self._killed:
                self._killed = killed
                self._service.write_status()
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
        folder = service.layout.release(release)
        verified = verify_current(service, folder)
        serving = service.model
        if serving is not None and (serving.release, serving.payload) == (verified.release, verified.payload):
            service.took(serving)
            return
        service.took(load_release(folder, verified, service.clock))
        service.metrics.add("plimsoll_swaps_total", outcome="taken")


def verify_current(service: Service, folder: Path) -> VerifiedRelease:
    """Verify the release that ``current`` names against the pinned trust root.

    Raises:
        PlimsollError: saying why it may not serve.
    """
    layout = service.layout
    trust = read_trust(layout.trust)
    dossier = read_dossier(folder)
    as_of = switched_at(layout, dossier.release, dossier.payload)
    verified = verify_release(folder, trust, now=service.now(), environment=trust.environment, as_of=as_of)
    if not verified.ok:
        raise refusal(verified)
    if problems := may_serve(layout, dossier, verified.payload):
        raise Refused(f"Release {folder.name} would be a downgrade or a jump", problems=problems)
    return verified


def _stamp(path: Path) -> int:
    """When a file changed last, in ns; 0 when it is absent."""
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0
