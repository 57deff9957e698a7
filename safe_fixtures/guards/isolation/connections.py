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

"""Report each engine and transport that is made, and where it leads.

The constructors are patched, and not the functions that call them: those are
often bound before a guard is there.
"""

from collections.abc import Callable
import functools
import os
import sys
from typing import Any

from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = ['CheckUrl', 'watch', 'watchers']

CheckUrl = Callable[[str, str], None]


def _engine_url(
    engine: Any, pool: Any, dialect: Any, url: Any, *_: Any, **__: Any
) -> str:
    return str(url)


def _transport_url(transport: Any, driver: Any) -> str | None:
    # The double of a driver has none.
    url = getattr(driver, '_url', None)
    messaging = sys.modules['oslo_messaging.transport']
    if isinstance(url, messaging.TransportURL):
        return str(url)
    return values.text(url) if values.is_text(url) else None


def _psycopg2_url(dsn: str, *_: Any, **__: Any) -> str:
    given = sys.modules['psycopg2.extensions'].parse_dsn(dsn)
    host = given.get('host', '')
    # These lead elsewhere, whatever the host is.
    if any(name in given or f'PG{name.upper()}' in os.environ
           for name in ('hostaddr', 'service')):  # fmt: skip
        return f'postgresql://{host}/'
    user = given.get('user')
    return f'postgresql://{user}@{host}/' if user else f'postgresql://{host}/'


# For each module: the class in it, the function to patch, the kind of what
# it makes, and a function of its arguments that returns a URL or None.
_PLACES: dict[str, tuple[str | None, str, str, Callable[..., str | None]]] = {
    'sqlalchemy.engine.base': ('Engine', '__init__', 'database', _engine_url),
    'oslo_messaging.transport': (
        'Transport', '__init__', 'transport', _transport_url,
    ),
    # What its connect() calls; no interpreter event tells of it.
    'psycopg2': (None, '_connect', 'database', _psycopg2_url),
}  # fmt: skip


# Made once, as it is installed for every test.
@functools.cache
def _watched(name: str, original: Any) -> Any:
    _, _, kind, url_of = _PLACES[name]

    def see(original: Any, *args: Any, **kwargs: Any) -> Any:
        url = url_of(*args, **kwargs)
        if url is not None:
            for check_url in reversed(watchers.users):
                check_url(kind, url)
        return original(*args, **kwargs)

    if name.startswith('sqlalchemy.'):
        # SQLAlchemy reads the names of the arguments from the code object.
        return sys.modules['sqlalchemy.util'].decorator(see)(original)

    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return see(original, *args, **kwargs)

    return watched


def _patch(name: str, module: Any) -> Callable[[], None]:
    owner, attribute, _, _ = _PLACES[name]
    target = module if owner is None else getattr(module, owner)
    return patching.patch_attribute(
        target, attribute, _watched(name, vars(target)[attribute])
    )


def _install() -> Callable[[], None]:
    when_imported = patching.patch_when_imported
    return patching.patch_together(
        *(
            functools.partial(
                when_imported, name, functools.partial(_patch, name)
            )
            for name in _PLACES
        )
    )


#: The functions that are called, the oldest first.
watchers: patching.SharedPatch[CheckUrl] = patching.SharedPatch(_install)


def watch(check_url: CheckUrl) -> Callable[[], None]:
    """Call a function for each engine and transport, before it is made.

    It is called in the thread that makes it, with ``database`` or
    ``transport`` and the URL. What it raises, the maker of the engine gets.
    Connections of psycopg2 count as engines. Of several functions, the last
    one is called first. Nothing is imported for it.

    :returns: a callable that ends it, and restores what was patched after
        the last function.
    """
    return watchers.add(check_url)
