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

"""Casts that are turned into calls, on the fake bus and in real Nova."""

import safe_fixtures.nova  # isort: skip

import threading
import traceback

import fixtures
from nova import exception
from nova import rpc
from nova import test
from nova.tests import fixtures as nova_fixtures
from oslo_config import cfg
import oslo_messaging as messaging
from oslo_messaging._drivers import impl_fake
from oslo_messaging.rpc import client
import testtools

from safe_fixtures import audit
from safe_fixtures.nova import cast_as_call
from safe_fixtures import redaction
from safe_fixtures import testing
from tests.functional.nova import inner as inner_run

SECRET = 'k3ystone-s3cret'
LEAK = f'admin_password={SECRET}'
# Seconds after which a call that nobody answers fails.
PATIENCE = 30
EXECUTOR = (
    'eventlet'
    if threading.local.__module__.startswith('eventlet.')
    else 'threading'
)
# Before any test.
GIVEN = dict(vars(client._CallContext))
TOUCHED = (
    client.RPCClient,
    client._BaseCallContext,
    client._CallContext,
    impl_fake.FakeListener,
    nova_fixtures.CastAsCallFixture,
)


def attributes():
    """Return all attributes of the classes in question, by identity."""
    return {
        f'{cls.__name__}.{name}': id(value)
        for cls in TOUCHED
        for name, value in vars(cls).items()
    }


def give_back(name):
    """Undo what Nova's own fixture leaves."""
    if name in GIVEN:
        setattr(client._CallContext, name, GIVEN[name])
    elif name in vars(client._CallContext):
        delattr(client._CallContext, name)


class Endpoint:
    def __init__(self, act=None):
        self.received = []
        self._act = act

    def note(self, context, **arguments):
        self.received.append(arguments)
        return self._act() if self._act else 'noted'


class BusMixin:
    """Servers and clients of the test's own fake bus."""

    def serve(self, server, endpoint, topic='topic', exchange=None, **target):
        if target:
            endpoint.target = messaging.Target(**target)
        served = messaging.get_rpc_server(
            rpc.TRANSPORT,
            messaging.Target(exchange=exchange, topic=topic, server=server),
            [endpoint],
            executor=EXECUTOR,
        )
        served.start()
        self.addCleanup(self.end, served)
        return served

    def end(self, served):
        served.stop()
        served.wait()

    def client(self, topic='topic', **target):
        return messaging.get_rpc_client(
            rpc.TRANSPORT,
            messaging.Target(topic=topic, **target),
            timeout=PATIENCE,
        )

    def fail_with(self, error):
        def act():
            raise error

        return act


class HardenedTestCase(BusMixin, safe_fixtures.nova.SafeNoDBTestCase):
    pass


class StockTestCase(BusMixin, test.NoDBTestCase):
    def setUp(self):
        self.useFixture(safe_fixtures.nova.InstalledNova())
        super().setUp()


class InnerMixin:
    def run_inner(self, body, base=HardenedTestCase, set_up=None):
        """Run a function as a test, and return the test and the result."""

        class Inner(base):
            def setUp(inner):
                super().setUp()
                # Nova's own cleanup deletes what is public.
                inner._trail = getattr(inner, 'audit_trail', None)
                if set_up is not None:
                    set_up(inner)

            def test(inner):
                body(inner)

        case = Inner('test')
        result = testtools.TestResult()
        case.run(result)
        return case, result

    def check(self, body, **kwargs):
        """Run a function as a test that passes; return its casts' events."""
        case, result = self.run_inner(body, **kwargs)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        if case._trail is None:
            return []
        return [
            event
            for event in case._trail.events
            if event['action'] == 'monitor/cast'
        ]


