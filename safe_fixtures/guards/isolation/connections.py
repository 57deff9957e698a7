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

"""See engines and transports being made.

Not where they are made, which is bound early as often as not, but where each
of them begins, whoever makes it.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import sys
from typing import Any

import wrapt

from safe_fixtures.runtime import patching

__all__ = ['CheckUrl', 'watch']

CheckUrl = Callable[[str, str], None]

_watchers: tuple[CheckUrl, ...] = ()
_restores: dict[str, Callable[[], None]] = {}
_hooked = False
_imported: dict[str, Any] = {}


def watch(check_url: CheckUrl) -> Callable[[], None]:
    """Have a function see what each engine and transport is made for.

    It is called before one is there, in the thread that makes it, with
    ``database`` or ``transport`` and the URL; what it raises, whoever makes
    the engine gets. A connection of psycopg2, which no event of the
    interpreter tells of, is seen too. Of several functions, the last one is
    called first. Nothing is imported for it.

    :returns: a callable that ends it; the last one takes away what the
        first one installed.
    """
    global _hooked, _watchers

    # Not the function itself, which may watch twice.
    def watcher(kind: str, url: str) -> None:
        check_url(kind, url)

    def unwatch() -> None:
        global _watchers
        _watchers = tuple(each for each in _watchers if each is not watcher)
        if not _watchers:
            with contextlib.ExitStack() as stack:
                while _restores:
                    stack.callback(_restores.popitem()[1])

    _watchers = (*_watchers, watcher)
    try:
        if not _hooked:
            _hooked = True
            for name in _PLACES:
                # Called at once if it is imported already.
                wrapt.register_post_import_hook(_on_import, name)
        else:
            for module in list(_imported.values()):
                _install(module)
    except BaseException:
        unwatch()
        raise
    return unwatch


def _on_import(module: Any) -> None:
    _imported[module.__name__] = module
    _install(module)


def _install(module: Any) -> None:
    name = module.__name__
    if not _watchers or name in _restores:
        return
    find, attribute, _ = _PLACES[name]
    target = find(module)
    _restores[name] = patching.patch_attribute(
        target, attribute, _watched(name, vars(target)[attribute])
    )


# Made once, as it is to be installed for every test.
@functools.cache
def _watched(name: str, original: Any) -> Any:
    check = _PLACES[name][2]

    def see(original: Any, *args: Any, **kwargs: Any) -> Any:
        for kind, url in check(*args, **kwargs):
            for watcher in reversed(_watchers):
                watcher(kind, url)
        return original(*args, **kwargs)

    if name.startswith('sqlalchemy.'):
        # It reads the names of the arguments from the code of what it calls.
        return sys.modules['sqlalchemy.util'].decorator(see)(original)

    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return see(original, *args, **kwargs)

    return watched


_Seen = Iterator[tuple[str, str]]


def _engine(
    engine: Any, pool: Any, dialect: Any, url: Any, *args: Any, **kwargs: Any
) -> _Seen:
    yield 'database', str(url)


def _transport(transport: Any, driver: Any) -> _Seen:
    # The double of a driver has none.
    url = getattr(driver, '_url', None)
    messaging = sys.modules['oslo_messaging.transport']
    if isinstance(url, (str, messaging.TransportURL)):
        yield 'transport', str(url)


def _psycopg2(dsn: str, *args: Any, **kwargs: Any) -> _Seen:
    parse_dsn = sys.modules['psycopg2.extensions'].parse_dsn
    host = parse_dsn(dsn).get('host', '')
    yield 'database', f'postgresql://{host}/'


# For each module, where in it to find what to replace, the name of that, and
# what tells of the arguments of a call where it leads.
_PLACES: dict[str, tuple[Callable[[Any], Any], str, Callable[..., _Seen]]] = {
    'sqlalchemy.engine.base': (
        lambda module: module.Engine,
        '__init__',
        _engine,
    ),
    'oslo_messaging.transport': (
        lambda module: module.Transport,
        '__init__',
        _transport,
    ),
    # What its connect() calls.
    'psycopg2': (lambda module: module, '_connect', _psycopg2),
}
