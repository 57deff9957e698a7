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

"""Servers and clients of a fake bus, and inner tests."""

import safe_fixtures.nova  # isort: skip

import threading

from nova import rpc
from nova import test
from nova.tests import fixtures as nova_fixtures
import oslo_messaging as messaging
from oslo_messaging._drivers import impl_fake
from oslo_messaging.rpc import client
import testtools

from safe_fixtures.nova import cast_as_call
from tests.functional.nova import inner as inner_run
from tests.support import subtests

SECRET = 'k3ystone-s3cret'
LEAK = f'admin_password={SECRET}'
# Seconds after which a call without an answer fails.
PATIENCE = 30
EXECUTOR = (
    'eventlet'
    if threading.local.__module__.startswith('eventlet.')
    else 'threading'
)
# The attributes before any test.
GIVEN = dict(vars(client._CallContext))
TOUCHED = (
    client.RPCClient,
    client._BaseCallContext,
    client._CallContext,
    impl_fake.FakeListener,
    nova_fixtures.CastAsCallFixture,
)


def attributes():
    """Return the identity of each attribute of the patched classes."""
    return {
        f'{cls.__name__}.{name}': id(value)
        for cls in TOUCHED
        for name, value in vars(cls).items()
    }


def give_back(name):
    """Restore what Nova's own fixture leaves behind."""
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
    """Servers and clients of the fake bus of a test."""

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


class UnhardenedTestCase(BusMixin, test.NoDBTestCase):
    def setUp(self):
        self.useFixture(safe_fixtures.nova.InstalledNova())
        super().setUp()


class InnerMixin(subtests.SubTests):
    def run_inner(self, body, base=HardenedTestCase, set_up=None):
        """Run a function as a test, and return the test and the result."""

        class Inner(base):
            def setUp(inner):
                super().setUp()
                # Nova's own cleanup deletes public attributes.
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
        """Run a function as a test that passes; return its cast events."""
        case, result = self.run_inner(body, **kwargs)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        if case._trail is None:
            return []
        return [
            event
            for event in case._trail.events
            if event['action'] == 'monitor/cast'
        ]


def holding(inner):
    error = RuntimeError('failed')
    error.inner = inner
    return error


def use_ours(inner):
    inner.useFixture(cast_as_call.SafeCastAsCall())


def use_unhardened(inner):
    inner.useFixture(nova_fixtures.CastAsCallFixture(inner))


def use_both(inner):
    use_ours(inner)
    use_unhardened(inner)
    use_ours(inner)


def use_as_context(inner):
    use_unhardened(inner)
    with cast_as_call.SafeCastAsCall() as casting:
        cast(inner)
    inner.assertEqual(2, len(casting.casts))


def use_inside(inner):
    with cast_as_call.SafeCastAsCall() as casting:
        use_unhardened(inner)
        cast(inner)
    inner.assertEqual([], casting.casts)


def cast(inner):
    # Nova's fixture patches again when a client prepares.
    for _ in range(2):
        inner.client(server='host').prepare().cast({}, 'note')


USES = (use_ours, use_unhardened, use_both, use_as_context, use_inside)


def admin(inner):
    inner.api = inner.admin_api
    inner.api.microversion = '2.37'