class TestCasts(InnerMixin, testtools.TestCase):
    def test_a_cast_waits(self):
        def body(inner):
            endpoint = Endpoint()
            inner.serve('host', endpoint)
            casting = inner.useFixture(cast_as_call.SafeCastAsCall(inner))
            bare = inner.client()
            for number, one in enumerate(
                [bare, bare.prepare(server='host'), bare.prepare().prepare()]
            ):
                inner.assertEqual('noted', one.cast({}, 'note', n=number))
                inner.assertEqual(number, endpoint.received[-1]['n'])
            inner.assertEqual(
                [None, 'host', None], [cast.server for cast in casting.casts]
            )
            for cast in casting.casts:
                inner.assertEqual('topic', cast.topic)
                inner.assertEqual('note', cast.method)
                inner.assertIs(False, cast.fanout)
                inner.assertEqual('success', cast.outcome)
                inner.assertIsNone(cast.error)
                inner.assertGreater(cast.seconds, 0)

        events = self.check(body)
        self.assertEqual(
            ['topic', 'host', 'topic'],
            [event['target']['name'] for event in events],
        )
        self.assertEqual({'success'}, {event['outcome'] for event in events})
        for event in events:
            details = audit.details(event)
            self.assertGreater(details.pop('seconds'), 0)
            self.assertEqual(
                {'topic': 'topic', 'method': 'note', 'fanout': False}, details
            )

    def test_arguments_are_not_recorded(self):
        def body(inner):
            inner.serve('host', Endpoint())
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client().cast({'x': 'ab12cd34'}, 'note', y='ef56ab78')
            for value in ('ab12cd34', 'ef56ab78'):
                inner.assertNotIn(value, repr(casting.casts))
                inner.assertNotIn(value, str(inner.audit_trail.events))

        self.assertEqual(1, len(self.check(body)))

    def test_a_call_is_no_cast(self):
        def body(inner):
            inner.serve('host', Endpoint())
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client().call({}, 'note')
            inner.assertEqual([], casting.casts)

        self.assertEqual([], self.check(body))

    def test_a_cast_of_a_server_to_itself(self):
        def body(inner):
            endpoint = Endpoint()
            again = inner.client(server='host')
            first = Endpoint(lambda: again.cast({}, 'note'))
            inner.serve('host', first, topic='first')
            inner.serve('host', endpoint)
            itself = Endpoint()
            calling = inner.client(topic='itself', server='host')

            def act():
                if len(itself.received) == 1:
                    calling.cast({}, 'note', again=True)

            itself._act = act
            inner.serve('host', itself, topic='itself')
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client(topic='first').cast({}, 'note')
            inner.client(topic='itself', fanout=True).cast({}, 'note')
            inner.assertEqual([{}], endpoint.received)
            inner.assertEqual([{}, {'again': True}], itself.received)
            # In the order in which they were made.
            inner.assertEqual(
                ['first', 'topic', 'itself', 'itself'],
                [cast.topic for cast in casting.casts],
            )

        self.assertEqual(4, len(self.check(body)))

    def test_nobody_answers(self):
        def body(inner):
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.assertRaises(
                messaging.MessagingTimeout,
                inner.client().prepare(timeout=0.01).cast,
                {},
                'note',
            )
            inner.assertEqual('failure', casting.casts[0].outcome)
            inner.assertEqual('MessagingTimeout', casting.casts[0].error)

        (event,) = self.check(body)
        self.assertEqual('failure', event['outcome'])
        self.assertEqual('MessagingTimeout', audit.details(event)['error'])


