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

"""Values whose class lies are judged as what they hold, by every guard.

In each test, the plain value is the twin.
"""

import enum
import json
import uuid

import requests
import testtools

import safe_fixtures
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures.guards.dummy_data import matchers
from safe_fixtures.guards.services import lookup
from safe_fixtures.testing import expect_violation
from safe_fixtures.testing import FakeComputeClient
from tests.support import base
from tests.support import lying
from tests.support import payloads
from tests.support import start_doubles
from tests.support import web
from tests.unit.guards import microversion_cases

UUID = '1f1a2b3c-0000-4000-8000-000000000001'
HEADERS = {'data': lambda text: lying.Data(text.encode()), **lying.KINDS}


class TestHeaders(microversion_cases.TestCase):
    def send(self, headers):
        """Send headers that requests does not look at."""
        request = requests.Request('GET', f'{web.URL}/v2.1/servers').prepare()
        for key, value in headers:
            request.headers[key] = value
        with requests.Session() as session:
            return session.send(request)

    def test_values(self):
        for name, kind in HEADERS.items():
            with self.subTest(name), self.pin():
                self.send([(microversion_cases.STANDARD,
                            kind('compute latest'))])  # fmt: skip
                self.assertEqual(('compute 2.53', None), self.arrived())

    def test_legacy_values(self):
        self.served = 'compute 2.53'
        for name, kind in HEADERS.items():
            with self.subTest(name), self.pin():
                self.send([(microversion_cases.LEGACY, kind('latest'))])
                self.assertEqual((None, '2.53'), self.arrived())

    def test_names(self):
        for name, kind in lying.KINDS.items():
            with self.subTest(name), self.pin():
                key = kind(microversion_cases.STANDARD)
                self.send([(key, 'compute latest')])
                self.assertEqual(('compute 2.53', None), self.arrived())

    def test_versions_that_are_not_supported(self):
        for name, kind in HEADERS.items():
            with self.subTest(name), self.pin():
                with expect_violation('SF102'):
                    self.send([(microversion_cases.STANDARD,
                                kind('compute 2.999'))])  # fmt: skip

    def test_others_arrive_as_they_are(self):
        class Number(enum.IntEnum):
            IT = 5

        with self.pin():
            for value, expected in (
                (lying.member('mine'), 'mine'),
                (lying.Data(b'mine'), 'mine'),
                (Number.IT, '5'),
                (5, '5'),
                ('mine', 'mine'),
            ):
                with self.subTest(value=value):
                    self.send([('X-Mine', value)])
                    environ = self.server.requests[-1]
                    self.assertEqual(expected, environ['HTTP_X_MINE'])

    def test_pin_and_service(self):
        for name, kind in lying.KINDS.items():
            with self.subTest(name):
                with self.pin(kind('2.53'), service=kind('compute')) as pin:
                    microversion_cases.latest()
                self.assertIs(str, type(pin.pin))
                self.assertEqual(('compute 2.53', '2.53'), self.arrived())


class TestBodies(payloads.TestCase):
    def send(self, body):
        """Send a body that requests does not look at."""
        request = requests.Request('POST', payloads.SERVERS, data='x')
        prepared = request.prepare()
        prepared.body = body
        with requests.Session() as session:
            session.send(prepared)

    def test_text(self):
        self.guard()
        for name, kind in HEADERS.items():
            with self.subTest(name):
                with expect_violation('SF303') as seen:
                    self.send(kind('["8.8.8.8"]'))
                self.assertIn('8.8.8.8', seen[0].message)
                # As long as the one that requests has counted.
                self.send(kind('1'))

    def test_file(self):
        class File:
            def __init__(self, content):
                self.content = content

            def read(self, *_):
                return self.content

            def tell(self):
                return 0

            def seek(self, *_):
                pass

        self.guard()
        for name, kind in HEADERS.items():
            with self.subTest(name):
                with expect_violation('SF303') as seen:
                    self.send(File(kind('["8.8.8.8"]')))
                self.assertIn('8.8.8.8', seen[0].message)

    def test_allowed_hosts(self):
        for name, kind in lying.KINDS.items():
            with self.subTest(name):
                hosts = conf.check('allowed_hosts', [kind('8.8.8.8')])
                self.assertEqual(['8.8.8.8'], hosts)
                self.assertEqual([str], list(map(type, hosts)))
        self.assertRaises(
            exceptions.ConfigurationError, conf.check, 'allowed_hosts', [8]
        )


