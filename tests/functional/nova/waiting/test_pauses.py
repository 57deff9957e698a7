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

"""Pauses of Nova that only time ends are short."""

from safe_fixtures import nova as safe_nova  # isort: skip

import threading
from unittest import mock

import fixtures
from nova.scheduler.client import report
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.virt.libvirt import driver
from nova.virt.libvirt import event as libvirt_event

from safe_fixtures import exceptions
from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import pauses
from tests.functional.nova import inner
from tests.functional.nova.waiting import cases
from tests.support import base

REMOVED = libvirt_event.DeviceRemovedEvent


class TestRetries(cases.WaitingTestCase):
    def retry(self, times):
        """Let a call of Nova's be tried again; return how it paused."""
        left = [report.Retry('work', 'it is early')] * times

        @report.retries
        def call(client):
            if left:
                raise left.pop()
            return 'done'

        with (
            mock.patch.object(
                report.random, 'uniform', lambda low, high: high
            ),
            mock.patch.object(pauses, 'time', autospec=True) as slept,
        ):
            result = call(None)
        return result, [each.args[0] for each in slept.sleep.call_args_list]

    def test_pauses(self):
        with waiting.WaitForChange() as fixture:
            self.assertEqual(('done', [0, 0.05, 0.05]), self.retry(2))
            self.assertEqual([2, 2], fixture.won['retries'][:2])
            self.assertAlmostEqual(5.9, fixture.won['retries'][2])
            # It gives up when it always did.
            self.assertEqual((False, [0] + [0.05] * 3), self.retry(4))

    def test_a_short_pause_stays(self):
        with (
            waiting.WaitForChange() as fixture,
            mock.patch.object(pauses, '_PAUSE', 100),
        ):
            self.assertEqual(('done', [0, 2]), self.retry(1))
            self.assertEqual({}, dict(fixture.won))

    def test_another_sleep_stays(self):
        # As another function of the module would sleep.
        names = {}
        exec('def other(): time.sleep(5)', vars(report), names)
        with (
            waiting.WaitForChange() as fixture,
            mock.patch.object(pauses, 'time', autospec=True) as slept,
        ):
            names['other']()
            self.assertEqual({}, dict(fixture.won))
        slept.sleep.assert_called_once_with(5)

    def test_a_test_that_replaces_sleep(self):
        with (
            waiting.WaitForChange(),
            fixtures.MockPatch('time.sleep') as slept,
            mock.patch.object(
                report.random, 'uniform', lambda low, high: high
            ),
        ):
            report.retries(lambda client: None)(None)
        slept.mock.assert_called_once_with(0)


