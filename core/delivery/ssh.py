"""One SSH connection to a target: pinned host key, our key, exec channels with raw streams, forwarded ports.

asyncssh runs on a loop in a thread of its own; the methods here are plain and blocking, for workers.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import asyncssh

from core.delivery.records import HostKey, TargetSpec
from core.delivery.ssh_keys import (
    HOST_KEY_ALGORITHMS,
    algorithms_for,
    describe,
    fingerprint,
    pinned_key,
    presented_key,
    read_client_key,
)
from core.kernel.errors import PlimsollError, Refused, SystemFault

T = TypeVar("T")
CONNECT_S = 15.0
IDLE_S = 60.0
BLOCK = 1 << 18
LARGEST_ANSWER = 64 << 20
CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"]


class Finished(NamedTuple):
    """How a remote command ended; ``code`` is -1 when the connection broke first."""

    code: int
    stdout: bytes
    stderr: str


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plimsoll-ssh", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run ``work`` on the loop and wait; ``TimeoutError`` cancels it there."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work`` on the loop and go on here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._loop.is_running():
            self._loop.close()


class _Pinned(asyncssh.SSHClient):
    """Keeps the key that a server presented when it was not the pinned one."""

    def __init__(self) -> None:
        self.presented: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        self.presented = key
        return False


def scan_host_key(host: str, port: int = 22, timeout: float = CONNECT_S) -> HostKey:
    """The key that a server presents now, for a person to compare before it is pinned.

    Raises:
        SystemFault: when the host doesn't answer.
    """
    loop = _Loop()
    try:
        return loop.wait(presented_key(host, port, timeout))
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise _unreachable(host, port, error) from error
    finally:
        loop.close()


class Remote:
    """A live connection to one target. Use :func:`connect`."""

    def __init__(self, spec: TargetSpec, loop: _Loop, connection: asyncssh.SSHClientConnection) -> None:
        self.spec = spec
        self._loop = loop
        self._connection = connection
        self.locks = 0

    def run(
        self,
        command: str,
        feed: Iterable[bytes] = (),
        *,
        timeout: float = 300.0,
        sink: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run ``command`` with ``feed`` on its standard input; collect its output or hand it to ``sink``.

        ``feed`` is drawn on the caller's thread, so it may report progress and raise to cancel: the
        command then sees its input end early. ``timeout`` is for the time after all input was sent.

        Raises:
            SystemFault: when the connection breaks or the command takes too long.
        """
        try:
            process = self._loop.wait(self._start(command), CONNECT_S)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise self._broken(error) from error
        output = _Output(sink)
        reading = self._loop.begin(output.read(process))
        try:
            self._feed(process, feed)
            self._loop.wait(_finish(process, reading), timeout)
        except TimeoutError as error:
            raise SystemFault(
                f"{self.spec.name} did not finish within {timeout:.0f} s", remedy="Look at the load of the target."
            ) from error
        except (OSError, asyncssh.Error) as error:
            raise self._broken(error) from error
        finally:
            self._loop.wait(_drop(process))
        code = process.exit_status
        return Finished(-1 if code is None else code, bytes(output.stdout), output.stderr.decode(errors="replace"))

    @contextmanager
    def held(self, command: str, feed: bytes, beat_s: float) -> Iterator[bytes]:
        """Keep ``command`` running; yields its first line and sends a byte every ``beat_s`` until the end."""
        process = self._loop.wait(self._start(command), CONNECT_S)
        beating: asyncio.Task[None] | None = None
        try:
            process.stdin.write(feed)
            line = self._loop.wait(process.stdout.readline(), CONNECT_S)
            beating = self._loop.wait(_spawn(_beat(process, beat_s)))
            yield line
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise self._broken(error) from error
        finally:
            self._loop.wait(_let_go(process, beating))

    @contextmanager
    def forward(self, port: int) -> Iterator[int]:
        """A local loopback port that leads to ``127.0.0.1:port`` on the target."""
        try:
            listener = self._loop.wait(self._listen(port))
        except (OSError, asyncssh.Error) as error:
            raise self._broken(error) from error
        try:
            yield listener.get_port()
        finally:
            self._loop.wait(_close_listener(listener))

    def _feed(self, process: asyncssh.SSHClientProcess[bytes], feed: Iterable[bytes]) -> None:
        for block in feed:
            try:
                self._loop.wait(_write(process, block), IDLE_S)
            except BrokenPipeError:
                return  # it ended early: its exit code and message say why
        self._loop.wait(_end(process), IDLE_S)

    async def _start(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        return await self._connection.create_process(command, encoding=None)

    async def _listen(self, port: int) -> asyncssh.SSHListener:
        return await self._connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)

    def _broken(self, error: BaseException) -> SystemFault:
        return SystemFault(
            f"The connection to {self.spec.name} broke", detail=str(error), remedy="Run the same step again."
        )


