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


"""Routes that are copied are those that the library routes makes."""

from safe_fixtures import nova as safe_nova  # isort: skip

import inspect
import re
from unittest import mock

import fixtures
from nova.api.openstack.compute import routes as nova_routes
from nova.api import wsgi
from placement import handler
from routes import mapper
from routes import route
import webob

from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import patterns
from safe_fixtures.nova.speed import routes
from tests.functional.nova import inner
from tests.speed import base
from tests.support import settings

Routes = routes.Routes
METHODS = ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')
PROJECT = '/6f70656e737461636b20342065766572'
PATCHED = ((route.Route, '__init__'), (route, 're'), (mapper, 're'))
# What each route has for itself: nobody else sees it change.
OWN = ('_kargs', 'conditions', 'defaults', 'reqs', 'req_regs', 'routelist')


def state():
    """Return the raw attributes that the cure replaces."""
    return [vars(owner).get(name) for owner, name in PATCHED]


def url(path):
    """Return what a path matches, with a dot and an escape in it."""
    return re.sub('{([^}]*)}', r'\1-1.2%20', path)


def urls(paths):
    """Return all that is worth matching."""
    known = [url(path) for path in paths]
    return [
        *known,
        *(PROJECT + each for each in known),
        *(each + '/' for each in known),
        *(f'{each}.json' for each in known),
        '/nothing',
        '/servers/1/nothing/2',
        f'{PROJECT}{PROJECT}/servers',
        '//servers',
        '/NOT-HEX/servers',
    ]


def described(found):
    """Return what can be compared: a controller is its class."""
    if isinstance(found, dict):
        return [(key, described(each)) for key, each in found.items()]
    if isinstance(found, (list, tuple)):
        return [described(each) for each in found]
    if isinstance(found, (set, frozenset)):
        return sorted(found)
    if isinstance(found, re.Pattern):
        return found.pattern, found.flags
    if hasattr(found, 'controller'):
        return type(found).__name__, type(found.controller).__name__
    return found


def describe(made, paths):
    """Return all that can be seen of a mapper."""
    found = {}
    for each in urls(paths):
        for method in METHODS:
            matched = made.routematch(each, {'REQUEST_METHOD': method})
            if matched and matched[0]:
                result, by = matched
                # Not only its class: the very controller of that route.
                same = result.get('controller') is by.defaults.get(
                    'controller'
                )
                found[each, method] = (
                    described(result), made.matchlist.index(by), same,
                )  # fmt: skip
    return {
        'routes': [described(vars(each)) for each in made.matchlist],
        'backwards': [
            [
                one is two
                for one, two in zip(each.routelist, again, strict=True)
            ]
            for each in made.matchlist
            for again in [each.routebackwards]
        ],
        'requirements': [
            each.reqs is each._kargs.get('requirements', each.reqs)
            for each in made.matchlist
        ],
        'matches': found,
        'all': made._master_reg,
        'keys': sorted(described(each) for each in made.maxkeys),
        'urls': [generate(made, each) for each in made.matchlist],
    }


def generate(made, each):
    """Return the URLs of a route, with arguments and without."""
    given = {
        key: each.defaults[key]
        for key in ('action', 'controller')
        if key in each.defaults
    }
    return [
        made.generate(**given, **dict.fromkeys(each.minkeys, value), **more)
        for value, more in (('ab', {}), ('x/y', {}), ('ab', {'limit': 3}))
    ]


class Routers(inner.SafeApiTestCase):
    """It makes routers, and says what can be seen of them."""

    def check(self):
        paths = [path for path, _ in nova_routes.ROUTE_LIST]
        type(self).found = [
            describe(nova_routes.APIRouterV21().map, paths) for _ in range(2)
        ]
        declared = handler.ROUTE_DECLARATIONS
        type(self).placement = [
            describe(handler.make_map(declared), declared) for _ in range(2)
        ]
        type(self).responses = self.respond()

    def respond(self):
        app = wsgi.Loader().load_app('osapi_compute')
        found = []
        for version in ('', '/v2', '/v2.1'):
            for path in ('', '/', '/flavors', '/flavors/detail', '/x/y'):
                for method in METHODS:
                    request = webob.Request.blank(
                        version + path, method=method, headers=inner.HEADERS
                    )
                    response = request.get_response(app)
                    body = re.sub('req-[-0-9a-f]*', '', response.text)
                    found.append(
                        (version, path, method, response.status, body,
                         response.headers.get('location'),
                         response.headers.get('allow'))
                    )  # fmt: skip
        router = nova_routes.APIRouterV21()
        for path in ('', '/', '/x'):
            request = webob.Request.blank('/', headers=inner.HEADERS)
            request.path_info = path
            response = request.get_response(router)
            found.append(
                (
                    None,
                    path,
                    None,
                    response.status,
                    response.text,
                    response.headers.get('location'),
                    None,
                )
            )
        return found


