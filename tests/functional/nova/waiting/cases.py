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

"""Helpers that wait, and a world that they ask.

No test here looks at a clock: a sleep that must be cut short would last for
minutes, or only an early ask ends the wait.
"""

import threading
import types

import fixtures
from nova.scheduler.client import report
from nova.servicegroup.drivers import db
from nova import test
from nova.tests.fixtures import notifications
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from nova.virt.libvirt import driver
from oslo_messaging._drivers import impl_fake
import sqlalchemy
from sqlalchemy.engine import default
import testtools

from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import helpers
from tests.support import subtests

# Seconds of a sleep that must be cut short.
LONG = 600
NOT_FOUND = client.OpenStackApiNotFoundException(
    response=types.SimpleNamespace(
        status_code=404, content='', text='', headers={}
    )
)


def patched():
    """Return the identity of what the fixture patches."""
    # A wrapper is equal to what it wraps.
    found = {
        (owner, name): id(vars(owner)[name])
        for owner, name in (
            *((owner, name) for owner, name, _ in helpers._sleepers()),
            (notifications.FakeNotifier, '_notify'),
            (notifications.FakeVersionedNotifier, '_notify'),
            (default.DefaultDialect, 'do_execute'),
            (default.DefaultDialect, 'do_executemany'),
            (default.DefaultDialect, 'do_commit'),
            (db.DbDriver, 'is_up'),
            (driver.AsyncDeviceEventsHandler, 'wait'),
            (driver.AsyncDeviceEventsHandler, 'notify_waiters'),
        )
    }
    for module in (integrated_helpers, impl_fake, report):
        found[module, 'time'] = id(module.time)
    return found


def is_early():
    """Whether a helper is called to ask once, and not to sleep."""
    wait = helpers._current.get()
    return wait is not None and wait.asking


def write(statement='INSERT INTO things VALUES (1)', end='commit'):
    """Write to a database, in another thread."""

    def run():
        engine = sqlalchemy.create_engine('sqlite://')
        with engine.connect() as connection:
            connection.exec_driver_sql('CREATE TABLE things (id INTEGER)')
            connection.exec_driver_sql(statement)
            getattr(connection, end)()
        engine.dispose()

    in_thread(run)


def in_thread(function):
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


class World:
    """A fake API that helpers ask. It counts their requests.

    :ivar satisfied: called with whether the ask is an early one.
    """

    def __init__(self, satisfied=lambda early: False):
        self.satisfied = satisfied
        self.polls = 0
        self.asks = 0

    def ask(self):
        early = is_early()
        if early:
            self.asks += 1
        else:
            self.polls += 1
        return self.satisfied(early)

    def get_services(self, host, binary):
        return [{'status': 'enabled' if self.ask() else 'disabled'}]

    def get_server(self, server_id):
        return {'id': server_id, 'status': 'ACTIVE' if self.ask() else 'BUILD'}

    def get_instance_actions(self, server_id):
        return [{'action': 'create', 'request_id': 'request'}]

    def get_instance_action_details(self, server_id, request_id):
        result = 'Error' if self.ask() else None
        return {'events': [{'event': 'build', 'result': result}]}

    def get_server_volume(self, server_id, volume_id):
        if not self.ask():
            raise NOT_FOUND

    def get_server_volumes(self, server_id):
        return ['none']

    def api_get(self, url):
        migration = {
            'instance_uuid': 'server',
            'status': 'finished' if self.ask() else 'migrating',
        }
        return types.SimpleNamespace(body={'migrations': [migration]})


class Gone(World):
    """A server and a volume that go away."""

    def get_server(self, server_id):
        if self.ask():
            raise NOT_FOUND
        return {'id': server_id, 'status': 'ACTIVE'}

    def get_server_volume(self, server_id, volume_id):
        if self.ask():
            raise NOT_FOUND


class Asks:
    """Asks the world where a helper does not ask an API."""

    def __init__(self, world):
        super().__init__('holds')
        self.api = world
        self.stdlog = self

    def _get_allocations_by_server_uuid(self, consumer_id):
        return {'provider': {}} if self.api.ask() else {}

    @property
    def logger(self):
        return types.SimpleNamespace(
            output='here it is' if self.api.ask() else 'nothing'
        )

    def holds(self):
        if not self.api.ask():
            raise AssertionError('it does not hold')
        return 'it holds'


class Waiter(
    Asks, test.NoDBTestCase, integrated_helpers.PlacementInstanceHelperMixin
):
    """A test of Nova's bases, for its helpers; it is not run."""


class OwnOrder(
    Asks, integrated_helpers.PlacementInstanceHelperMixin, test.NoDBTestCase
):
    """Has helpers before nova.test.TestCase; it is not run."""


SERVER = {'id': 'server', 'status': 'BUILD'}
# The world and the arguments of each helper that sleeps.
WAITS = {
    '_wait_for_service_parameter': (
        World,
        ('host', 'nova-compute', {'status': 'enabled'}),
    ),
    '_wait_for_server_parameter': (World, (SERVER, {'status': 'ACTIVE'})),
    '_wait_until_deleted': (Gone, (SERVER,)),
    '_wait_for_instance_action_event': (
        World,
        (SERVER, 'create', 'build', 'error'),
    ),
    '_wait_for_volume_attach': (World, ('server', 'volume')),
    '_wait_for_volume_detach': (Gone, ('server', 'volume')),
    '_wait_for_migration_status': (World, (SERVER, ['finished'])),
    '_wait_for_log': (World, ('here',)),
    '_wait_for_assert': (World, ()),
    '_wait_for_server_allocations': (World, ('server',)),
}


def call(name, waiter, **kwargs):
    _, args = WAITS[name]
    if name == '_wait_for_assert':
        args = (waiter.holds,)
    return getattr(waiter, name)(*args, **kwargs)


def failure(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return error
    raise AssertionError('it did not fail')


class Changes(fixtures.Fixture):
    """Something changes again and again, in another thread."""

    def __init__(self, pause=0.05):
        super().__init__()
        self.pause = pause

    def _setUp(self):
        stop = threading.Event()

        def run():
            while not stop.wait(self.pause):
                write()

        thread = threading.Thread(target=run, daemon=True)
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        thread.start()


class WaitingTestCase(subtests.SubTests, testtools.TestCase):
    def setUp(self):
        super().setUp()
        before = patched()
        self.addCleanup(lambda: self.assertEqual(before, patched()))

    def wait_for_change(self):
        return self.useFixture(waiting.WaitForChange())