@contextmanager
def connect(spec: TargetSpec, *, passphrase: str | None = None, timeout: float = CONNECT_S) -> Iterator[Remote]:
    """Log in to a target; only the pinned host key and only the record's own client key are used.

    Raises:
        Refused: another host key was presented (both fingerprints are shown), or our key was not accepted.
        SystemFault: the host doesn't answer in time. InputError: a key of ours can't be read.
    """
    pin = pinned_key(spec.host_key)
    key = read_client_key(Path(spec.client_key), passphrase)
    loop = _Loop()
    try:
        connection = _log_in(loop, spec, pin, key, timeout)
        try:
            yield Remote(spec, loop, connection)
        finally:
            with suppress(asyncssh.Error, OSError, TimeoutError):
                loop.wait(_hang_up(connection), 5)
    finally:
        loop.close()


def _log_in(
    loop: _Loop, spec: TargetSpec, pin: asyncssh.SSHKey, key: asyncssh.SSHKey, timeout: float
) -> asyncssh.SSHClientConnection:
    client = _Pinned()
    options: dict[str, Any] = {
        "username": spec.user,
        "client_keys": [key],
        "known_hosts": ([pin], [], []),  # a tuple: empty bytes or None would fall back to no check or another file
        "server_host_key_algs": [
            *algorithms_for(pin),
            *HOST_KEY_ALGORITHMS,
        ],  # the pinned kind first, so any change shows
        "preferred_auth": "publickey",
        "agent_path": None,
        "config": None,
        "gss_host": None,
        "connect_timeout": timeout,
        "login_timeout": timeout,
        "keepalive_interval": 15,
        "encryption_algs": CIPHERS,
        "compression_algs": None,
        "client_factory": lambda: client,
    }
    try:
        return loop.wait(_open(spec, options), timeout + 1)
    except asyncssh.HostKeyNotVerifiable as error:
        found = describe(spec.host, spec.port, client.presented) if client.presented else None
        _refuse_host(spec, pin, found, error)
    except asyncssh.PermissionDenied as error:
        raise _no_entry(spec, key) from error
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise _unreachable(spec.host, spec.port, error) from error


async def _open(spec: TargetSpec, options: dict[str, Any]) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(spec.host, spec.port, **options)


def _refuse_host(spec: TargetSpec, pin: asyncssh.SSHKey, found: HostKey | None, error: Exception) -> NoReturn:
    shown = found.sha256 if found else "none that can be read"
    raise Refused(
        f"The host key of {spec.name} has changed",
        detail=f"pinned:    {fingerprint(pin)}\npresented: {shown}",
        where=f"{spec.host}:{spec.port}",
        remedy="Somebody may be in between. Ask the host's operator; pin the new key only if they confirm it.",
    ) from error


def _no_entry(spec: TargetSpec, key: asyncssh.SSHKey) -> PlimsollError:
    return Refused(
        f"{spec.name} does not accept our key for {spec.user}",
        detail=f"our key: {fingerprint(key)}",
        where=f"{spec.host}:{spec.port}",
        remedy=f"Add the line of {spec.client_key}.pub to the authorized_keys of {spec.user} on the target.",
    )


def _unreachable(host: str, port: int, error: BaseException) -> SystemFault:
    said = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
    return SystemFault(
        "The target cannot be reached",
        detail=said,
        where=f"{host}:{port}",
        remedy="Check that the machine is on, that sshd listens on this port, and that no firewall is in between.",
    )


class _Output:
    """Standard output (collected or handed on) and the end of standard error of one command."""

    def __init__(self, sink: Callable[[bytes], None] | None) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._sink = sink or self._keep

    def _keep(self, block: bytes) -> None:
        self.stdout += block
        if len(self.stdout) > LARGEST_ANSWER:
            raise OSError("the target's answer is too long")

    async def read(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        await asyncio.gather(self._drain(process.stdout, self._sink), self._drain(process.stderr, self._tail))

    async def _drain(self, reader: asyncssh.SSHReader[bytes], sink: Callable[[bytes], None]) -> None:
        while block := await reader.read(BLOCK):
            sink(block)

    def _tail(self, block: bytes) -> None:
        self.stderr = (self.stderr + block)[-20_000:]


async def _write(process: asyncssh.SSHClientProcess[bytes], block: bytes) -> None:
    process.stdin.write(block)
    await process.stdin.drain()


async def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    with suppress(BrokenPipeError):
        process.stdin.write_eof()


async def _finish(process: asyncssh.SSHClientProcess[bytes], reading: Future[None]) -> None:
    await asyncio.wrap_future(reading)
    await process.wait_closed()


async def _drop(process: asyncssh.SSHClientProcess[bytes]) -> None:
    process.close()
    with suppress(TimeoutError, asyncssh.Error, OSError):
        await asyncio.wait_for(process.wait_closed(), 5)


async def _spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work)


async def _beat(process: asyncssh.SSHClientProcess[bytes], every: float) -> None:
    with suppress(OSError, asyncssh.Error):
        while True:
            await asyncio.sleep(every)
            await _write(process, b".")


async def _let_go(process: asyncssh.SSHClientProcess[bytes], beating: asyncio.Task[None] | None) -> None:
    if beating is not None:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
    await _end(process)
    await _drop(process)


async def _close_listener(listener: asyncssh.SSHListener) -> None:
    listener.close()
    await listener.wait_closed()


async def _hang_up(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    await connection.wait_closed()
