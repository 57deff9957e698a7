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


import fixtures
from oslo_config import cfg
import oslo_messaging as messaging
import testtools

from safe_fixtures import audit
from safe_fixtures.nova import cast_as_call
from tests.functional.nova.cast_as_call import cases


class TestCasts(cases.InnerMixin, testtools.TestCase):
    def test_a_cast_waits(self):
        def body(inner):
            endpoint = cases.Endpoint()
            inner.serve('host', endpoint)
            casting = inner.useFixture(cast_as_call.SafeCastAsCall(inner))
            bare = inner.client()
            for number, one in enumerate(
                [bare, bare.prepare(server='host'), bare.prepare().prepare()]
            ):
                inner.assertEqual('noted', one.cast({}, 'note', n=number))
                inner.assertEqual(number, endpoint.received[-1]['n'])
            inner.assertEqual(
                [None, 'host', None],
                [cast.server for cast in casting.casts],
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
            with self.subTest(event=event):
                details = audit.details(event)
                self.assertGreater(details.pop('seconds'), 0)
                self.assertEqual(
                    {'topic': 'topic', 'method': 'note', 'fanout': False},
                    details,
                )

    def test_arguments_are_not_recorded(self):
        def body(inner):
            inner.serve('host', cases.Endpoint())
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client().cast({'x': 'ab12cd34'}, 'note', y='ef56ab78')
            for value in ('ab12cd34', 'ef56ab78'):
                inner.assertNotIn(value, repr(casting.casts))
                inner.assertNotIn(value, str(inner.audit_trail.events))

        self.assertEqual(1, len(self.check(body)))

    def test_a_call_is_no_cast(self):
        def body(inner):
            inner.serve('host', cases.Endpoint())
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            inner.client().call({}, 'note')
            inner.assertEqual([], casting.casts)

        self.assertEqual([], self.check(body))

    def test_a_cast_of_a_server_to_itself(self):
        def body(inner):
            endpoint = cases.Endpoint()
            again = inner.client(server='host')
            first = cases.Endpoint(lambda: again.cast({}, 'note'))
            inner.serve('host', first, topic='first')
            inner.serve('host', endpoint)
            itself = cases.Endpoint()
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
            # In the order of the casts.
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


class TestFanout(cases.InnerMixin, testtools.TestCase):
    def test_reaches_each_that_listens(self):
        def body(inner):
            endpoints = {name: cases.Endpoint() for name in 'abcde'}
            inner.serve('a', endpoints['a'])
            inner.serve('b', endpoints['b'])
            inner.serve('c', endpoints['c'], topic='another')
            inner.end(inner.serve('d', endpoints['d']))
            inner.serve('e', endpoints['e'], exchange='another')
            casting = inner.useFixture(cast_as_call.SafeCastAsCall())
            # A queue without a listener.
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
                with self.subTest(one=one):
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
            endpoint = cases.Endpoint()
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
            both = cases.Endpoint()
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
            last = cases.Endpoint()
            inner.serve('a', cases.Endpoint())
            inner.serve('b', cases.Endpoint(inner.fail_with(KeyError('b'))))
            inner.serve('c', cases.Endpoint(inner.fail_with(ValueError('c'))))
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
            endpoints = [cases.Endpoint(), cases.Endpoint(), cases.Endpoint()]
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
            broken = cases.Endpoint()
            inner.serve('a', broken, version='1.5')
            inner.serve('b', cases.Endpoint(), version='1.5')
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
            both = cases.Endpoint()
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
            last = cases.Endpoint()
            error = fixtures.TimeoutException()
            inner.serve('a', cases.Endpoint(inner.fail_with(error)))
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


class TestNova(cases.InnerMixin, testtools.TestCase):
    def test_cast_as_call(self):
        """CAST_AS_CALL of one of Nova's bases."""

        def body(inner):
            inner._create_server(networks='none')
            inner.api.post_aggregate({'aggregate': {'name': 'aggregate'}})

        before = cases.attributes()
        events = self.check(
            body,
            base=safe_fixtures.nova.SafeIntegratedTestBase,
            set_up=cases.admin,
        )
        self.assertEqual(before, cases.attributes())
        seen = {
            audit.details(event)['method']: audit.details(event)
            for event in events
        }
        self.assertEqual(
            ['scheduler'], seen['update_aggregates'].get('servers')
        )
        self.assertIn('build_and_run_instance', seen)
        self.assertEqual({'success'}, {event['outcome'] for event in events})