class TestFanout(InnerMixin, testtools.TestCase):
    def test_reaches_each_that_listens(self):
        def body(inner):
            endpoints = {name: Endpoint() for name in 'abcde'}
            inner.serve('a', endpoints['a'])
            inner.serve('b', endpoints['b'])
            inner.serve('c', endpoints['c'], topic='another')
            inner.end(inner.serve('d', endpoints['d']))
            inner.serve('e', endpoints['e'], exchange='another')
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            # A queue that nobody listens to.
            inner.assertRaises(
                messaging.MessagingTimeout,
                inner.client(server='nobody').prepare(timeout=0.01).cast,
                {},
                'note',
            )
            for one in (
                inner.client(fanout=True),
                inner.client().prepare(fanout=True),
            ):
                inner.assertIsNone(one.cast({}, 'note'))
                inner.assertEqual(('a', 'b'), casting.casts[-1].servers)
                inner.assertIs(True, casting.casts[-1].fanout)
            inner.client(fanout=True, exchange='another').cast({}, 'note')
            inner.assertEqual(('e',), casting.casts[-1].servers)
            inner.assertEqual(
                {'a': 2, 'b': 2, 'c': 0, 'd': 0, 'e': 1},
                {
                    name: len(endpoint.received)
                    for name, endpoint in endpoints.items()
                },
            )

        events = self.check(body)
        self.assertEqual(['a', 'b'], audit.details(events[-2])['servers'])

    def test_one_that_started_later(self):
        def body(inner):
            inner.useFixture(cast_as_call.SafeCastAsCall())
            endpoint = Endpoint()
            inner.end(inner.serve('a', endpoint))
            inner.serve('a', endpoint)
            inner.client(fanout=True).cast({}, 'note')
            inner.assertEqual(1, len(endpoint.received))

        self.check(body)

    def test_nobody_listens(self):
        def body(inner):
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client(fanout=True).cast({}, 'note')
            inner.assertEqual('success', casting.casts[0].outcome)
            inner.assertEqual((), casting.casts[0].servers)

        self.assertEqual(1, len(self.check(body)))

    def test_to_one(self):
        def body(inner):
            both = Endpoint()
            inner.serve('a', both)
            inner.serve('b', both)
            casting = inner.useFixture(
                cast_as_call.SafeCastAsCall(inner, fanout_to_one=True)
            )
            inner.assertEqual(
                'noted', inner.client(fanout=True).cast({}, 'note')
            )
            inner.assertEqual(1, len(both.received))
            inner.assertIs(True, casting.casts[0].fanout)

        self.check(body)

    def test_a_bus_that_does_not_tell_who_listens(self):
        transport = messaging.get_rpc_transport(
            cfg.ConfigOpts(), 'kombu+memory:/'
        )
        self.addCleanup(transport.cleanup)
        target = messaging.Target(topic='topic', fanout=True)
        self.assertIsNone(cast_as_call._servers(transport, target))

    def test_some_raise(self):
        def body(inner):
            last = Endpoint()
            inner.serve('a', Endpoint())
            inner.serve('b', Endpoint(inner.fail_with(KeyError('b'))))
            inner.serve('c', Endpoint(inner.fail_with(ValueError('c'))))
            inner.serve('d', last)
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.assertRaises(
                KeyError, inner.client(fanout=True).cast, {}, 'note'
            )
            inner.assertEqual(1, len(last.received))
            inner.assertEqual(tuple('abcd'), casting.casts[0].servers)
            inner.assertEqual('KeyError', casting.casts[0].error)

        (event,) = self.check(body)
        self.assertEqual('failure', event['outcome'])

    def test_some_do_not_understand(self):
        def body(inner):
            endpoints = [Endpoint(), Endpoint(), Endpoint()]
            inner.serve('a', endpoints[0], version='1.0')
            inner.serve('b', endpoints[1], version='1.5')
            inner.serve('c', endpoints[2], version='1.5', namespace='other')
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client(fanout=True, version='1.3').cast({}, 'note')
            inner.assertEqual(
                [0, 1, 0], [len(each.received) for each in endpoints]
            )
            inner.assertEqual(('b',), casting.casts[0].servers)
            inner.assertRaises(
                messaging.UnsupportedVersion,
                inner.client(fanout=True, version='2.0').cast,
                {},
                'note',
            )

        self.check(body)

    def test_what_a_server_does_not_understand_of_others(self):
        def body(inner):
            broken = Endpoint()
            inner.serve('a', broken, version='1.5')
            inner.serve('b', Endpoint(), version='1.5')
            inner.useFixture(cast_as_call.SafeCastAsCall())
            for of_another in (
                messaging.UnsupportedVersion('1.3', method='another'),
                messaging.UnsupportedVersion('1.4', method='note'),
            ):
                broken._act = inner.fail_with(of_another)
                inner.assertRaises(
                    messaging.UnsupportedVersion,
                    inner.client(fanout=True, version='1.3').cast,
                    {},
                    'note',
                )

        self.check(body)

    def test_two_of_one_name(self):
        def body(inner):
            both = Endpoint()
            inner.serve('a', both)
            inner.serve('a', both)
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client(fanout=True).cast({}, 'note')
            # They share a queue of the fake bus.
            inner.assertEqual(1, len(both.received))
            inner.assertEqual(('a',), casting.casts[0].servers)

        self.check(body)

    def test_the_test_runs_out_of_time(self):
        def body(inner):
            last = Endpoint()
            error = fixtures.TimeoutException()
            inner.serve('a', Endpoint(inner.fail_with(error)))
            inner.serve('b', last)
            inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.assertRaises(
                fixtures.TimeoutException,
                inner.client(fanout=True).cast,
                {},
                'note',
            )
            inner.assertEqual([], last.received)

        self.check(body)