def run(test, check, method='check'):
    """Run an inner test with an API; it must pass."""
    cls = type('Inner', (inner.SafeApiTestCase,), {'check': check})
    test.assertEqual('', inner.problems(inner.run_inner(cls, method)))


def look(test, check):
    """Call a check while the cure is in use, and no API is made."""
    with Routes():
        check(test)


def connect(made, path='/a/{b:[0-9]+}/{c}', **more):
    """Connect a route as Nova does; return it."""
    arguments = {
        'conditions': {'method': ['GET']},
        'controller': len,
        'action': 'show',
        'requirements': {'format': 'json|xml'},
        **more,
    }
    made.connect(path, **arguments)
    return made.matchlist[-1]


class TestSame(base.TestCase):
    """All of a router is what it is on stock."""

    def test_routers(self):
        with settings.options(speed_up_without='routes'):
            before = vars(Routes.counts).copy()
            stock = type('Stock', (Routers,), {})
            self.assertEqual(
                '', inner.problems(inner.run_inner(stock, 'check'))
            )
            self.assertEqual(before, vars(Routes.counts))
        for _ in range(2):
            before = Routes.counts.hits
            cured = type('Cured', (Routers,), {})
            self.assertEqual(
                '', inner.problems(inner.run_inner(cured, 'check'))
            )
            self.assertLess(
                2 * len(stock.found[0]['routes']) - 2,
                Routes.counts.hits - before,
            )
            for made in ('found', 'placement'):
                for one, two in zip(
                    getattr(stock, made), getattr(cured, made), strict=True
                ):
                    for part, value in one.items():
                        self.assertTrue(value)
                        self.assertEqual(value, two[part], (made, part))
            self.assertEqual(stock.responses, cured.responses)
        statuses = {each[3][:3] for each in stock.responses}
        self.assertLessEqual({'200', '302', '404'}, statuses)
        # The same URL, but not the same method.
        matched = stock.found[0]['matches']
        self.assertIn(('/flavors', 'GET'), matched)
        self.assertNotIn(('/flavors', 'PATCH'), matched)
        matched = stock.placement[0]['matches']
        self.assertIn("'_methods', 'GET'", repr(matched['/', 'PATCH']))

    def test_controllers_are_not_shared(self):
        def check(case):
            apps = [nova_routes.APIRouterV21() for _ in range(2)]
            apis = []
            seen = set()
            for app in apps:
                for one in app.map.matchlist[2::2]:
                    resource = one.defaults['controller']
                    self.assertNotIn(id(resource), seen)
                    self.assertNotIn(id(resource.controller), seen)
                    seen |= {id(resource), id(resource.controller)}
                    api = getattr(resource.controller, 'compute_api', None)
                    apis += [api] if api else []
            # Each asks neutron for its extensions by itself.
            apis[0].network_api.extensions['poison'] = True
            for api in apis[1:]:
                self.assertEqual({}, api.network_api.extensions)

        run(self, check)


