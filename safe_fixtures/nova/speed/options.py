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

"""Keep the values of options when a known option is registered again."""

from collections.abc import Callable
import functools
import itertools
import os
from typing import Any
import weakref

from oslo_config import cfg

from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import patching

__all__ = ['Options']

# What oslo.config looks at when it evaluates an option.
_ATTRIBUTES = (
    '_args', '_env_driver', '_groups', '_mutable_ns', '_namespace', '_opts',
    '_sources', '_use_env', '_validate_default_values',
)  # fmt: skip
_CACHE = '_ConfigOpts__cache'
# Values that nobody can change in place.
_ATOMS = frozenset((bool, bytes, float, int, str, type(None)))
# Its place in a cache is between the values that were looked at and others.
_MARK = object()
_numbers = itertools.count()


class Options(cure.Cure):
    """Keep the values of options when a known option is registered again.

    oslo.config forgets all values whenever options are registered, and each
    RPC client registers its options again. Here it forgets them only if an
    option or a group was new, or if a value may have changed behind its
    back: through an option, ``cfg.set_defaults``, the environment, or a
    source of values. What is not a number, a string, None, or a list as it
    was set is forgotten in any case: whoever got it may have changed it.

    All is left to oslo.config for options of the command line, for a
    subclass of ``ConfigOpts``, and where arguments, a file or another source
    was read.
    """

    name = 'options'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        register_opt, register_opts = _known()
        keeper = _Keeper(cls.counts)
        patches = (
            (cfg.Opt, '__setattr__', keeper.note_writes()),
            (cfg.ConfigOpts, 'register_opt', keeper.one(register_opt)),
            (cfg.ConfigOpts, 'register_opts', keeper.many(register_opts)),
        )
        return patching.patch_together(
            lambda: keeper.forget,
            *(functools.partial(cure.replace, *each) for each in patches),
        )


def _known() -> tuple[Any, Any]:
    """Return ``register_opt`` and ``register_opts``."""
    initial = cure.known(cfg.ConfigOpts, '__init__', 'self')
    for name in (*_ATTRIBUTES, _CACHE):
        if name not in initial.__code__.co_names:
            raise cure.Unknown(f'there is no ConfigOpts.{name}')
    found = (
        cure.known(
            cfg.ConfigOpts, 'register_opt', 'self', 'opt', 'group', 'cli'
        ),
        cure.known(cfg.ConfigOpts, 'register_opts', 'self', 'opts', 'group'),
    )
    for each in found:
        if 'clear_cache' not in each.__code__.co_consts:
            raise cure.Unknown(f'ConfigOpts.{each.__name__} keeps its cache')
    get = cure.known(
        cfg.ConfigOpts, '_get', 'self', 'name', 'group', 'namespace'
    )
    if _CACHE not in get.__code__.co_names:
        raise cure.Unknown('ConfigOpts._get has no cache')
    if '__setattr__' in vars(cfg.Opt):
        raise cure.Unknown('oslo_config.cfg.Opt sets attributes in its way')
    if type(getattr(os.environ, '_data', None)) is not dict:
        raise cure.Unknown('os.environ has no data')
    return found


class _State:
    """What the values of a ``ConfigOpts`` depend on, besides its options.

    :param writes: how often an attribute of an option was set (int).
    """

    def __init__(self, conf: cfg.ConfigOpts, writes: int) -> None:
        self._writes = writes
        self._namespaces = conf._namespace, conf._mutable_ns
        self._driver = conf._env_driver
        self._flags = conf._use_env, conf._validate_default_values
        self._variables = _variables()

    def holds(self, conf: cfg.ConfigOpts, writes: int) -> bool:
        """Whether all is as it was."""
        return (
            self._writes == writes
            and self._namespaces[0] is conf._namespace
            and self._namespaces[1] is conf._mutable_ns
            and self._driver is conf._env_driver
            and self._flags == (conf._use_env, conf._validate_default_values)
            and self._variables == _variables()
        )


def _variables() -> Any:
    data = getattr(os.environ, '_data', os.environ)
    # A test may have put any mapping there.
    return dict(data)


def _is_plain(conf: cfg.ConfigOpts) -> bool:
    """Whether no arguments, no file and no other source were read."""
    return (
        type(conf) is cfg.ConfigOpts
        and not conf._args
        and not conf._sources
        and not any(
            namespace is not None and namespace._parsed
            for namespace in (conf._namespace, conf._mutable_ns)
        )
    )