class TestErrors(InnerMixin, testtools.TestCase):
    def raised(self, error, **target):
        """Return what a cast raises if its server raises an error."""
        seen = []

        def body(inner):
            inner.serve('a', Endpoint(inner.fail_with(error)))
            inner.useFixture(cast_as_call.SafeCastAsCall())
            try:
                inner.client(**target).cast({}, 'note')
            except Exception as raised:
                seen.append(raised)

        self.check(body)
        return seen[0]

    def test_of_nova(self):
        error = exception.InvalidRequest(LEAK, code=400, token=LEAK)
        for target in ({}, {'fanout': True}):
            raised = self.raised(error, **target)
            self.assertIs(exception.InvalidRequest, type(raised))
            self.assertEqual('admin_password=***', str(raised))
            self.assertEqual('admin_password=***', raised.format_message())
            self.assertEqual(400, raised.kwargs['code'])
            text = ''.join(traceback.format_exception(raised))
            self.assertNotIn(SECRET, text)
            self.assertIn('in note', text)
            # The server's own.
            self.assertEqual((LEAK,), error.args)
            self.assertEqual(LEAK, error.kwargs['token'])

    def test_without_a_secret(self):
        error = exception.ComputeHostNotFound(host='host1')
        self.assertIs(error, self.raised(error))

    def test_of_a_guard(self):
        error = safe_fixtures.SafetyViolation('SF301', LEAK)
        self.assertIs(error, self.raised(error))

    def test_causes_stay(self):
        cause = KeyError('cause')
        error = ValueError(LEAK)
        error.__cause__ = cause
        raised = self.raised(error)
        self.assertIs(cause, raised.__cause__)
        self.assertIsNone(raised.__context__)
        self.assertTrue(raised.__suppress_context__)

    def test_contexts_stay(self):
        context = KeyError('context')
        error = ValueError(LEAK)
        error.__context__ = context
        raised = self.raised(error)
        self.assertIsNone(raised.__cause__)
        self.assertIs(context, raised.__context__)
        self.assertFalse(raised.__suppress_context__)


class Strict(exception.NovaException):
    def __new__(cls, *, secret):
        return super().__new__(cls)

    def __init__(self, *, secret):
        super().__init__(f'password={secret}')
        self.seen = [{'password': secret}]


class Shown(OSError):
    def __init__(self, text, status):
        super().__init__(text)
        self.text = text
        self.status = status

    def __str__(self):
        return f'{self.status}: {self.text}'


def holding(inner):
    error = RuntimeError('failed')
    error.inner = inner
    return error


