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

"""Parse each route of the API once."""

from collections.abc import Callable
import functools
from typing import Any

from routes import route

from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import patterns
from safe_fixtures.runtime import patching

__all__ = ['Routes']

# Nova has about 420 routes.
_MAX_PARSED = 4096
# The arguments of the routes of Nova.
_ARGUMENTS = frozenset(
    ('_explicit', '_minimize', 'action', 'conditions', 'controller',
     'requirements')
)  # fmt: skip
_MEMBERS = (
    ('__init__', 'self', 'name', 'routepath', 'kargs'),
    ('_setup_route', 'self'),
    ('_pathkeys', 'self', 'routepath'),
    ('make_full_route', 'self'),
    ('make_unicode', 'self', 's'),
    ('_minkeys', 'self', 'routelist'),
    ('_defaults', 'self', 'routekeys', 'reserved_keys', 'kargs'),
    ('reserved_keys',),
    ('done_chars',),
)
# What is in a parsed route, in this order.
_ATTRIBUTES = (
    'routepath', 'sub_domains', 'prior', 'redirect', 'name', '_kargs',
    'minimization', 'encoding', 'reqs', 'decode_errors', 'static', 'filter',
    'absolute', 'member_name', 'collection_name', 'parent_resource',
    'conditions', 'explicit', 'routelist', 'dotkeys', 'regpath', 'req_regs',
    'defaults', 'maxkeys', 'minkeys', 'routebackwards', 'hardcoded',
    '_default_keys',
)  # fmt: skip
# What each route has for itself.
_OWN = (
    '_kargs', 'conditions', 'defaults', 'name', 'reqs', 'req_regs',
    'routebackwards', 'routelist',
)  # fmt: skip
_SAMPLE = '/{project_id:[0-9a-f-]+}/servers/{id}'
# What nobody has patched yet.
_FIRST = dict(vars(route.Route))


class Routes(cure.Cure):
    """Parse each route of the API once.

    The library routes reads the path of a route character by character, and
    compiles regular expressions, of which ``re`` keeps the last 512 of the
    whole process. Each test does so for the 840 routes of two routers of
    Nova. Here a route is copied from an earlier one of the same path,
    action and requirements, and expressions are kept. The controller, the
    conditions and all that can be changed in place are the route's own.

    All is left to the library for named, static and minimized routes and
    those of placement, which take other arguments, for a subclass of
    ``Route``, and where ``Route`` or ``re.compile`` is patched.

    Routes do not share controllers. On stock each has its own, and keeps
    what it knows of neutron's extensions to itself.
    """

    name = 'routes'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        patched = vars(route.Route) != _FIRST
        for member in _MEMBERS:
            if not patched or member[0] not in vars(route.Route):
                cure.known(route.Route, *member)
        if patched:
            # By a test, which will restore it: nothing to be known by.
            return lambda: None
        _probe()
        return patching.patch_together(
            functools.partial(patterns.install, cls.counts),
            functools.partial(
                cure.replace, route.Route, '__init__', _initializer(cls.counts)
            ),
        )


class _Parsed:
    """What the library made of a route.

    It holds no controller: that would keep an earlier test alive.
    """

    def __init__(self, made: route.Route, given: dict[str, Any]) -> None:
        state = vars(made)
        # The library adds the requirements in the path to the given ones.
        self._added = {
            key: value
            for key, value in state['reqs'].items()
            if given.get(key) != value
        }
        self._parts = _copy_parts(state['routelist'])
        self._expressions = dict(state['req_regs'])
        self._defaults = {**state['defaults'], 'controller': None}
        self._state = {**state, **dict.fromkeys(_OWN)}

    def copy_to(self, new: route.Route, kargs: dict[str, Any]) -> None:
        """Do what the library does to a new route.

        :param kargs: the arguments; the route keeps what is left of them.
        """
        del kargs['_explicit'], kargs['_minimize']
        state = vars(new)
        state.update(self._state)
        state['_kargs'] = kargs
        state['conditions'] = kargs.pop('conditions')
        state['reqs'] = reqs = kargs['requirements']
        reqs.update(self._added)
        state['routelist'] = parts = _copy_parts(self._parts)
        state['req_regs'] = self._expressions.copy()
        state['defaults'] = defaults = self._defaults.copy()
        defaults['controller'] = kargs['controller']
        state['routebackwards'] = parts.copy()


_parsed: dict[Any, _Parsed] = {}


def _copy_parts(parts: list[Any]) -> list[Any]:
    return [part if type(part) is str else dict(part) for part in parts]


def _key(routepath: Any, kargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return what a parsed route depends on; None if that is not known."""
    if kargs.keys() != _ARGUMENTS or type(routepath) is not str:
        return None
    controller, action = kargs['controller'], kargs['action']
    # What can be called is a default as it is.
    if isinstance(controller, (str, bytes)) or not callable(controller):
        return None
    given = kargs['requirements']
    if type(given) is not dict or type(action) is not str:
        return None
    if kargs['_minimize'] is not False or kargs['_explicit'] is not True:
        return None
    for value in given.values():
        if type(value) is not str:
            return None
    return routepath, action, tuple(given.items()), tuple(kargs)


def _initializer(counts: cure.Counts) -> Callable[..., None]:
    """Return what replaces ``Route.__init__``."""
    stock = _FIRST['__init__']

    @functools.wraps(stock)
    def __init__(*args: Any, **kargs: Any) -> None:
        key = None
        if (
            len(args) == 3
            and args[1] is None
            and type(args[0]) is route.Route
            and vars(route.Route) == expected
            and route.Route.reserved_keys == ['requirements']
        ):
            key = _key(args[2], kargs)
        parsed = _parsed.get(key)
        if parsed is not None:
            parsed.copy_to(args[0], kargs)
            counts.hits += 1
        elif key is None:
            stock(*args, **kargs)
        else:
            given = dict(kargs['requirements'])
            stock(*args, **kargs)
            counts.misses += 1
            _remember(key, args[0], given)

    expected = {**_FIRST, '__init__': __init__}
    return __init__


def _remember(key: Any, made: route.Route, given: dict[str, Any]) -> None:
    if tuple(vars(made)) == _ATTRIBUTES:
        cure.make_room(_parsed, _MAX_PARSED)
        _parsed[key] = _Parsed(made, given)


def _probe() -> None:
    """Look whether a copy is what the library makes.

    :raises: Unknown if it is not.
    """
    first, second = (route.Route(None, _SAMPLE, **_arguments()) for _ in '12')
    if tuple(vars(first)) != _ATTRIBUTES:
        raise cure.Unknown('routes.route.Route has other attributes')
    third = object.__new__(route.Route)
    _Parsed(first, _arguments()['requirements']).copy_to(third, _arguments())
    if vars(second) != vars(third):
        raise cure.Unknown('routes.route.Route is parsed in another way')


def _arguments() -> dict[str, Any]:
    return {
        'controller': len,
        'action': 'index',
        'conditions': {'method': ['GET']},
        'requirements': {'format': 'json|xml'},
        '_explicit': True,
        '_minimize': False,
    }
