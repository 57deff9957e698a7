# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The starts of the services of the Nova in this process."""

from collections.abc import Callable
import contextlib
import functools
import threading
import time
from typing import Any
import weakref

import nova.conf
from nova import service as nova_service

from safe_fixtures.guards import service_start
from safe_fixtures.runtime import patching

__all__ = ['STARTS', 'ServiceStarts']

CONF = nova.conf.CONF

# That a test replaces must not stop the clock.
_now = time.monotonic

# Nova 31 has services of their own for its WSGI applications.
_WSGI = getattr(nova_service, 'WSGIService', None)


class ServiceStarts:
    """Sees the services of Nova being made, started and stopped."""

    # The fixture of the metadata API starts it.
    usual = () if _WSGI is None else ('metadata',)

    def __init__(self) -> None:
        self._watchers: tuple[service_start.Watcher, ...] = ()
        self._patches = contextlib.ExitStack()
        # One item for each call that is stopping a service just now.
        self._stopping: Any = weakref.WeakKeyDictionary()
        # The RPC servers of a service before it was started once more.
        self._former: Any = weakref.WeakKeyDictionary()

    def watch(self, watcher: service_start.Watcher) -> Callable[[], None]:
        """See ``service_start.Starts``."""
        if not self._watchers:
            self._patch()
        self._watchers = (*self._watchers, watcher)

        def unwatch() -> None:
            self._watchers = tuple(
                other for other in self._watchers if other is not watcher
            )
            if not self._watchers:
                self._unpatch()

        return unwatch

    def remains(self, service: Any) -> list[str]:
        """See ``service_start.Starts``."""
        if self._stopping.get(service):
            return []
        timers = len(_running_timers(service))
        return [
            *(['it listens'] if self._listening(service) else []),
            *(['a periodic timer runs'] if timers == 1 else []),
            *([f'{timers} periodic timers run'] if timers > 1 else []),
        ]

    def halt(self, service: Any, seconds: float) -> None:
        """See ``service_start.Starts``.

        Not through ``service.stop()``, which would shut down the thread
        pools that the next test needs, and may wait for minutes.
        """
        for timer in _running_timers(service):
            timer.stop()
        servers = self._listening(service)
        # It waits for the thread that polls, which may wait for anything.
        threads = [
            threading.Thread(target=server.stop, daemon=True)
            for server in servers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)
        if any(thread.is_alive() for thread in threads):
            raise TimeoutError(f'it did not stop in {seconds} seconds')

    def _listening(self, service: Any) -> list[Any]:
        servers = [*self._former.get(service, ()), *_rpc_servers(service)]
        return [
            server
            for server in servers
            if getattr(server, '_started', False) is True
        ]

    def _patch(self) -> None:
        try:
            self._patch_class(nova_service.Service, _named)
            if _WSGI is not None:
                self._patch_class(_WSGI, _named_wsgi)
        except BaseException:
            self._unpatch()
            raise

    def _unpatch(self) -> None:
        self._patches.pop_all().close()

    def _patch_class(self, cls: Any, named: Callable[..., Any]) -> None:
        # At the class: whatever name somebody has it by, and subclasses.
        original_init, original_start, original_stop = (
            vars(cls)[name] for name in ('__init__', 'start', 'stop')
        )

        @functools.wraps(original_init)
        def init(service: Any, *args: Any, **kwargs: Any) -> None:
            self._permit(service, *named(*args, **kwargs))
            original_init(service, *args, **kwargs)

        @functools.wraps(original_start)
        def start(service: Any, *args: Any, **kwargs: Any) -> None:
            known = (service, service.binary, service.host)
            self._permit(*known)
            for watcher in self._watchers:
                watcher.starting(*known)
            self._former[service] = self._listening(service)
            began = _now()
            failed = True
            try:
                original_start(service, *args, **kwargs)
                failed = False
            finally:
                seconds = _now() - began
                for watcher in self._watchers:
                    watcher.started(service, _uuid(service), seconds, failed)

        @functools.wraps(original_stop)
        def stop(service: Any, *args: Any, **kwargs: Any) -> None:
            if self.remains(service):
                for watcher in self._watchers:
                    watcher.stopping(service, service.binary, service.host)
            calls = self._stopping.setdefault(service, [])
            calls.append(None)
            try:
                original_stop(service, *args, **kwargs)
            finally:
                calls.pop()

        for name, replacement in (
            ('__init__', init),
            ('start', start),
            ('stop', stop),
        ):
            self._patches.callback(
                patching.patch_attribute(cls, name, replacement)
            )

    def _permit(self, service: Any, binary: str, host: str) -> None:
        for watcher in self._watchers:
            watcher.permit(service, binary, host)


def _uuid(service: Any) -> str | None:
    """Return the uuid of its record; a WSGI service has none."""
    uuid = getattr(vars(service).get('service_ref'), 'uuid', None)
    return uuid if isinstance(uuid, str) else None


def _named(
    host: str, binary: str, *_args: Any, **_kwargs: Any
) -> tuple[str, str]:
    """Return the binary and host that ``Service`` is made with."""
    return binary, host


def _named_wsgi(name: str, *_args: Any, **_kwargs: Any) -> tuple[str, str]:
    """Return the binary and host that ``WSGIService`` is made with."""
    return f'nova-{name}', getattr(CONF, f'{name}_listen', CONF.host)


def _rpc_servers(service: Any) -> list[Any]:
    # Not getattr: what a service lacks is looked up at its manager.
    return [vars(service).get(name) for name in ('rpcserver', 'rpcserver_alt')]


def _running_timers(service: Any) -> list[Any]:
    timers = getattr(vars(service).get('tg'), 'timers', None)
    return [
        timer
        # Tests put mocks in many places.
        for timer in (list(timers) if isinstance(timers, list) else ())
        # It does not say when it ended by itself, but then nothing runs it.
        if timer._running is True
        and (
            getattr(timer, '_thread', None) is not None
            or getattr(timer, '_future', None) is not None
        )
    ]


# There is one Nova in a process: whoever watches it does it here.
STARTS = ServiceStarts()