class TestMasked(testtools.TestCase):
    def masked(self, error):
        before = str(error), error.args, dict(vars(error))
        masked = cast_as_call._masked(error, redaction.Redactor())
        self.assertIs(type(error), type(masked))
        self.assertEqual(before, (str(error), error.args, vars(error)))
        return masked

    def test_any_kind_of_exception(self):
        for error in (
            ValueError(LEAK, 1),
            KeyError(LEAK),
            OSError(2, LEAK, f'/{LEAK}'),
            Shown(LEAK, 3),
            Strict(secret=SECRET),
            ImportError(LEAK, name='name'),
            UnicodeDecodeError('utf-8', LEAK.encode(), 0, 1, LEAK),
            ExceptionGroup(LEAK, [ValueError(1)]),
            messaging.RemoteError('ValueError', LEAK, ['traceback']),
        ):
            masked = self.masked(error)
            self.assertIsNot(error, masked)
            for text in (str(masked), repr(masked), repr(vars(masked))):
                self.assertNotIn(SECRET, text)
            self.assertIn('***', f'{masked}{masked!r}')

    def test_what_it_says_besides(self):
        self.assertEqual(3, self.masked(Shown(LEAK, 3)).status)
        masked = self.masked(OSError(2, 'text', f'/{LEAK}'))
        self.assertEqual(2, masked.errno)
        self.assertEqual('/admin_password=***', masked.filename)
        masked = self.masked(UnicodeDecodeError('ascii', b'x', 0, 1, LEAK))
        self.assertEqual('admin_password=***', masked.reason)
        self.assertEqual(
            [{'password': '***'}], self.masked(Strict(secret=SECRET)).seen
        )

    def test_exceptions_within(self):
        for error in (
            ExceptionGroup('some', [KeyError(1), ValueError(LEAK)]),
            ExceptionGroup('a', [ExceptionGroup('b', [ValueError(LEAK)])]),
            RuntimeError('failed', ValueError(LEAK)),
            RuntimeError('failed', [(1, ValueError(LEAK))]),
            holding(ValueError(LEAK)),
        ):
            masked = self.masked(error)
            for text in (repr(masked), repr(vars(masked))):
                self.assertNotIn(SECRET, text)
            if isinstance(error, ExceptionGroup):
                self.assertIn('***', repr(masked.exceptions))
                self.assertNotIn(SECRET, repr(masked.exceptions))
        innocent = KeyError(1)
        masked = self.masked(ExceptionGroup('x', [innocent, KeyError(LEAK)]))
        self.assertIs(innocent, masked.exceptions[0])

    def test_one_that_holds_itself(self):
        error = ValueError('text')
        error.args = ('text', error)
        self.assertIs(error, self.masked(error))
        error.inner = error
        error.args = (LEAK, error)
        self.assertEqual('admin_password=***', self.masked(error).args[0])

    def test_what_has_no_secret(self):
        guard = safe_fixtures.SafetyViolation('SF303', LEAK)
        for error in (
            ValueError(),
            ExceptionGroup('some', [ValueError(1), KeyError('name')]),
            RuntimeError('failed', [ValueError(1)]),
            RuntimeError('failed', guard),
            OSError(2, 'No such file', 'name'),
            Shown('text', 3),
            KeyboardInterrupt(LEAK),
        ):
            self.assertIs(error, self.masked(error))


class TestOutside(InnerMixin, testtools.TestCase):
    """Anywhere but in a running hardened test it is refused."""

    def refuse(self, *args):
        before = attributes()
        fixture = cast_as_call.SafeCastAsCall(*args)
        error = self.assertRaises(
            safe_fixtures.ConfigurationError, fixture.setUp
        )
        self.assertIn('inside a running hardened test only', str(error))
        self.assertEqual(before, attributes())

    def test_no_hardened_test(self):
        self.refuse()
        self.refuse(self)
        thread = threading.Thread(target=self.refuse)
        thread.start()
        thread.join()

    def test_a_plain_test_of_nova(self):
        self.check(lambda inner: self.refuse(inner), base=StockTestCase)

    def test_another_test(self):
        self.check(lambda inner: self.refuse(self))
        self.check(lambda inner: self.refuse(type(inner)('test')))

    def test_before_the_set_up_of_the_base(self):
        class Early(HardenedTestCase):
            def setUp(inner):
                self.refuse(inner)
                super().setUp()

        self.check(lambda inner: None, base=Early)

    def test_after_its_end(self):
        case, _ = self.run_inner(lambda inner: None)
        self.refuse(case)


