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

"""The probes that are used by default, besides the one for options.

A probe looks only at modules that are imported already; it imports none.
"""

from collections.abc import Iterator
import io
import logging
import os
import re
import sys
import threading
from typing import Any
import warnings

from safe_fixtures.guards.posture import probe
from safe_fixtures.redaction import names
from safe_fixtures.runtime import clock

__all__ = ['DEFAULT', 'tls_faults']

#: Seconds in which a thread that is about to end may do so.
_GRACE = 2.0


class EnvironProbe(probe.Probe):
    """The environment."""

    name = 'environ'
    remedy = 'Use useFixture(fixtures.EnvironmentVariable(...)).'

    def snapshot(self) -> dict[str, str]:
        return dict(os.environ)

    def describe(self, key: str, value: Any) -> str:
        # Most values do not look like what they are.
        if value is not probe.ABSENT and names.may_be_secret(key):
            return names.MASK
        return super().describe(key, value)


class ProcessProbe(probe.Probe):
    """The umask and the current directory of the process."""

    name = 'process'

    def snapshot(self) -> dict[str, Any]:
        try:
            cwd = os.getcwd()
        except FileNotFoundError:
            cwd = '(removed)'
        return {'umask': _umask(), 'cwd': cwd}


def _umask() -> str | None:
    # Not os.umask(), which changes it, for all threads.
    try:
        with io.FileIO('/proc/self/status') as status:
            found = re.search(rb'^Umask:\s*(\d+)', status.read(), re.MULTILINE)
    except OSError:
        return None
    return found and found[1].decode()


class TlsProbe(probe.Probe):
    """Whether connections are verified by default, and by what."""

    name = 'tls'
    remedy = 'Patch with useFixture(fixtures.MonkeyPatch(...)).'

    # The attributes, by module and class.
    _ATTRIBUTES = {
        ('ssl', ''): (
            '_create_default_https_context', 'create_default_context',
            'SSLContext',
        ),
        ('http.client', ''): ('HTTPSConnection',),
        ('requests.sessions', 'Session'): (
            '__init__', 'merge_environment_settings', 'request', 'send',
            'verify',
        ),
        ('requests.adapters', ''): ('DEFAULT_CA_BUNDLE_PATH',),
        ('requests.adapters', 'HTTPAdapter'): ('cert_verify', 'send'),
        ('urllib3.connection', ''): ('ssl_wrap_socket',),
        ('urllib3.connection', 'HTTPSConnection'): (
            'assert_hostname', 'cert_reqs', 'connect',
        ),
        ('urllib3.connectionpool', 'HTTPSConnectionPool'): ('ConnectionCls',),
        ('urllib3.util.ssl_', ''): (
            'create_urllib3_context', 'resolve_cert_reqs',
        ),
    }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for (module, cls), attributes in self._ATTRIBUTES.items():
            owner: Any = sys.modules.get(module)
            owner = getattr(owner, cls, None) if cls else owner
            for name in attributes if owner is not None else ():
                value = vars(owner).get(name, probe.ABSENT)
                if value is not probe.ABSENT and not isinstance(
                    value, (str, int, type(None))
                ):
                    value = probe.Thing(value)
                found['.'.join(filter(None, (module, cls, name)))] = value
        action = _action_on_insecure_requests()
        if action is not None:
            found['urllib3 InsecureRequestWarning'] = action
        return found

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key, old, new in super().changes(before, after):
            # Otherwise its module was imported meanwhile.
            if key in before and key in after:
                yield key, old, new


def tls_faults() -> list[str]:
    """Return why connections would not be verified; empty if they are."""
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
        if not (message or module or line) and issubclass(
            exceptions.InsecureRequestWarning, category
        ):
            return action
    return 'default'


_DISABLE = 'logging.disable()'
_LOGGER_FIELDS = ('level', 'propagate', 'disabled', 'filters', 'handlers')
# A logger that passes everything to its parents.
_NEW_LOGGER: tuple[Any, ...] = (logging.NOTSET, True, False, (), ())


class LoggingProbe(probe.Probe):
    """Levels and handlers of the root logger and of all others.

    A new logger counts as unchanged if it passes everything to its parents.
    """

    name = 'logging'

    def snapshot(self) -> dict[str, Any]:
        manager = logging.root.manager
        loggers = {**manager.loggerDict, 'root': logging.root}
        # There are hundreds of them, so only those that differ get keys.
        found: dict[str, Any] = {
            name: (
                logger.level,
                logger.propagate,
                logger.disabled,
                tuple(logger.filters),
                tuple([(h, h.level) for h in logger.handlers])
                if logger.handlers
                else (),
            )
            for name, logger in loggers.items()
            if isinstance(logger, logging.Logger)
        }
        return {**found, _DISABLE: manager.disable}

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key in sorted(after):
            old, new = before.get(key, _NEW_LOGGER), after[key]
            if old == new:
                continue
            if key == _DISABLE:
                yield key, old, new
                continue
            if key not in before:
                # Libraries give their new loggers a NullHandler.
                handlers = [
                    each
                    for each in new[-1]
                    if not isinstance(each[0], logging.NullHandler)
                ]
                new = (*new[:-1], tuple(handlers))
            for field, was, is_ in zip(_LOGGER_FIELDS, old, new, strict=True):
                if was != is_:
                    yield f'{key} {field}', was, is_

    def describe(self, key: str, value: Any) -> str:
        what = key.rpartition(' ')[2]
        level = logging.getLevelName
        if what in ('level', _DISABLE):
            return str(level(value))
        if what == 'handlers':
            return str([f'{type(h).__name__} {level(at)}' for h, at in value])
        if what == 'filters':
            return str([repr(probe.Thing(each)) for each in value])
        return super().describe(key, value)


class WsgiInterceptProbe(probe.Probe):
    """The addresses that ``wsgi_intercept`` serves in this process."""

    name = 'wsgi_intercept'

    def snapshot(self) -> dict[str, Any]:
        module: Any = sys.modules.get('wsgi_intercept')
        served = dict(module._wsgi_intercept) if module is not None else {}
        return {
            f'{host}:{port}': probe.Thing(app)
            for (host, port), (app, *_) in served.items()
        }


class ThreadProbe(probe.Probe):
    """The threads that keep the process from ending.

    Only a new thread is a change, and only if it does not end soon.
    """

    name = 'threads'
    remedy = 'End and join the thread in a cleanup.'

    def snapshot(self) -> tuple[threading.Thread, ...]:
        return tuple(
            thread for thread in threading.enumerate() if not thread.daemon
        )

    def changes(
        self,
        before: tuple[threading.Thread, ...],
        after: tuple[threading.Thread, ...],
    ) -> Iterator[tuple[str, Any, Any]]:
        deadline = clock.monotonic() + _GRACE
        for thread in after:
            if any(thread is other for other in before):
                continue
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - clock.monotonic()))
            if thread.is_alive():
                yield thread.name, probe.ABSENT, 'alive'


DEFAULT: tuple[type[probe.Probe], ...] = (
    EnvironProbe,
    ProcessProbe,
    TlsProbe,
    LoggingProbe,
    WsgiInterceptProbe,
    ThreadProbe,
)