class CuredTestCase(base.TestCase):
    """The cure is at work."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.routes._parsed', {}
        ))  # fmt: skip
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.patterns._patterns',
            patterns._Patterns(),
        ))  # fmt: skip
        self.stock = route.Route.__init__
        self.useFixture(Routes())

    def counted(self, make):
        """Return hits and misses of what is made."""
        counts = Routes.counts
        before = counts.hits, counts.misses
        make()
        return counts.hits - before[0], counts.misses - before[1]

    def assertStock(self, make):
        """Assert that the library makes it, each time."""
        before = dict(routes._parsed)
        with mock.patch.object(re, 'compile', wraps=re.compile):
            # Expressions are counted, too, unless re.compile is patched.
            for _ in range(2):
                self.assertEqual((0, 0), self.counted(make))
        self.assertEqual(before, routes._parsed)


class TestMemory(CuredTestCase):
    """A route is parsed once for all that it depends on."""

    def test_counts(self):
        made = mapper.Mapper()
        # A route and the expressions of its two requirements.
        self.assertEqual((0, 3), self.counted(lambda: connect(made)))
        self.assertEqual((1, 0), self.counted(lambda: connect(made)))
        # An expression of each, and one of all.
        self.assertEqual((1, 2), self.counted(made.create_regs))
        self.assertEqual((3, 0), self.counted(made.create_regs))

    def test_what_it_depends_on(self):
        connect(mapper.Mapper())
        for requirements, more in (
            ({'format': 'json|xml'}, {'path': '/a/{b:[0-9]*}/{c}'}),
            ({'format': 'json|xml'}, {'action': 'index'}),
            ({'format': 'json'}, {}),
            ({'format': 'json|xml', 'c': 'x'}, {}),
            ({'c': 'x', 'format': 'json|xml'}, {}),
            ({'b': 'x', 'format': 'json|xml'}, {}),
        ):
            for _ in range(2):
                made = connect(
                    mapper.Mapper(), requirements=dict(requirements), **more
                )
                stock = object.__new__(route.Route)
                arguments = {
                    **made._kargs,
                    '_explicit': True,
                    'conditions': made.conditions,
                    'requirements': dict(requirements),
                }
                self.stock(stock, None, made.routepath, **arguments)
                self.assertEqual(vars(stock), vars(made))
                self.assertEqual(list(stock.reqs), list(made.reqs))
        self.assertEqual(7, len(routes._parsed))

    def test_it_is_bounded(self):
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.routes._MAX_PARSED', 3
        ))  # fmt: skip
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.patterns._MAX_CHARACTERS', 100
        ))  # fmt: skip
        made = mapper.Mapper()
        for number in range(20):
            connect(made, f'/a{number}/{{b}}')
            self.assertLessEqual(len(routes._parsed), 3)
        made.create_regs()
        found = patterns._patterns._found
        self.assertLessEqual(len(found), 100)
        self.assertLessEqual(sum(map(len, found)), 100 + len(made._master_reg))

    def test_no_controller_is_kept(self):
        made = mapper.Mapper()
        connect(made, controller=self.counted)
        for parsed in routes._parsed.values():
            self.assertNotIn('counted', repr(vars(parsed)))


class TestStock(CuredTestCase):
    """What is not as Nova's is left to the library."""

    def test_arguments(self):
        class Text(str):
            pass

        for more in (
            {'controller': 'servers'},
            {'controller': b'servers'},
            {'controller': None},
            {'action': len},
            {'action': Text('show')},
            {'id': '3'},
            {'path': ':b/{c}', '_minimize': True},
            {'_explicit': False},
            {'_static': True},
            {'_encoding': 'latin1'},
            {'requirements': {'format': Text('json')}},
        ):
            with self.subTest(more=more):
                made = mapper.Mapper()
                self.assertStock(
                    lambda made=made, more=more: made.connect(
                        more.get('path', '/a'),
                        **{
                            'controller': len,
                            'action': 'show',
                            'conditions': None,
                            'requirements': {},
                            **{k: v for k, v in more.items() if k != 'path'},
                        },
                    )
                )

    def test_named(self):
        made = mapper.Mapper()
        self.assertStock(
            lambda: made.connect(
                'name',
                '/a',
                controller=len,
                action='show',
                conditions=None,
                requirements={},
            )  # fmt: skip
        )
        self.assertIs(made.matchlist[-1], made._routenames['name'])

    def test_subclass(self):
        class Other(route.Route):
            pass

        class OtherMapper(mapper.Mapper):
            def make_route(self, *args, **kargs):
                return Other(*args, **kargs)

        made = OtherMapper()
        self.assertStock(lambda: connect(made))
        self.assertIs(Other, type(made.matchlist[0]))

    def test_error(self):
        made = mapper.Mapper()
        for _ in range(2):
            self.assertRaises(re.error, connect, made, '/a/{b:(}')
            self.assertRaises(TypeError, connect, made, requirements={'a': 1})
        self.assertEqual({}, routes._parsed)

    def test_patched_route(self):
        def twice(self_):
            self_.twice = True

        connect(mapper.Mapper())
        with mock.patch.object(route.Route, 'make_full_route', twice):
            made = mapper.Mapper()
            self.assertStock(lambda: connect(made))
            self.assertTrue(made.matchlist[0].twice)
        with mock.patch.object(
            route.Route, 'reserved_keys', ['requirements', 'action']
        ):
            made = mapper.Mapper()
            self.assertStock(lambda: connect(made))
            self.assertNotIn('action', made.matchlist[0].maxkeys)
        route.Route.reserved_keys.append('action')
        self.addCleanup(route.Route.reserved_keys.remove, 'action')
        made = mapper.Mapper()
        self.assertStock(lambda: connect(made))
        self.assertNotIn('action', made.matchlist[0].maxkeys)

    def test_patched_compile(self):
        made = mapper.Mapper()
        with mock.patch.object(re, 'compile', wraps=re.compile) as compile_:
            connect(made)
            made.create_regs()
            self.assertEqual(4, compile_.call_count)

    def test_patched_before(self):
        self.doCleanups()
        self.assertIs(self.stock, route.Route.__init__)

        def longer(self_):
            self_.regpath = '/longer'

        with mock.patch.object(route.Route, 'make_full_route', longer):
            with Routes():
                self.assertIs(self.stock, route.Route.__init__)
                self.assertEqual('/longer', connect(mapper.Mapper()).regpath)
        self.assertIsNone(Routes.counts.off)

    def test_the_test_wins(self):
        with mock.patch.object(
            route.Route, '__init__', lambda *args, **kargs: None
        ):
            self.assertEqual({}, vars(route.Route(None, '/a')))
        self.assertLess(20, len(vars(route.Route(None, '/a'))))


