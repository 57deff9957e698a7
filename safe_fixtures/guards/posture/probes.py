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

"""The parts of a process's posture, and how each is looked at.

A probe looks only at modules that somebody has imported already, and imports
none.
"""

from collections.abc import Iterator
import io
import logging
import os
import re
import sys
import threading
import time
from typing import Any
import warnings


from safe_fixtures.guards.posture import probe


__all__ = [
    'EnvironProbe',
    'LoggingProbe',
    'ProcessProbe',
    'ThreadProbe',
    'TlsProbe',
    'WsgiInterceptProbe',
]

#: Seconds in which a thread that is about to end may do so.
_GRACE = 2.0


class EnvironProbe(probe.Probe):
    """The environment."""

    name = 'environ'

    def snapshot(self) -> dict[str, str]:
        return dict(os.environ)

    def describe(self, key: str, value: Any) -> str:
        if value is not probe.ABSENT and probe.SECRET_NAME.search(key):
            return probe.MASK
        return super().describe(key, value)


class ProcessProbe(probe.Probe):
    """The umask and the current directory of the process."""

    name = 'process'

    def snapshot(self) -> dict[str, Any]:
        found = {'umask': _umask()}
        try:
            found['cwd'] = os.getcwd()
        except FileNotFoundError:
            found['cwd'] = '(removed)'
        return found


def _umask() -> str | None:
    # os.umask() tells it only by changing it, for all threads.
    try:
        with io.FileIO('/proc/self/status') as status:
            found = re.search(rb'^Umask:\s*(\d+)', status.read(), re.MULTILINE)
    except OSError:
        return None
    return found and found[1].decode()


class TlsProbe(probe.Probe):
    """Whether connections are verified by default, and by what."""

    name = 'tls'

    _ATTRIBUTES = (
        ('ssl', '', '_create_default_https_context'),
        ('ssl', '', 'create_default_context'),
        ('ssl', '', 'SSLContext'),
        ('http.client', '', 'HTTPSConnection'),
        ('requests.sessions', 'Session', '__init__'),
        ('requests.sessions', 'Session', 'merge_environment_settings'),
        ('requests.sessions', 'Session', 'request'),
        ('requests.sessions', 'Session', 'send'),
        ('requests.sessions', 'Session', 'verify'),
        ('requests.adapters', '', 'DEFAULT_CA_BUNDLE_PATH'),
        ('requests.adapters', 'HTTPAdapter', 'cert_verify'),
        ('requests.adapters', 'HTTPAdapter', 'send'),
        ('urllib3.connection', '', 'ssl_wrap_socket'),
        ('urllib3.connection', 'HTTPSConnection', 'assert_hostname'),
        ('urllib3.connection', 'HTTPSConnection', 'cert_reqs'),
        ('urllib3.connection', 'HTTPSConnection', 'connect'),
        ('urllib3.connectionpool', 'HTTPSConnectionPool', 'ConnectionCls'),
        ('urllib3.util.ssl_', '', 'create_urllib3_context'),
        ('urllib3.util.ssl_', '', 'resolve_cert_reqs'),
    )

    def snapshot(self) -> dict[str, Any]:
        found = {}
        for module_name, owner_name, name in self._ATTRIBUTES:
            module = sys.modules.get(module_name)
            owner = module
            if owner_name:
                owner = getattr(module, owner_name, None)
            if owner is None:
                continue
            value = vars(owner).get(name, probe.ABSENT)
            if not isinstance(value, (str, int, probe.Absent, type(None))):
                value = probe.Thing(value)
            key = '.'.join(filter(None, (module_name, owner_name, name)))
            found[key] = value
        action = _action_on_insecure_requests()
        if action is not None:
            found['urllib3 InsecureRequestWarning'] = action
        return found

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key, old, new in super().changes(before, after):
            # Its module was imported meanwhile.
            if key in before and key in after:
                yield key, old, new

    @staticmethod
    def faults() -> list[str]:
        """Return why connections would not be verified; none if they would."""
        found = []
        ssl = sys.modules.get('ssl')
        if ssl is not None:
            for name in (
                'create_default_context',
                '_create_default_https_context',
            ):
                context = getattr(ssl, name)()
                if context.verify_mode != ssl.CERT_REQUIRED:
                    found.append(f'ssl.{name}() does not verify')
                elif not context.check_hostname:
                    found.append(f'ssl.{name}() does not check host names')
        requests = sys.modules.get('requests')
        if requests is not None:
            session = requests.Session()
            settings = session.merge_environment_settings(
                'https://verified.invalid/', {}, None, None, None
            )
            if not (session.verify and settings['verify']):
                found.append('requests.Session() does not verify')
        if _action_on_insecure_requests() == 'ignore':
            found.append('InsecureRequestWarning of urllib3 is silenced')
        return found