def use_ours(inner):
    inner.useFixture(cast_as_call.SafeCastAsCall())


def use_stock(inner):
    inner.useFixture(nova_fixtures.CastAsCallFixture(inner))


def use_both(inner):
    use_ours(inner)
    use_stock(inner)
    use_ours(inner)


def use_as_context(inner):
    use_stock(inner)
    with cast_as_call.SafeCastAsCall() as casting:
        cast(inner)
    inner.assertEqual(2, len(casting.casts))


def use_inside(inner):
    with cast_as_call.SafeCastAsCall() as casting:
        use_stock(inner)
        cast(inner)
    inner.assertEqual([], casting.casts)


def cast(inner):
    # Nova's fixture patches anew whatever prepares.
    for _ in range(2):
        inner.client(server='host').prepare().cast({}, 'note')


USES = (use_ours, use_stock, use_both, use_as_context, use_inside)


class TestLeavesNothing(InnerMixin, testtools.TestCase):
    def setUp(self):
        super().setUp()
        before = attributes()
        self.addCleanup(lambda: self.assertEqual(before, attributes()))

    def test_three_exits(self):
        for use in USES:

            def set_up(inner, use=use):
                inner.served = Endpoint()
                inner.serve('host', inner.served)
                use(inner)
                cast(inner)
                inner.assertGreaterEqual(len(inner.served.received), 2)

            def broken_set_up(inner, set_up=set_up):
                set_up(inner)
                raise ZeroDivisionError('in setUp')

            before = attributes()
            self.check(cast, set_up=set_up)
            self.assertEqual(before, attributes())
            _, result = self.run_inner(
                lambda inner: inner.fail('on purpose'), set_up=set_up
            )
            self.assertIn('on purpose', inner_run.problems(result))
            self.assertEqual(before, attributes())
            _, result = self.run_inner(cast, set_up=broken_set_up)
            self.assertIn('in setUp', inner_run.problems(result))
            self.assertEqual(before, attributes())

    def test_novas_own_fixture_before(self):
        # Set up before anything is hardened, it is what it is.
        class Early(HardenedTestCase):
            def setUp(inner):
                use_stock(inner)
                super().setUp()

        def body(inner):
            inner.serve('host', Endpoint())
            with cast_as_call.SafeCastAsCall() as casting:
                inner.client().prepare().cast({}, 'note')
            inner.assertEqual(1, len(casting.casts))
            inner.assertEqual('noted', inner.client().cast({}, 'note'))

        self.check(body, base=Early)

    def test_after_novas_own(self):
        """What Nova's fixture has left on a class is given back as well."""

        def body(inner):
            inner.serve('host', Endpoint())
            use_stock(inner)
            cast(inner)

        for name in ('cast', 'prepare'):
            self.addCleanup(give_back, name)
        self.check(body, base=StockTestCase)
        self.assertIn('cast', vars(client._CallContext))
        before = attributes()

        def hardened_body(inner):
            inner.serve('host', Endpoint())
            use_ours(inner)
            cast(inner)

        self.assertEqual(2, len(self.check(hardened_body)))
        self.assertEqual(before, attributes())


