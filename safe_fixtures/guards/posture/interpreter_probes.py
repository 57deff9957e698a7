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

"""Compare how the interpreter itself is set."""

import _socket
import _tracemalloc
from collections.abc import Callable, Iterator
import faulthandler
import gc
import sys
import tempfile
import threading
from typing import Any, Final, NamedTuple
import warnings

from safe_fixtures.guards.posture import imports
from safe_fixtures.guards.posture import probe

__all__ = ['InterpreterProbe', 'WarningsProbe']

# What tempfile uses if nobody says otherwise.
_TEMPDIR = tempfile.gettempdir()
# Asked for as they are here, as tests patch modules.
_SETTINGS: Final[dict[str, Callable[[], Any]]] = {
    'recursion limit': sys.getrecursionlimit,
    'switch interval': sys.getswitchinterval,
    'trace function': sys.gettrace,
    'profile function': sys.getprofile,
    'trace function of new threads': threading.gettrace,
    'profile function of new threads': threading.getprofile,
    'stack size of new threads': threading.stack_size,
    'garbage collection': gc.isenabled,
    'gc thresholds': gc.get_threshold,
    'gc debugging': gc.get_debug,
    'default timeout of sockets': _socket.getdefaulttimeout,
    'faulthandler': faulthandler.is_enabled,
    'tracemalloc': _tracemalloc.is_tracing,
    'digits of an int': getattr(sys, 'get_int_max_str_digits', int),
}


class _State(NamedTuple):
    values: dict[str, Any]
    lists: dict[str, list[Any]]
    imported: dict[str, Any]


class InterpreterProbe(probe.ObjectProbe):
    """Limits, hooks, search paths and defaults of the interpreter.

    Something of its own that a module adds to a list while it is imported is
    no change.
    """

    name = 'interpreter'

    def snapshot(self) -> _State:
        values = {name: get() for name, get in _SETTINGS.items()}
        values['tempfile.tempdir'] = tempfile.tempdir or _TEMPDIR
        values['asyncio policy'] = _asyncio_policy()
        values['decimal context'] = _decimal_context()
        lists: dict[str, list[Any]] = {
            'sys.meta_path': sys.meta_path,
            'sys.path': sys.path,
            'sys.path_hooks': sys.path_hooks,
            'gc.callbacks': gc.callbacks,
        }
        return _State(
            values,
            {name: list(each) for name, each in lists.items()},
            imports.loaded(),
        )

    def changes(
        self, before: _State, after: _State
    ) -> Iterator[tuple[str, Any, Any]]:
        for key, old in before.values.items():
            new = after.values[key]
            if old is not new and old != new:
                yield key, old, new
        for key, was in before.lists.items():
            now = after.lists[key]
            if list(map(id, was)) != list(map(id, now)):
                imported = imports.Imported(before.imported)
                yield from _list_changes(key, was, now, imported)


def _list_changes(
    key: str, was: list[Any], now: list[Any], imported: imports.Imported
) -> Iterator[tuple[str, Any, Any]]:
    """Yield each thing that is new in a list, or gone, or else the order."""
    removed, kept, added = list(was), [], []
    for each in now:
        # By equality for paths, and by identity for what has none.
        if each in removed:
            removed.remove(each)
            kept.append(each)
        else:
            added.append(each)
    for each in removed:
        yield f'{key} {_name_of(each)}', 'there', probe.ABSENT
    for each in added:
        if not (imported.has_path(each) or imported.has_type(each)):
            yield f'{key} {_name_of(each)}', probe.ABSENT, 'there'
    if not removed and kept != was:
        yield f'order of {key}', _names_of(was), _names_of(kept)


def _names_of(things: list[Any]) -> str:
    return ', '.join(map(_name_of, things))


def _name_of(thing: Any) -> str:
    return repr(thing if type(thing) in probe.PLAIN else probe.Thing(thing))


def _asyncio_policy() -> Any:
    """Return the event loop policy; None for the default one."""
    asyncio: Any = sys.modules.get('asyncio')
    events: Any = sys.modules.get('asyncio.events')
    policy = getattr(events, '_event_loop_policy', None)
    default = getattr(asyncio, 'DefaultEventLoopPolicy', None)
    # It is made when it is first asked for.
    return None if type(policy) is default else policy


def _decimal_context() -> Any:
    decimal: Any = sys.modules.get('decimal')
    if decimal is None:
        return None
    context = decimal.getcontext()
    traps = [each.__name__ for each, set_ in context.traps.items() if set_]
    return (context.prec, context.rounding, context.Emin, context.Emax, *traps)


class _Filters(NamedTuple):
    filters: list[tuple[Any, ...]]
    imported: dict[str, Any]


class WarningsProbe(probe.Probe):
    """The filters of warnings, in their order.

    A module that is imported may add filters for categories of its own, or
    for certain messages or modules.
    """

    name = 'warnings'
    remedy = 'Use warnings.catch_warnings(), or fixtures.WarningsFilter.'

    def snapshot(self) -> _Filters:
        return _Filters(list(warnings.filters), imports.loaded())

    def changes(
        self, before: _Filters, after: _Filters
    ) -> Iterator[tuple[str, Any, Any]]:
        if before.filters == after.filters:
            return
        imported = imports.Imported(before.imported)
        old, new = before.filters, after.filters
        if imported:
            new = [
                each
                for each in new
                if each in old
                or not (each[1] or each[3] or imported.has_type(each[2]))
            ]
        removed = [each for each in old if each not in new]
        added = [each for each in new if each not in old]
        for each in removed:
            yield _as_text(each), 'set', probe.ABSENT
        for each in added:
            yield _as_text(each), probe.ABSENT, 'set'
        if not (removed or added) and old != new:
            yield 'order', _as_line(old), _as_line(new)


def _as_line(filters: list[tuple[Any, ...]]) -> str:
    return '; '.join(map(_as_text, filters))


def _as_text(found: tuple[Any, ...]) -> str:
    action, message, category, module, line = found
    parts = [action, category.__name__]
    for name, value in (('message', message), ('module', module)):
        if value is not None:
            parts.append(f'{name} {getattr(value, "pattern", value)!r}')
    if line:
        parts.append(f'line {line}')
    return ' '.join(parts)
