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

"""The fake bus, whose listeners look when a message is sent.

Its sleeps last for minutes here, so that nothing is received by a listener
that slept out.
"""

import threading
import time
from unittest import mock

import fixtures
from oslo_config import cfg
import oslo_messaging as messaging
from oslo_messaging._drivers import impl_fake
from oslo_messaging import conffixture
import testtools

from safe_fixtures.nova import waiting as nova_waiting
from safe_fixtures.nova.waiting import bus
from safe_fixtures.nova.waiting import sleep as waiting_sleep
from tests.support import subtests

# Seconds of a sleep that nobody sleeps out, and of waiting for a failure.
LONG = 600
PATIENCE = 30
EVENTLET = threading.local.__module__.startswith('eventlet.')


def patched():
    """Return what the fixture patches, by identity."""
    return [
        id(item)
        for item in (
            vars(impl_fake.FakeExchange)['deliver_message'],
            vars(impl_fake.FakeListener)['stop'],
            impl_fake.time,
        )
    ]


class LongSleeps(fixtures.Fixture):
    """Makes the listeners sleep for minutes, but by the prompt bus."""

    def _setUp(self):
        sleep = impl_fake.time.sleep
        self.addCleanup(
            waiting_sleep.replace_sleep(impl_fake, lambda _: sleep(LONG))
        )


class Endpoint:
    def __init__(self, expected):
        self.received = []
        self.all_there = threading.Event()
        self._expected = expected
        self._lock = threading.Lock()

    def note(self, context, sender, number):
        with self._lock:
            self.received.append((sender, number))
            if len(self.received) == self._expected:
                self.all_there.set()
        return number


class BusTestCase(subtests.SubTests, testtools.TestCase):
    def setUp(self):
        super().setUp()
        before = patched()
        self.addCleanup(lambda: self.assertEqual(before, patched()))
        self.conf = cfg.ConfigOpts()
        # Registers all options of oslo.messaging.
        self.useFixture(conffixture.ConfFixture(self.conf))
        self.transport = messaging.get_rpc_transport(self.conf, 'fake:/')
        self.topic = self.getUniqueString()

    def serve(self, host, endpoint):
        server = messaging.get_rpc_server(
            self.transport,
            messaging.Target(topic=self.topic, server=host),
            [endpoint],
            executor='eventlet' if EVENTLET else 'threading',
        )
        # One after the other, in the order in which they are received.
        self.conf.set_override('executor_thread_pool_size', 1)
        server.start()
        self.addCleanup(self.stop, server)
        return server

    def stop(self, server):
        def run():
            server.stop()
            server.wait()

        # It joins the listener.
        self.assertTrue(self.in_time(run), 'the listener sleeps')

    def client(self, **target):
        return messaging.get_rpc_client(
            self.transport, messaging.Target(topic=self.topic, **target)
        )

    def in_time(self, function):
        """Whether a function returns before all patience is lost."""
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        return not thread.is_alive()

    def listener(self):
        return impl_fake.FakeListener(
            impl_fake.FakeExchangeManager('exchange'),
            [messaging.Target(topic=self.topic)],
        )

    def deliver(self, number, topic=None):
        exchange = impl_fake.FakeExchangeManager('exchange').get_exchange(None)
        exchange.deliver_message(topic or self.topic, {}, number)