def _action_on_insecure_requests() -> str | None:
    exceptions = sys.modules.get('urllib3.exceptions')
    if exceptions is None:
        return None
    for action, message, category, module, line in warnings.filters:
        if (
            message is None
            and module is None
            and not line
            and issubclass(exceptions.InsecureRequestWarning, category)
        ):
            return action
    return 'default'


class LoggingProbe(probe.Probe):
    """Levels and handlers of the root logger and of all others.

    A logger that is new counts as untouched if it lets everything through to
    its parents.
    """

    name = 'logging'

    def snapshot(self) -> dict[str, Any]:
        manager = logging.root.manager
        found = {
            name: _logger_state(logger)
            for name, logger in list(manager.loggerDict.items())
            if isinstance(logger, logging.Logger)
        }
        found['root'] = _logger_state(logging.root)
        found[_DISABLE] = (manager.disable,)
        return found

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key in sorted(after):
            old, new = before.get(key, _NEW_LOGGER), after[key]
            if old == new:
                continue
            if key == _DISABLE:
                yield key, old[0], new[0]
                continue
            for what, was, is_ in zip(_LOGGER_FIELDS, old, new, strict=True):
                if key not in before and what == 'handlers':
                    is_ = tuple(
                        pair
                        for pair in is_
                        if not isinstance(pair[0], logging.NullHandler)
                    )
                if was != is_:
                    yield f'{key} {what}', was, is_

    def describe(self, key: str, value: Any) -> str:
        what = key.rpartition(' ')[2]
        if what in ('level', _DISABLE):
            return str(logging.getLevelName(value))
        if what == 'handlers':
            return str(
                [
                    f'{type(handler).__name__} {logging.getLevelName(level)}'
                    for handler, level in value
                ]
            )
        if what == 'filters':
            return str([repr(probe.Thing(each)) for each in value])
        return super().describe(key, value)


_DISABLE = 'logging.disable()'
_LOGGER_FIELDS = ('level', 'propagate', 'disabled', 'filters', 'handlers')
_NEW_LOGGER: tuple[Any, ...] = (logging.NOTSET, True, False, (), ())


def _logger_state(logger: logging.Logger) -> tuple[Any, ...]:
    handlers = logger.handlers
    return (
        logger.level,
        logger.propagate,
        logger.disabled,
        tuple(logger.filters) if logger.filters else (),
        tuple((each, each.level) for each in handlers) if handlers else (),
    )


class WsgiInterceptProbe(probe.Probe):
    """The addresses that ``wsgi_intercept`` serves in this process."""

    name = 'wsgi_intercept'

    def snapshot(self) -> dict[str, Any]:
        module = sys.modules.get('wsgi_intercept')
        if module is None:
            return {}
        return {
            f'{host}:{port}': probe.Thing(served[0])
            for (host, port), served in list(module._wsgi_intercept.items())
        }


class ThreadProbe(probe.Probe):
    """The threads that keep the process from ending.

    Only one that is new is a change, and only if it does not end by itself
    at once.
    """

    name = 'threads'

    def snapshot(self) -> tuple[threading.Thread, ...]:
        return tuple(
            thread for thread in threading.enumerate() if not thread.daemon
        )

    def changes(
        self,
        before: tuple[threading.Thread, ...],
        after: tuple[threading.Thread, ...],
    ) -> Iterator[tuple[str, Any, Any]]:
        deadline = time.monotonic() + _GRACE
        for thread in after:
            if any(thread is other for other in before):
                continue
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                yield thread.name, probe.ABSENT, 'alive'