class TestLibvirtEvents(cases.WaitingTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.virt.libvirt.driver.libvirt', fakelibvirt
            )
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.nova.waiting.pauses._EVENT', 0.1
            )
        )
        self.handler = driver.AsyncDeviceEventsHandler()

    def waiter(self):
        return self.handler.create_waiter('uuid', 'device', {REMOVED})

    def test_an_event_that_does_not_come(self):
        with waiting.WaitForChange() as fixture:
            self.assertIsNone(self.handler.wait(self.waiter(), timeout=20))
            sleeps, cut_short, seconds = fixture.won['libvirt events']
            self.assertEqual((1, 1), (sleeps, cut_short))
            self.assertLess(0, seconds)
            self.assertEqual(set(), self.handler._waiters)

    def test_an_event_that_comes(self):
        event = REMOVED('uuid', 'device')
        with waiting.WaitForChange() as fixture:
            waiter = self.waiter()
            self.assertTrue(self.handler.notify_waiters(event))
            self.assertIs(event, self.handler.wait(waiter, 20))
            self.assertEqual({}, dict(fixture.won))

    def test_an_event_that_comes_too_late(self):
        fixture = waiting.WaitForChange()
        fixture.setUp()
        self.handler.wait(self.waiter(), 1000)
        # Nobody waits for it any more, as on stock.
        self.assertFalse(
            self.handler.notify_waiters(REMOVED('uuid', 'device'))
        )
        error = self.assertRaises(exceptions.WaitCutShort, fixture.cleanUp)
        self.assertIn("device_name=device", str(error))
        self.assertIn('wait_for_change = false', str(error))

    def test_an_event_of_another_device(self):
        with waiting.WaitForChange():
            self.handler.wait(self.waiter(), 1000)
            self.handler.notify_waiters(REMOVED('uuid', 'another'))

    def test_an_event_that_is_too_late_on_stock(self):
        with (
            mock.patch.object(pauses.changes, 'now', lambda: next(clock)),
            waiting.WaitForChange(),
        ):
            clock = iter((0, 1, 20))
            self.handler.wait(self.waiter(), 20)
            self.handler.notify_waiters(REMOVED('uuid', 'device'))

    def test_a_driver_without_such_a_handler(self):
        with (
            mock.patch.object(driver, 'AsyncDeviceEventsHandler', None),
            waiting.WaitForChange() as fixture,
        ):
            self.assertIsNone(driver.AsyncDeviceEventsHandler)
        self.assertEqual({}, dict(fixture.won))

    def test_what_is_left_alone(self):
        asked = []

        class Event(threading.Event):
            def wait(self, timeout):
                asked.append(timeout)

        for timeout, libvirt in ((0.05, fakelibvirt), (20, mock.Mock())):
            with (
                self.subTest(timeout),
                mock.patch.object(driver, 'libvirt', libvirt),
                mock.patch.object(driver.threading, 'Event', Event),
                waiting.WaitForChange() as fixture,
            ):
                self.handler.wait(self.waiter(), timeout)
                self.assertEqual({}, dict(fixture.won))
        self.assertEqual([0.05, 20], asked)


class Detaches(safe_nova.SafeTestCase):
    """Waits for an event of libvirt, which comes in time or late.

    :cvar LATE: whether it comes after the wait.
    :cvar FAIL: where to fail: ``setUp``, ``test`` or nowhere.
    """

    USES_DB = False
    LATE = FAIL = None

    def setUp(self):
        self.useFixture(safe_nova.InstalledNova())
        super().setUp()
        handler = driver.AsyncDeviceEventsHandler()
        waiter = handler.create_waiter('uuid', 'device', {REMOVED})
        event = REMOVED('uuid', 'device')
        if not self.LATE:
            handler.notify_waiters(event)
        handler.wait(waiter, timeout=1000)
        if self.LATE:
            handler.notify_waiters(event)
        if self.FAIL == 'setUp':
            raise RuntimeError('so be it')

    def test(self):
        if self.FAIL == 'test':
            self.fail('so be it')


class TestEventsInNova(base.TestCase):
    def setUp(self):
        super().setUp()
        for name, value in (
            ('nova.virt.libvirt.driver.libvirt', fakelibvirt),
            ('safe_fixtures.nova.waiting.pauses._EVENT', 0.1),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, value))

    def found(self, late, where):
        case = type('Inner', (Detaches,), {'LATE': late, 'FAIL': where})
        result = inner.run_inner(case)
        text = inner.problems(result)
        self.assertEqual(where is not None, 'so be it' in text)
        self.assertEqual(late or where is not None, bool(text))
        return 'WaitCutShort' in text

    def test_an_event_that_comes_too_late_fails_the_test(self):
        for where in (None, 'test', 'setUp'):
            with self.subTest(where):
                self.assertTrue(self.found(True, where))

    def test_an_event_in_time_does_not(self):
        for where in (None, 'test', 'setUp'):
            with self.subTest(where):
                self.assertFalse(self.found(False, where))


class TestInNova(base.TestCase):
    def test_a_hardened_test_uses_them(self):
        class Inner(safe_nova.SafeTestCase):
            USES_DB = False

            def setUp(self):
                self.useFixture(safe_nova.InstalledNova())
                super().setUp()

            def test(self):
                during.update(cases.patched())

        before, during = cases.patched(), {}
        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertEqual(before, cases.patched())
        changed = {key for key in before if before[key] != during[key]}
        self.assertIn((report, 'time'), changed)
        self.assertIn((driver.AsyncDeviceEventsHandler, 'wait'), changed)