class TestPrompt(BusTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(nova_waiting.PromptBus())
        self.useFixture(LongSleeps())

    def send(self, act, senders, count):
        def run(sender):
            for number in range(count):
                act(sender, number)

        threads = [
            threading.Thread(target=run, args=(sender,), daemon=True)
            for sender in range(senders)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

    def assertInOrder(self, endpoint, senders, count):
        self.assertTrue(endpoint.all_there.wait(PATIENCE))
        for sender in range(senders):
            self.assertEqual(
                list(range(count)),
                [number for who, number in endpoint.received if who == sender],
            )
        self.assertEqual(senders * count, len(endpoint.received))

    def test_casts(self):
        endpoint = Endpoint(5 * 100)
        self.serve('host', endpoint)
        client = self.client(server='host')
        self.send(
            lambda sender, number: client.cast(
                {}, 'note', sender=sender, number=number
            ),
            5,
            100,
        )
        self.assertInOrder(endpoint, 5, 100)

    def test_calls(self):
        endpoint = Endpoint(4 * 50)
        self.serve('host', endpoint)
        client = self.client(server='host')
        answers = []
        self.send(
            lambda sender, number: answers.append(
                client.call({}, 'note', sender=sender, number=number)
            ),
            4,
            50,
        )
        self.assertInOrder(endpoint, 4, 50)
        self.assertEqual(sorted(list(range(50)) * 4), sorted(answers))

    def test_a_fanout(self):
        endpoints = [Endpoint(3 * 50), Endpoint(3 * 50)]
        for number, endpoint in enumerate(endpoints):
            self.serve(f'host{number}', endpoint)
        client = self.client(fanout=True)
        self.send(
            lambda sender, number: client.cast(
                {}, 'note', sender=sender, number=number
            ),
            3,
            50,
        )
        for endpoint in endpoints:
            with self.subTest(endpoint=endpoint):
                self.assertInOrder(endpoint, 3, 50)

    def test_any_of_several_servers(self):
        both = Endpoint(200)
        for number in range(2):
            self.serve(f'host{number}', both)
        client = self.client()
        for number in range(200):
            client.cast({}, 'note', sender=0, number=number)
        self.assertTrue(both.all_there.wait(PATIENCE))
        self.assertEqual(
            [(0, number) for number in range(200)], sorted(both.received)
        )

    def test_a_server_that_idles_stops(self):
        self.stop(self.serve('host', Endpoint(0)))

    def test_a_message_before_the_first_sleep(self):
        listener = self.listener()
        sleeps = []

        def deliver(sleep, seconds):
            if not sleeps:
                self.deliver(1)
            sleeps.append(seconds)
            sleep(seconds)

        self.assertEqual([1], self.poll_with(listener, deliver))
        self.assertEqual([0.05], sleeps)

    def test_a_message_between_the_look_and_the_sleep(self):
        listener = self.listener()
        sleeps = []

        def deliver(sleep, seconds):
            sleeps.append(seconds)
            # What is for others wakes it, too.
            self.deliver(1, None if len(sleeps) == 3 else 'others')
            sleep(seconds)

        self.assertEqual([1], self.poll_with(listener, deliver))
        self.assertEqual([0.05] * 3, sleeps)

    def test_a_stop_between_the_look_and_the_sleep(self):
        listener = self.listener()
        sleeps = []

        def stop(sleep, seconds):
            sleeps.append(seconds)
            if len(sleeps) == 2:
                listener.stop()
            sleep(seconds)

        self.assertEqual([], self.poll_with(listener, stop))
        self.assertEqual([0.05] * 2, sleeps)

    def poll_with(self, listener, sleep):
        """Poll with another sleep; return the messages."""
        found = []
        prompt = impl_fake.time.sleep
        restore = waiting_sleep.replace_sleep(
            impl_fake, lambda seconds: sleep(prompt, seconds)
        )
        try:
            polled = self.in_time(lambda: found.extend(listener.poll()))
        finally:
            restore()
        self.assertTrue(polled, 'it slept out')
        return [message.message for message in found]


class TestWhatStaysUnhardened(BusTestCase):
    def test_a_deadline(self):
        with nova_waiting.PromptBus():
            self.assertEqual([], self.listener().poll(timeout=0.2))

    def test_a_sleep_that_the_test_replaced(self):
        with (
            nova_waiting.PromptBus(),
            mock.patch(
                'time.sleep',
                autospec=True,
                side_effect=lambda _: self.deliver(1),
            ) as sleep,
        ):
            (message,) = self.listener().poll()
        self.assertEqual(1, message.message)
        sleep.assert_called_once_with(0.05)

    def test_a_sleep_that_the_test_replaced_where_it_is_used(self):
        with nova_waiting.PromptBus():
            prompt = impl_fake.time.sleep
            with mock.patch.object(
                impl_fake.time,
                'sleep',
                autospec=True,
                side_effect=lambda _: self.deliver(1),
            ) as sleep:
                (message,) = self.listener().poll()
            self.assertEqual(prompt, impl_fake.time.sleep)
        self.assertEqual(1, message.message)
        sleep.assert_called_once_with(0.05)

    def test_a_listener_that_outlives_the_fixture(self):
        self.useFixture(fixtures.MonkeyPatch(f'{bus.__name__}._AT_MOST', LONG))
        listener = self.listener()
        found = []
        with nova_waiting.PromptBus() as fixture:
            waits, waiting = self.waits_of(fixture)
            prompt = impl_fake.time.sleep
            thread = threading.Thread(
                target=lambda: found.extend(listener.poll()), daemon=True
            )
            thread.start()
            self.assertTrue(waiting.wait(PATIENCE))
        with mock.patch('time.sleep', wraps=time.sleep) as unhardened:
            again = threading.Event()
            unhardened.side_effect = lambda _: again.set() or mock.DEFAULT
            self.assertTrue(again.wait(PATIENCE))
            self.deliver(1)
            thread.join(PATIENCE)
        self.assertEqual([1], [message.message for message in found])
        self.assertEqual([LONG], waits)
        # As by one that was about to sleep; the first never waits.
        self.assertTrue(self.in_time(lambda: [prompt(0) for _ in range(2)]))

    def test_what_a_listener_is_not_told_of(self):
        listener = self.listener()
        with nova_waiting.PromptBus() as fixture:
            waits, waiting = self.waits_of(fixture)
            thread = threading.Thread(target=listener.poll, daemon=True)
            thread.start()
            self.assertTrue(waiting.wait(PATIENCE))
            listener._stopped.set()
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), 'it slept out')
        # Longer than unhardened Nova waits.
        self.assertGreater(min(waits), 0.05)

    def waits_of(self, fixture):
        """Return the seconds of each wait, and an event: one has begun."""
        waits = []
        waiting = threading.Event()
        wait = fixture._condition.wait

        def noted(seconds):
            waits.append(seconds)
            # Whoever wants to wake it waits for the lock that this holds.
            waiting.set()
            return wait(seconds)

        fixture._condition.wait = noted
        return waits, waiting


class TestTheFixture(BusTestCase):
    def test_leaves_nothing(self):
        before = patched()
        with nova_waiting.PromptBus():
            self.assertFalse(set(before) & set(patched()))
            self.assertIs(time.time, impl_fake.time.time)
        self.assertEqual(before, patched())
        self.assertIs(time, impl_fake.time)

    def test_again_and_nested(self):
        fixture = nova_waiting.PromptBus()
        for _ in range(2):
            with fixture:
                between = patched()
                with nova_waiting.PromptBus(), LongSleeps():
                    endpoint = Endpoint(1)
                    server = self.serve('host', endpoint)
                    client = self.client(server='host')
                    self.assertEqual(
                        2, client.call({}, 'note', sender=1, number=2)
                    )
                    self.stop(server)
                self.assertEqual(between, patched())

    def test_a_set_up_that_fails(self):
        before = patched()
        with mock.patch.object(
            waiting_sleep,
            'replace_sleep',
            autospec=True,
            side_effect=ZeroDivisionError,
        ):
            self.assertRaises(
                fixtures.MultipleExceptions, nova_waiting.PromptBus().setUp
            )
        self.assertEqual(before, patched())
