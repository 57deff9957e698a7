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

from collections.abc import Callable, Iterator, Mapping
import copy
import io
import logging
import os
import re
import sys
import threading
import time
from typing import Any
import warnings

from oslo_config import cfg

from safe_fixtures import redaction

__all__ = [
    'ABSENT',
    'ConfigProbe',
    'EnvironProbe',
    'LoggingProbe',
    'Probe',
    'ProcessProbe',
    'ThreadProbe',
    'TlsProbe',
    'WsgiInterceptProbe',
]

_MASK = '***'
# By name, as most values of the environment do not tell what they are.
_SECRET_NAME = re.compile(
    r'pass|pwd|secret|token|credential|cookie|private|key|auth$',
    re.IGNORECASE,
)
#: Seconds in which a thread that is about to end may do so.
_GRACE = 2.0


class _Absent:
    def __repr__(self) -> str:
        return '(absent)'


ABSENT = _Absent()


class Probe:
    """One part of the posture of a process.

    Subclass it, name it, and say what there is to be seen; whatever differs
    between two snapshots is a change.

    Example::

        class LocaleProbe(Probe):
            name = 'locale'

            def snapshot(self):
                return {'LC_ALL': locale.setlocale(locale.LC_ALL)}

    :cvar name: what the diff and ``frozen`` call it (str).
    """

    name = ''

    def snapshot(self) -> Any:
        """Return how things are: a mapping, of names to values.

        It is called twice for each test, so it should be cheap, and it must
        neither change anything nor return anything that changes later.
        """
        raise NotImplementedError

    def changes(
        self, before: Any, after: Any
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield what differs: a key, its value before, its value after.

        Values are compared by equality. Override it where snapshots are no
        mappings, or where some difference is none in effect.
        """
        for key in sorted(before.keys() | after.keys(), key=str):
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old is not new and old != new:
                yield key, old, new

    def describe(self, key: str, value: Any) -> str:
        """Return a value as text, without its secrets.

        Here, what a key such as ``admin_password`` names is masked, and the
        credentials in URLs.
        """
        if value is ABSENT:
            return repr(value)
        return repr(redaction.Redactor().redact({key: value})[key])


class _Thing:
    """What is the same only if it is the same object."""

    __slots__ = ('thing',)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Thing) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        named = getattr(self.thing, '__func__', self.thing)
        module = getattr(named, '__module__', None)
        name = getattr(named, '__qualname__', None)
        if isinstance(module, str) and isinstance(name, str):
            return f'{module}.{name}'
        return f'<{type(self.thing).__name__} object>'


class _Default:
    """The value of an option that nobody has given one."""

    __slots__ = ('value',)

    def __init__(self, value: Any) -> None:
        self.value = value


_Entry = tuple[cfg.Opt, Any, Any, Any]
_Key = tuple[str | None, str]


class _ConfigState:
    """The values of all options of one ``ConfigOpts``, as they were.

    They are evaluated when asked for, as that takes a hundred times longer
    than to note what they come from.
    """

    def __init__(self, conf: Any) -> None:
        self.conf = conf
        self.namespaces = (conf._namespace, conf._mutable_ns)
        self.twins = tuple(map(_twin, self.namespaces))
        self.entries: dict[_Key, _Entry] = {}
        self._note(None, conf._opts)
        for name, group in list(conf._groups.items()):
            self._note(name, group._opts)

    def _note(self, group: str | None, infos: dict[str, Any]) -> None:
        entries = self.entries
        for dest, info in list(infos.items()):
            opt = info['opt']
            # cfg.set_defaults() writes to the option itself.
            entries[group, dest] = (
                opt,
                opt.default,
                info.get('default', ABSENT),
                info.get('override', ABSENT),
            )

    def has_sources_of(self, other: '_ConfigState') -> bool:
        """Whether files and command line say here what they say there."""
        return all(
            ours is theirs
            and (twin is None or twin._parsed == other_twin._parsed)
            for ours, theirs, twin, other_twin in zip(
                self.namespaces,
                other.namespaces,
                self.twins,
                other.twins,
                strict=True,
            )
        )

    def value(self, key: _Key, other: _Entry) -> Any:
        """Return the effective value, interpolated, of an option.

        :param other: what there is of it where it is registered.
        """
        if isinstance(other[0], cfg.SubCommandOpt):
            return None
        entries = self.entries
        if key not in entries:
            entries = {**entries, key: (*other[:2], ABSENT, ABSENT)}
        group = None if key[0] is None else self.conf._groups.get(key[0])
        try:
            return self._view(entries)._do_get(key[1], group)[0]
        except (cfg.Error, ValueError) as error:
            return f'(invalid: {type(error).__name__})'

    def is_default(self, key: _Key, before: _Entry | None) -> bool:
        """Whether an option has the default it was registered with."""
        now = self.entries.get(key)
        return self.namespaces == (None, None) and (
            now is None
            or (
                now[2] is ABSENT
                and now[3] is ABSENT
                and (before is None or before[1] is now[1])
            )
        )

    def _view(self, entries: dict[_Key, _Entry]) -> Any:
        """Return options that have the values they had."""

        def get_opt_info(name: str, group: Any = None) -> dict[str, Any]:
            name_of_group = getattr(group, 'name', group)
            entry = entries.get((name_of_group, name))
            if entry is None:
                # Where it knows a deprecated name of it.
                info: dict[str, Any] = self.conf._get_opt_info(name, group)
                return info
            opt = copy.copy(entry[0])
            opt.default = entry[1]
            info = {'opt': opt}
            for which, value in zip(
                ('default', 'override'), entry[2:], strict=True
            ):
                if value is not ABSENT:
                    info[which] = value
            return info

        view = object.__new__(cfg.ConfigOpts)
        vars(view).update(
            vars(self.conf),
            _namespace=self.twins[0],
            _mutable_ns=self.twins[1],
            _get_opt_info=get_opt_info,
            _ConfigOpts__cache={},
            _ConfigOpts__drivers_cache={},
        )
        return view


def _twin(namespace: Any) -> Any:
    """Return a copy that stays as it is if a file is added to it."""
    if namespace is None:
        return None
    twin = copy.copy(namespace)
    twin._parsed = list(namespace._parsed)
    twin._normalized = list(namespace._normalized)
    return twin


class ConfigProbe(Probe):
    """The effective values of all options of oslo.config.

    An option that is not registered counts as having its default.

    :param others: returns what ``ConfigOpts`` there are besides ``cfg.CONF``,
        by name.
    """

    name = 'config'

    def __init__(
        self, others: Callable[[], Mapping[str, Any]] | None = None
    ) -> None:
        self._others = others
        self._secret: set[str] = set()

    def snapshot(self) -> dict[str, _ConfigState]:
        confs = {'': cfg.CONF, **(self._others() if self._others else {})}
        return {name: _ConfigState(conf) for name, conf in confs.items()}

    def changes(
        self,
        before: dict[str, _ConfigState],
        after: dict[str, _ConfigState],
    ) -> Iterator[tuple[str, Any, Any]]:
        for name in before.keys() & after.keys():
            # Another object has a posture of its own.
            if before[name].conf is after[name].conf:
                yield from self._changes(name, before[name], after[name])

    def _changes(
        self, name: str, before: _ConfigState, after: _ConfigState
    ) -> Iterator[tuple[str, Any, Any]]:
        everything = not before.has_sources_of(after)
        # Identical entries, as nearly all are, are found equal at once.
        if not everything and before.entries == after.entries:
            return
        keys = [
            key
            for key in before.entries.keys() | after.entries.keys()
            if everything or before.entries.get(key) != after.entries.get(key)
        ]
        for key in sorted(keys, key=lambda key: (key[0] or '', key[1])):
            was, is_ = before.entries.get(key), after.entries.get(key)
            entry = is_ or was
            assert entry is not None
            opt = entry[0]
            old = before.value(key, entry)
            new = after.value(key, entry)
            if old != new:
                text = f'{name} [{key[0] or "DEFAULT"}] {key[1]}'.strip()
                if opt.secret:
                    self._secret.add(text)
                if after.is_default(key, was):
                    new = _Default(new)
                yield text, old, new

    def describe(self, key: str, value: Any) -> str:
        if isinstance(value, _Default):
            return f'{self.describe(key, value.value)} (default)'
        if key in self._secret:
            return _MASK
        # The name of its group (keystone_authtoken) says nothing.
        return super().describe(key.rpartition('] ')[2], value)


class EnvironProbe(Probe):
    """The environment."""

    name = 'environ'

    def snapshot(self) -> dict[str, str]:
        return dict(os.environ)

    def describe(self, key: str, value: Any) -> str:
        if value is not ABSENT and _SECRET_NAME.search(key):
            return _MASK
        return super().describe(key, value)


class ProcessProbe(Probe):
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


class TlsProbe(Probe):
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
            value = vars(owner).get(name, ABSENT)
            if not isinstance(value, (str, int, _Absent, type(None))):
                value = _Thing(value)
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


class LoggingProbe(Probe):
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
            return str([repr(_Thing(each)) for each in value])
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


class WsgiInterceptProbe(Probe):
    """The addresses that ``wsgi_intercept`` serves in this process."""

    name = 'wsgi_intercept'

    def snapshot(self) -> dict[str, Any]:
        module = sys.modules.get('wsgi_intercept')
        if module is None:
            return {}
        return {
            f'{host}:{port}': _Thing(served[0])
            for (host, port), served in list(module._wsgi_intercept.items())
        }


class ThreadProbe(Probe):
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
                yield thread.name, ABSENT, 'alive'
