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
import functools
from typing import Any, NamedTuple

from oslo_config import cfg

from safe_fixtures.guards.posture import probe
from safe_fixtures.redaction import names

__all__ = ['ConfigProbe']

_Key = tuple[str | None, str]
# What an option takes its value from, besides files and environment: the
# option, its own default, to which cfg.set_defaults() writes, and the default
# and the override that were set. A plain tuple, as it is made for each option
# of each test.
_Entry = tuple[cfg.Opt, Any, Any, Any]

# The entries of what oslo.config has on an option that nobody has set.
_UNSET = len(('opt', 'cli'))


class _Default(NamedTuple):
    """The value of an option that nobody has set."""

    value: Any


class _Group:
    """What the options of a group took their values from."""

    def __init__(self, opts: Mapping[str, dict[str, Any]]) -> None:
        self.opts = dict(opts)
        self._defaults = [info['opt'].default for info in opts.values()]
        self._set = {
            dest: info.copy()
            for dest, info in opts.items()
            if len(info) > _UNSET
        }

    def __eq__(self, other: object) -> bool:
        """Whether nothing has changed; quick if nothing has."""
        return (
            isinstance(other, _Group)
            and self.opts == other.opts
            and self._defaults == other._defaults
            and self._set == other._set
        )

    @functools.cached_property
    def _default_of(self) -> dict[str, Any]:
        return dict(zip(self.opts, self._defaults, strict=True))

    def entry(self, dest: str) -> _Entry | None:
        """Return the entry of an option, None if it is not registered."""
        if dest not in self.opts:
            return None
        was_set = self._set.get(dest, {})
        return (
            self.opts[dest]['opt'],
            self._default_of[dest],
            was_set.get('default', probe.ABSENT),
            was_set.get('override', probe.ABSENT),
        )


_NO_GROUP = _Group({})


class _State:
    """What the options of one ``ConfigOpts`` took their values from.

    The values are evaluated only when they are asked for: that takes a
    hundred times longer.
    """

    def __init__(self, conf: Any) -> None:
        self.conf = conf
        #: The files and the command line.
        self.sources = (_copy_of(conf._namespace), _copy_of(conf._mutable_ns))
        owners = {None: conf, **conf._groups}
        self._groups = {
            group: _Group(each._opts) for group, each in owners.items()
        }

    def differing(self, other: '_State') -> Iterator[_Key]:
        """Yield each option whose entry is another one in *other*."""
        for group in self._groups.keys() | other._groups.keys():
            mine = self._groups.get(group, _NO_GROUP)
            theirs = other._groups.get(group, _NO_GROUP)
            # There are a thousand options, of which hardly any changes.
            if self.sources != other.sources or mine != theirs:
                for dest in mine.opts.keys() | theirs.opts.keys():
                    yield group, dest

    def entry(self, key: _Key) -> _Entry | None:
        """Return the entry of an option, None if it is not registered."""
        group, dest = key
        return self._groups.get(group, _NO_GROUP).entry(dest)

    def value(self, key: _Key, other: _Entry) -> Any:
        """Return the effective, interpolated value of an option.

        :param other: its entry in the state in which it is registered.
        """
        if isinstance(other[0], cfg.SubCommandOpt):
            return None
        unset: _Entry = (*other[:2], probe.ABSENT, probe.ABSENT)
        group = None if key[0] is None else self.conf._groups.get(key[0])
        try:
            return self._view(key, unset)._do_get(key[1], group)[0]
        except (cfg.Error, ValueError) as error:
            return f'(invalid: {type(error).__name__})'

    def is_default(self, key: _Key, before: _Entry | None) -> bool:
        """Whether an option has the default it was registered with."""
        if self.sources != (None, None):
            return False
        now = self.entry(key)
        return now is None or (
            now[2:] == (probe.ABSENT, probe.ABSENT)
            and (before is None or before[1] is now[1])
        )

    def _view(self, key: _Key, unset: _Entry) -> Any:
        """Return a ``ConfigOpts`` whose options have the noted values.

        :param key: the option that has the entry *unset* if it is not
            registered.
        """

        def get_opt_info(name: str, group: Any = None) -> dict[str, Any]:
            wanted = (getattr(group, 'name', group), name)
            entry = self.entry(wanted) or (unset if wanted == key else None)
            if entry is None:
                # It may know a deprecated name of the option.
                info: dict[str, Any] = self.conf._get_opt_info(name, group)
                return info
            opt = copy.copy(entry[0])
            info = dict(opt=opt, default=entry[2], override=entry[3])
            opt.default = entry[1]
            return {k: v for k, v in info.items() if v is not probe.ABSENT}

        view = object.__new__(cfg.ConfigOpts)
        vars(view).update(
            vars(self.conf),
            _namespace=self.sources[0],
            _mutable_ns=self.sources[1],
            _get_opt_info=get_opt_info,
            _ConfigOpts__cache={},
            _ConfigOpts__drivers_cache={},
        )
        return view


def _copy_of(namespace: Any) -> Any:
    """Return a copy that does not change when a file is added."""
    if namespace is None:
        return None
    copied = copy.copy(namespace)
    copied._parsed = list(namespace._parsed)
    copied._normalized = list(namespace._normalized)
    return copied


class ConfigProbe(probe.Probe):
    """The effective values of all options of oslo.config.

    An option that is not registered counts as having its default.

    :param others: returns the ``ConfigOpts`` besides ``cfg.CONF``, by name.
    """

    name = 'config'
    remedy = (
        'Set options with useFixture(oslo_config.fixture.Config()), or with '
        'self.flags() in Nova.'
    )

    def __init__(self, others: Callable[[], Mapping[str, Any]] = dict) -> None:
        self._others = others
        self._secret: set[str] = set()

    def snapshot(self) -> dict[str, _State]:
        confs = {'': cfg.CONF, **self._others()}
        return {name: _State(conf) for name, conf in confs.items()}

    def changes(
        self, before: dict[str, _State], after: dict[str, _State]
    ) -> Iterator[tuple[str, Any, Any]]:
        for name in before.keys() & after.keys():
            # Another object has a posture of its own.
            if before[name].conf is after[name].conf:
                yield from self._changes(name, before[name], after[name])

    def _changes(
        self, name: str, before: _State, after: _State
    ) -> Iterator[tuple[str, Any, Any]]:
        by_source = before.sources != after.sources
        keys = before.differing(after)
        for key in sorted(keys, key=lambda key: (key[0] or '', key[1])):
            was, now = before.entry(key), after.entry(key)
            entry = now or was
            if entry is None or (was == now and not by_source):
                continue
            old, new = before.value(key, entry), after.value(key, entry)
            if old != new:
                text = f'{name} [{key[0] or "DEFAULT"}] {key[1]}'.strip()
                if entry[0].secret:
                    self._secret.add(text)
                default = after.is_default(key, was)
                yield text, old, _Default(new) if default else new

    def describe(self, key: str, value: Any) -> str:
        if isinstance(value, _Default):
            return f'{self.describe(key, value.value)} (default)'
        if key in self._secret:
            return names.MASK
        # Without its group: keystone_authtoken says nothing of an option.
        return super().describe(key.rpartition('] ')[2], value)