class TestPoison(CuredTestCase):
    """What is changed in a route stays there."""

    def test_in_place(self):
        stock = object.__new__(route.Route)
        conditions = {'method': ['GET']}
        self.stock(
            stock, None, '/a/{b:[0-9]+}/{c}', controller=len, action='show',
            conditions=conditions, requirements={'format': 'json|xml'},
            _explicit=True, _minimize=False,
        )  # fmt: skip
        # The one that is remembered, and copies.
        for _ in range(3):
            made = connect(mapper.Mapper(), conditions=conditions)
            self.assertEqual(vars(stock), vars(made))
            self.assertIs(conditions, made.conditions)
            self.assertIsNot(made.routelist, made.routebackwards)
            for name in OWN[2:-1] + ('_kargs',):
                getattr(made, name).clear()
            made.routelist[1]['name'] = 'poison'
            made.routelist.append('poison')
            made.routebackwards.pop()
            made.regpath = 'poison'
            made.redirect = True
            made.poison = True

    def test_given(self):
        given = {'format': 'json|xml'}
        for _ in range(3):
            made = connect(mapper.Mapper(), requirements=given)
            self.assertIs(given, made.reqs)
            self.assertEqual('[0-9]+', given.pop('b'))
            given['format'] = 'json|xml'

    def test_mapper(self):
        for _ in range(3):
            made = mapper.Mapper()
            connect(made)
            self.assertEqual('/a/1/2', made.generate(
                controller=len, action='show', b='1', c='2'
            ))  # fmt: skip
            self.assertEqual(
                {'action': 'show', 'b': '1', 'c': '2', 'controller': len},
                made.match('/a/1/2', {'REQUEST_METHOD': 'GET'}),
            )
            self.assertIsNone(made.match('/a/x/2', {'REQUEST_METHOD': 'GET'}))
            made.match('/a/1/2', {'REQUEST_METHOD': 'GET'}).clear()
            made.matchlist[0].conditions['method'].append('PUT')
            made.matchlist[0].defaults['action'] = 'poison'
            made.matchlist.clear()
            made.maxkeys.clear()

    def test_list_of_routes(self):
        def controller():
            return len

        with mock.patch.object(nova_routes, 'ROUTE_LIST', ()):
            for action in ('show', 'other', 'show'):
                added = (('/mine/{id}', {'GET': [controller, action]}),)
                made = nova_routes.APIRouterV21(added).map
                found = made.match('/mine/1', {'REQUEST_METHOD': 'GET'})
                self.assertEqual(action, found['action'])
            nova_routes.ROUTE_LIST = added
            self.assertEqual(2, len(nova_routes.APIRouterV21().map.matchlist))
            nova_routes.ROUTE_LIST = ()
            self.assertEqual([], nova_routes.APIRouterV21().map.matchlist)

    def test_token_of_projects(self):
        with mock.patch.object(nova_routes, 'ROUTE_LIST', ()):
            for token in ('{project_id:[a-z]+}', '{project_id:[0-9]+}') * 2:
                with mock.patch.object(
                    nova_routes.nova.api.openstack.ProjectMapper,
                    '_get_project_id_token', lambda self, token=token: token,
                ):  # fmt: skip
                    made = nova_routes.APIRouterV21(
                        (('/a', {'GET': [lambda: len, 'show']}),)
                    ).map
                environ = {'REQUEST_METHOD': 'GET'}
                self.assertEqual(
                    'a-z' in token, made.match('/abc/a', environ) is not None
                )
                self.assertEqual(
                    '0-9' in token, made.match('/123/a', environ) is not None
                )


