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

"""Compare configuration options."""

from collections.abc import Callable, Iterator, Mapping
import copy
from typing import Any

from oslo_config import cfg

from safe_fixtures.guards.posture import probe

__all__ = [
    'ConfigProbe',
]


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
                info.get('default', probe.ABSENT),
                info.get('override', probe.ABSENT),
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
            entries = {
                **entries,
                key: (*other[:2], probe.ABSENT, probe.ABSENT),
            }
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
                now[2] is probe.ABSENT
                and now[3] is probe.ABSENT
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
                if value is not probe.ABSENT:
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


class ConfigProbe(probe.Probe):
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
            return probe.MASK
        # The name of its group (keystone_authtoken) says nothing.
        return super().describe(key.rpartition('] ')[2], value)