class _Keeper:
    """Decides whether the values of options can be kept."""

    def __init__(self, counts: cure.Counts) -> None:
        self._counts = counts
        # How often an option was written to. No two keepers have the same.
        self._writes = next(_numbers)
        # All that have a mark, by their ids.
        self._marked: dict[int, weakref.ref[Any]] = {}

    def note_writes(self) -> Callable[[Any, str, Any], None]:
        """Return a ``__setattr__`` of options."""

        def set_attribute(opt: Any, name: str, value: Any) -> None:
            object.__setattr__(opt, name, value)
            self._writes = next(_numbers)

        return set_attribute

    def one(self, register: Any) -> Any:
        """Return a ``register_opt``."""

        @functools.wraps(register)
        def register_opt(
            conf: Any,
            opt: Any,
            group: Any = None,
            cli: Any = False,
            **how: Any,
        ) -> Any:
            if cli or how or not _is_plain(conf):
                return register(conf, opt, group, cli, **how)
            return self._register(register, conf, opt, group)

        return register_opt

    def many(self, register: Any) -> Any:
        """Return a ``register_opts``."""

        @functools.wraps(register)
        def register_opts(
            conf: Any, opts: Any, group: Any = None, **how: Any
        ) -> Any:
            if how or not _is_plain(conf):
                return register(conf, opts, group, **how)
            return self._register(register, conf, opts, group)

        return register_opts

    def _register(
        self, register: Any, conf: Any, opts: Any, group: Any
    ) -> Any:
        before = _size(conf, group)
        # If this raises, oslo.config forgets nothing either.
        result = register(conf, opts, group, clear_cache=False)
        if before == _size(conf, group) and self._keep(conf):
            self._counts.hits += 1
        else:
            self._counts.misses += 1
            getattr(conf, _CACHE).clear()
            self._mark(conf, _State(conf, self._writes))
        return result

    def _keep(self, conf: Any) -> bool:
        """Forget what may have changed, or return False if all may have."""
        cache = getattr(conf, _CACHE)
        state = cache.get(_MARK)
        if state is None or not state.holds(conf, self._writes):
            return False
        found = list(cache.items())
        left = len(found)
        for key, value in reversed(found):
            if key is _MARK:
                break
            if not _is_kept(conf, key, value):
                cache.pop(key, None)
                left -= 1
        cache.pop(_MARK, None)
        self._mark(conf, state)
        # Otherwise another thread looked a value up, or cleared the cache.
        return left == len(cache)

    def _mark(self, conf: Any, state: _State) -> None:
        if id(conf) not in self._marked:
            self._marked[id(conf)] = weakref.ref(
                conf, functools.partial(self._unmark, id(conf))
            )
        getattr(conf, _CACHE)[_MARK] = state

    def _unmark(self, number: int, conf: Any) -> None:
        if self._marked.get(number) is conf:
            del self._marked[number]

    def forget(self) -> None:
        """Leave no mark in a cache."""
        for each in list(self._marked.values()):
            conf = each()
            if conf is not None:
                getattr(conf, _CACHE).pop(_MARK, None)
        self._marked.clear()


def _size(conf: Any, group: Any) -> int:
    """Return how many options a group has, -1 for no such group."""
    owner = conf
    if group is not None:
        owner = conf._groups.get(getattr(group, 'name', group))
    return -1 if owner is None else len(owner._opts)


def _is_kept(conf: Any, key: Any, value: Any) -> bool:
    """Whether oslo.config would return the same value again."""
    group, name = key
    if group is None and name in conf._groups:
        # It has two attributes, unless somebody has set one.
        return (
            type(value) is cfg.ConfigOpts.GroupAttr and len(vars(value)) == 2
        )
    owner = conf if group is None else conf._groups.get(group)
    # oslo.config warns of a deprecated name whenever it looks it up.
    if owner is None or name not in owner._opts:
        return False
    return type(value) in _ATOMS or _is_as_given(owner._opts[name], value)


def _is_as_given(info: Any, value: Any) -> bool:
    """Whether a value is a list of strings that nobody has changed.

    :param info: what oslo.config knows of the option.
    """
    given = info.get('override', info.get('default', info['opt'].default))
    return (
        type(value) is list is type(given)
        and value == given
        and all(type(each) is str for each in (*value, *given))
    )