class TestUnknown(base.TestCase):
    """Where the library is otherwise, it makes routes alone."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.routes.Routes.counts', cure.Counts()
        ))  # fmt: skip

    def assertOff(self, reason, run_=run):
        before = state()
        run_(self, lambda case: self.assertEqual(before, state()))
        self.assertEqual(reason, Routes.counts.off)
        self.assertEqual((0, 0), (Routes.counts.hits, Routes.counts.misses))

    def test_no_attribute(self):
        for owner, name, what in (
            (route.Route, '_minkeys', 'Route._minkeys'),
            (mapper, 're', 'routes.mapper.re'),
        ):
            with self.subTest(name=name):
                Routes.counts.off = None
                found = vars(owner)[name]
                delattr(owner, name)
                try:
                    self.assertOff(f'there is no {what}', look)
                finally:
                    setattr(owner, name, found)

    def test_other_parameters(self):
        original = vars(route.Route)['_minkeys']

        def _minkeys(self, routelist, more=None):
            return original(self, routelist)

        self.addCleanup(setattr, route.Route, '_minkeys', original)
        route.Route._minkeys = _minkeys
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.routes._FIRST', dict(vars(route.Route))
        ))  # fmt: skip
        self.assertOff('Route._minkeys takes other arguments')

    def test_other_attributes(self):
        self.useFixture(fixtures.MonkeyPatch(
            'safe_fixtures.nova.speed.routes._ATTRIBUTES',
            routes._ATTRIBUTES[:-1],
        ))  # fmt: skip
        self.assertOff('routes.route.Route has other attributes')


class TestRestored(base.TestCase):
    """Nothing is patched afterwards."""

    def setUp(self):
        super().setUp()
        self.before = state()

    def assertPatched(self):
        for one, two in zip(self.before, state(), strict=True):
            self.assertIsNot(one, two)

    def assertRestored(self):
        for one, two in zip(self.before, state(), strict=True):
            self.assertIs(one, two)

    def test_nested(self):
        with Routes():
            with Routes():
                self.assertPatched()
            self.assertPatched()
            self.assertEqual(
                inspect.signature(self.before[0]),
                inspect.signature(route.Route.__init__),
            )
        self.assertRestored()

    def test_ways_out(self):
        def fail(case):
            self.assertPatched()
            case.fail('as expected')

        cls = type('Fails', (inner.SafeApiTestCase,), {'check': fail})
        problems = inner.problems(inner.run_inner(cls, 'check'))
        self.assertIn('as expected', problems)
        self.assertRestored()
        run(self, lambda case: self.assertPatched())
        self.assertRestored()

    def test_set_up(self):
        def set_up(case):
            safe_nova.SafeTestCase.setUp(case)
            self.assertPatched()
            raise case.error

        cls = type(
            'Fails',
            (safe_nova.SafeTestCase,),
            {'USES_DB': False, 'setUp': set_up, 'check': lambda case: None},
        )
        cls.error = ValueError('as expected')
        problems = inner.problems(inner.run_inner(cls, 'check'))
        self.assertIn('as expected', problems)
        self.assertRestored()
        cls.error = KeyboardInterrupt()
        self.assertRaises(KeyboardInterrupt, inner.run_inner, cls, 'check')
        self.assertRestored()

    def test_error_while_patching(self):
        with mock.patch.object(
            routes,
            '_initializer',
            autospec=True,
            side_effect=KeyboardInterrupt,
        ):
            self.assertRaises(KeyboardInterrupt, Routes().setUp)
        self.assertRestored()