class TestDropIn(InnerMixin, testtools.TestCase):
    def test_novas_fixture_in_a_hardened_test(self):
        def body(inner):
            endpoint = Endpoint()
            inner.serve('a', endpoint)
            inner.serve('b', endpoint)
            # As with Nova's own, it lasts until the end of the test.
            with nova_fixtures.CastAsCallFixture(inner):
                inner.client(fanout=True).cast({}, 'note')
            inner.client(fanout=True).cast({}, 'note')
            inner.assertEqual(4, len(endpoint.received))

        events = self.check(body)
        self.assertEqual(
            [['a', 'b']] * 2,
            [audit.details(event)['servers'] for event in events],
        )

    def test_novas_fixture_of_another_test(self):
        def body(inner):
            inner.serve('host', Endpoint())
            before = attributes()
            other = StockTestCase('run')
            for name in ('cast', 'prepare'):
                self.addCleanup(give_back, name)
            self.addCleanup(other.doCleanups)
            with nova_fixtures.CastAsCallFixture(other):
                context = inner.client().prepare()
                inner.assertEqual('noted', context.cast({}, 'note'))
            inner.assertNotEqual(before, attributes())

        # Turned, but not here.
        self.assertEqual([], self.check(body))

    def test_the_last_one_turns(self):
        def body(inner):
            inner.serve('host', Endpoint())
            outer = inner.useFixture(cast_as_call.SafeCastAsCall())
            with cast_as_call.SafeCastAsCall() as casting:
                inner.client().cast({}, 'note')
            inner.assertEqual(1, len(casting.casts))
            inner.assertEqual([], outer.casts)
            inner.client().cast({}, 'note')
            inner.assertEqual(1, len(casting.casts))
            inner.assertEqual(1, len(outer.casts))
            with casting:
                inner.assertEqual([], casting.casts)

        self.assertEqual(2, len(self.check(body)))

    def test_what_was_kept_casts(self):
        def body(inner):
            done = threading.Event()
            inner.serve('host', Endpoint(lambda: done.set() or 'noted'))
            context = inner.client().prepare(server='host')
            with cast_as_call.SafeCastAsCall() as casting:
                kept = context.cast
                inner.assertEqual('noted', kept({}, 'note'))
            for act in (kept, context.cast):
                done.clear()
                # What it returns is not waited for.
                inner.assertIsNone(act({}, 'note'))
                inner.assertTrue(done.wait(PATIENCE))
            inner.assertEqual(1, len(casting.casts))

        self.assertEqual(1, len(self.check(body)))

    def test_given_trail(self):
        def body(inner):
            inner.serve('host', Endpoint())
            with audit.AuditTrail('another') as trail:
                pass
            inner.useFixture(cast_as_call.SafeCastAsCall(trail=trail))
            inner.client().cast({}, 'note')
            inner.assertEqual(
                ['monitor/cast'], [event['action'] for event in trail.events]
            )

        self.assertEqual([], self.check(body))


class TestContract(testing.FixtureContract, HardenedTestCase):
    def make_fixture(self):
        return cast_as_call.SafeCastAsCall(self)

    def use(self, fixture):
        self.client(fanout=True).cast({}, 'note')

    def state(self):
        return attributes()


class TestNova(InnerMixin, testtools.TestCase):
    def test_cast_as_call(self):
        """CAST_AS_CALL of a base of Nova's."""

        def body(inner):
            inner._create_server(networks='none')
            inner.api.post_aggregate({'aggregate': {'name': 'aggregate'}})

        before = attributes()
        events = self.check(
            body, base=safe_fixtures.nova.SafeIntegratedTestBase, set_up=admin
        )
        self.assertEqual(before, attributes())
        seen = {
            audit.details(event)['method']: audit.details(event)
            for event in events
        }
        self.assertEqual(
            ['scheduler'], seen['update_aggregates'].get('servers')
        )
        self.assertIn('build_and_run_instance', seen)
        self.assertEqual({'success'}, {event['outcome'] for event in events})


def admin(inner):
    inner.api = inner.admin_api
    inner.api.microversion = '2.37'