class TestDummyData(base.TestCase):
    def test_references(self):
        for name, kind in lying.KINDS.items():
            with self.subTest(name):
                for text in (UUID, f'http://localhost/images/{UUID}'):
                    self.assertEqual(UUID, matchers.referred(kind(text)))
        for number in (5, lying.Number(5)):
            self.assertEqual('5', matchers.referred(number))
        for other in (True, None, 5.0, b'5'):
            self.assertIsNone(matchers.referred(other), other)

    def test_fields_of_images(self):
        for name, kind in lying.KINDS.items():
            for image, is_dummy in (
                ({kind('locations'): '/etc/x'}, False),
                ({kind('properties'): '/etc/x'}, True),
                ({'x': kind('https://cloud.acme.com/x')}, False),
                ({'x': kind('https://localhost/x')}, True),
            ):
                with self.subTest(name, image=image):
                    mismatch = matchers.IsDummyImage().match(image)
                    self.assertEqual(is_dummy, mismatch is None)

    def test_names(self):
        self.configure(dummy_image_name='fake.*')
        for name, kind in lying.KINDS.items():
            with self.subTest(name):
                match = matchers.IsDummyImage().match
                self.assertIsNone(match({'name': kind('fake1')}))
                self.assertIsNotNone(match({'name': kind('real')}))


class TestServices(base.TestCase):
    def test_identified(self):
        for name, kind in lying.KINDS.items():
            for service, expected in (
                (kind(UUID), (UUID, None, None)),
                ({'id': kind(UUID)}, (UUID, None, None)),
                (kind('host1'), (None, 'host1', 'nova-compute')),
            ):
                with self.subTest(name, service=service):
                    self.assertEqual(expected, lookup.identify(service))
        self.assertEqual(UUID, lookup.identify(uuid.UUID(UUID)).uuid)
        self.assertRaises(LookupError, lookup.identify, 5)

    def test_toggled_and_restored(self):
        for name, kind in lying.KINDS.items():
            for body, restored in (
                ({'status': kind('disabled')}, 'enabled'),
                ({'forced_down': kind('True')}, False),
            ):
                with self.subTest(name, body=body):
                    client = Plain(['host1'])
                    with safe_fixtures.SafeServiceToggle(api=client) as toggle:
                        toggle.disable(kind('host1'))
                        toggle.enable(kind('host1'))
                        service = client.get_services()[0]
                        client.put_service(service['id'], body)
                    service = client.get_services()[0]
                    self.assertEqual(restored, service[[*body][0]])

    def test_what_stays_down(self):
        client = FakeComputeClient(['host1'])
        service = client.get_services()[0]
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            client.put_service(service['id'], {'forced_down': 'False'})
        self.assertEqual([], list(toggle.ledger))


class Plain(FakeComputeClient):
    """A client that sends JSON, as all do."""

    def put_service(self, service_id, req):
        return super().put_service(service_id, json.loads(json.dumps(req)))


class TestStarts(start_doubles.TestCase):
    def test_allowed(self):
        for name, kind in lying.KINDS.items():
            with self.subTest(name), self.guard([kind('nova-compute')]):
                self.starts.start('nova-compute').stop()
                self.starts.start(kind('nova-compute')).stop()
                with expect_violation('SF204'):
                    self.starts.start(kind('nova-scheduler'))


class TestCodes(base.TestCase):
    def test_waived_and_expected(self):
        for name, kind in lying.KINDS.items():

            class Case(testtools.TestCase):
                @safe_fixtures.waive(kind('SF406'), reason='x')
                def test_waived(self):
                    guard = safe_fixtures.IsolationGuard()
                    self.useFixture(guard)
                    guard._violate(violation(), 'x')

                def test_expected(self):
                    guard = safe_fixtures.IsolationGuard()
                    self.useFixture(guard)
                    with expect_violation(self.code):
                        guard._violate(violation(), 'x')

            Case.code = kind('SF406')
            with self.subTest(name):
                self.configure(mode='enforce')
                self.assertPasses(Case)


def violation():
    return exceptions.SafetyViolation('SF406', 'x')
