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

"""The services of the Nova in this process, as they start and stop."""

from collections.abc import Callable
import functools
import gc
import threading
from typing import Any
import weakref

import nova.conf
from nova import service as nova_service

from safe_fixtures.guards import service_start
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import patching

__all__ = ['STARTS', 'ServiceStarts']

CONF = nova.conf.CONF

# Nova 31 has services of their own for its WSGI applications.
_WSGI = getattr(nova_service, 'WSGIService', None)


class ServiceStarts:
    """Sees the services of Nova being made, started and stopped."""

    # The fixture of the metadata API starts it.
    usual = () if _WSGI is None else ('metadata',)

    def __init__(self) -> None:
        self._watchers = patching.SharedPatch[service_start.Watcher](
            self._patch
        )
        # The services that were started, and the RPC servers that each of
        # them had before its last start.
        self._started: Any = weakref.WeakKeyDictionary()
        # Whether these are all services that there are.
        self._knows_all = False
        # One item for each call that is stopping a service now.
        self._stopping: Any = weakref.WeakKeyDictionary()

    def watch(self, watcher: service_start.Watcher) -> Callable[[], None]:
        """Show every service to *watcher*; see ``service_start.Starts``."""
        return self._watchers.add(watcher)

    def note_started(self) -> Callable[[], None]:
        """Note every service from now on, as none has been started yet.

        :returns: a callable that ends it.
        """
        end = self.watch(service_start.Watcher())
        self._knows_all = True
        return end

    def services(self) -> list[Any]:
        """Return the services that there are in this process.

        Nova keeps no list of them, and a call to one that was stopped hangs.
        Those that were not seen as they started are found among all objects,
        which takes tens of milliseconds. It is done once while anybody
        watches.
        """
        if not self._knows_all:
            for found in gc.get_referrers(nova_service.Service):
                if type(found) is nova_service.Service:
                    self._started.setdefault(found, ())
            self._knows_all = bool(self._watchers.users)
        return list(self._started)

    def reporting(self) -> dict[tuple[str, str], bool]:
        """Return binary and host of each service, and whether it reports.

        One that has stopped reports nothing any more. Where another one of
        the same binary and host still runs, that reports.
        """
        found: dict[tuple[str, str], bool] = {}
        for each in self.services():
            key = vars(each).get('binary'), vars(each).get('host')
            found[key] = found.get(key, False) or bool(_running_timers(each))
        return found

    def remains(self, service: Any) -> list[str]:
        """Return what still runs of a service; see ``Starts``."""
        if self._stopping.get(service):
            return []
        remains = ['it listens'] if self._listening(service) else []
        timers = len(_running_timers(service))
        if timers == 1:
            remains.append('a periodic timer runs')
        elif timers:
            remains.append(f'{timers} periodic timers run')
        return remains

    def halt(self, service: Any, seconds: float) -> None:
        """Stop what still runs of a service; see ``Starts``.

        It does not call ``service.stop()``, which may wait for minutes and
        shuts down the thread pools that the next test needs.
        """
        for timer in _running_timers(service):
            timer.stop()
        # Each waits for the thread that polls, which may wait for anything.
        threads = [
            threading.Thread(target=server.stop, daemon=True)
            for server in self._listening(service)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)
        if any(thread.is_alive() for thread in threads):
            raise TimeoutError(f'it did not stop in {seconds} seconds')

    def _listening(self, service: Any) -> list[Any]:
        # Not getattr: Service looks up what it lacks at its manager.
        current = [
            vars(service).get(name) for name in ('rpcserver', 'rpcserver_alt')
        ]
        return [
            server
            for server in (*self._started.get(service, ()), *current)
            if getattr(server, '_started', False) is True
        ]

    def _patch(self) -> Callable[[], None]:
        return patching.patch_together(
            lambda: functools.partial(setattr, self, '_knows_all', False),
            lambda: self._patch_class(nova_service.Service, _named),
            lambda: self._patch_class(_WSGI, _named_wsgi),
        )

    def _patch_class(
        self, cls: Any, named: Callable[..., tuple[str, str]]
    ) -> Callable[[], None]:
        if cls is None:
            return lambda: None
        # The class itself, so that no other name and no subclass goes
        # unseen.
        start = self._watched_start(vars(cls)['start'])
        stop = self._watched_stop(vars(cls)['stop'])

        def making(service: Any, *args: Any, **kwargs: Any) -> None:
            self._permit(service, *named(*args, **kwargs))

        return patching.patch_together(
            lambda: patching.call_before(cls, '__init__', making),
            lambda: patching.patch_attribute(cls, 'start', start),
            lambda: patching.patch_attribute(cls, 'stop', stop),
        )

    def _watched_start(self, original: Any) -> Any:
        @functools.wraps(original)
        def start(service: Any, *args: Any, **kwargs: Any) -> None:
            known = (service, service.binary, service.host)
            self._permit(*known)
            for watcher in self._watchers.users:
                watcher.starting(*known)
            self._started[service] = self._listening(service)
            began = clock.monotonic()
            failed = True
            try:
                original(service, *args, **kwargs)
                failed = False
            finally:
                seconds = clock.monotonic() - began
                for watcher in self._watchers.users:
                    watcher.started(service, _uuid(service), seconds, failed)

        return start

    def _watched_stop(self, original: Any) -> Any:
        @functools.wraps(original)
        def stop(service: Any, *args: Any, **kwargs: Any) -> None:
            if self.remains(service):
                for watcher in self._watchers.users:
                    watcher.stopping(service, service.binary, service.host)
            calls = self._stopping.setdefault(service, [])
            calls.append(None)
            try:
                original(service, *args, **kwargs)
            finally:
                calls.pop()

        return stop

    def _permit(self, service: Any, binary: str, host: str) -> None:
        for watcher in self._watchers.users:
            watcher.permit(service, binary, host)


def _uuid(service: Any) -> str | None:
    """Return the uuid of its record; a WSGI service has none."""
    uuid = getattr(vars(service).get('service_ref'), 'uuid', None)
    return uuid if isinstance(uuid, str) else None


def _named(host: str, binary: str, *_: Any, **__: Any) -> tuple[str, str]:
    """Return the binary and host that ``Service`` is made with."""
    return binary, host


def _named_wsgi(name: str, *_: Any, **__: Any) -> tuple[str, str]:
    """Return the binary and host that ``WSGIService`` is made with."""
    return f'nova-{name}', getattr(CONF, f'{name}_listen', CONF.host)


def _running_timers(service: Any) -> list[Any]:
    timers = getattr(vars(service).get('tg'), 'timers', None)
    return [
        timer
        # Tests put mocks in many places.
        for timer in (list(timers) if isinstance(timers, list) else ())
        # A timer that ended by itself does not say so, but nothing runs it.
        if timer._running is True
        and (
            getattr(timer, '_thread', None) is not None
            or getattr(timer, '_future', None) is not None
        )
    ]


# There is one Nova in a process, so there is one watch.
STARTS = ServiceStarts()
