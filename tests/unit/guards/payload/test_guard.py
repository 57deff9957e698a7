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

"""PayloadGuard: its message, its options, and what becomes of a test."""

import collections
import gzip
import io
import json
import os

import requests
import testtools

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import payload
from safe_fixtures import waive
from tests.support import payloads

SERVERS = payloads.SERVERS
MADE = payloads.MADE
RSA_KEY = payloads.RSA_KEY
GITHUB_TOKEN = payloads.GITHUB_TOKEN
ADDRESS = payloads.ADDRESS
DOMAIN = payloads.DOMAIN
b64 = payloads.b64


class TestMessage(payloads.TestCase):
    def test_all_is_listed(self):
        self.guard()
        message = self.refused(
            json={'b': ['8.8.8.8', 'joe@gmail.com'], 'a': RSA_KEY}
        )
        self.assertEqual(
            'POST /v2.1/servers holds real-looking data: '
            f'a: private key ({len(RSA_KEY.strip())} characters); '
            f'b[0]: {ADDRESS} 8.8.8.8; b[1]: {DOMAIN} gmail.com',
            message,
        )

    def test_much_is_not(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        message = self.refused(json=['8.8.8.8'] * 1000)
        self.assertEqual(10, message.count('8.8.8.8'))
        self.assertTrue(message.endswith('; and 990 more'), message)
        self.assertEqual(11, len(audit.details(trail.events[0])['findings']))

    def test_long_keys_are_not_quoted_whole(self):
        self.guard()
        message = self.refused(json={'k' * 5000: {'a': '8.8.8.8'}})
        self.assertIn('k...a: ', message.replace('....', '...'))
        self.assertLess(len(message), 200)

    def test_secret_in_the_path(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        message = self.refused(url=f'{SERVERS}/{GITHUB_TOKEN}')
        self.assertNotIn(GITHUB_TOKEN, message)
        self.assertTrue(message.startswith('POST holds '), message)
        self.assertNotIn(GITHUB_TOKEN, json.dumps(trail.events))

    def test_secret_is_nowhere(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        for body in ({'a': RSA_KEY}, {RSA_KEY: {'b': '8.8.8.8'}}, RSA_KEY):
            self.refused(json=body)
        self.assertNotIn(MADE[:40], json.dumps(trail.events))

    def test_what_is_in_a_secret_is_no_finding_of_its_own(self):
        self.guard()
        key = RSA_KEY.replace('-----\n', '-----\nFor: joe@gmail.com\n\n', 1)
        self.assertNotIn('gmail', self.refused(json={'a': key}))

    def test_record(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        self.refused(json={'a': '8.8.8.8'})
        event = trail.events[0]
        self.assertEqual(
            ('deny', 'failure', 'SF303', 'POST /v2.1/servers'),
            (
                event['action'],
                event['outcome'],
                event['reason']['reasonCode'],
                event['target']['name'],
            ),
        )
        details = audit.details(event)
        self.assertEqual([f'a: {ADDRESS} 8.8.8.8'], details['findings'])
        self.assertIn('test_guard.py:', details['where'])


class TestAllowed(payloads.TestCase):
    ALLOWED = ['8.8.8.8', '9.9.9.0/24', '2a00:1450::/32', 'Gmail.com.']

    def check(self):
        self.served(
            json=['8.8.8.8', '9.9.9.7/32', '2a00:1450::1', 'joe@gmail.COM']
        )
        for text in ('8.8.8.9', '9.9.8.1', '2a00:1451::1', 'a@x.gmail.com'):
            self.refused(json=[text])

    def test_by_argument(self):
        self.guard(allowed_hosts=self.ALLOWED)
        self.check()

    def test_by_option(self):
        self.configure(allowed_hosts=','.join(self.ALLOWED))
        self.guard()
        self.check()

    def test_argument_goes_before_the_option(self):
        self.configure(allowed_hosts='8.8.8.8')
        self.guard(allowed_hosts=[])
        self.refused(json='8.8.8.8')

    def test_nonsense_is_refused(self):
        for hosts in (['http://x/'], ['*'], 'example.com', [8]):
            with self.subTest(hosts=hosts):
                error = self.assertRaises(
                    exceptions.ConfigurationError,
                    payload.PayloadGuard(allowed_hosts=hosts).setUp,
                )
                self.assertEqual('allowed_hosts', error.option)
                self.assertUntouched()


FORM = 'application/x-www-form-urlencoded'


class TestRequest(payloads.TestCase):
    """No request is changed, and none fails that did nothing wrong."""

    def test_nothing_is_changed(self):
        body = {'a': '192.0.2.1', 'b': [b64('joe@example.com')]}
        self.guard()
        self.assertEqual(body, json.loads(self.served(json=body)))
        self.assertEqual(b'a=1&b=%40', self.served(data='a=1&b=%40'))

    def test_stream_is_not_used_up(self):
        self.guard()
        for stream in (io.BytesIO(b'skip text'), io.StringIO('skip text')):
            with self.subTest(stream=stream):
                stream.seek(5)
                self.assertEqual(b'text', self.served(data=stream))

    def test_stream_that_is_read_once(self):
        reader, writer = os.pipe()
        os.write(writer, b'joe@gmail.com')
        os.close(writer)
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard(), os.fdopen(reader, 'rb') as pipe:
            self.served(data=pipe)
            self.served(data=iter([b'8.8.', b'8.8']))
        self.assertEqual(
            {'requests': 2, 'bytes': 0, 'unread': 2},
            audit.details(trail.events[-1]),
        )

    def test_odd_bodies(self):
        self.guard()
        for data in (
            b'',
            b'null',
            b'\0',
            b'\xff\xfe',
            bytes(range(256)),
            b'{"a": ',
            b'[' * 200000 + b'"\\n"',
            b'{"a":' * 50000 + b'"\\n"' + b'}' * 50000,
            '\u00e4\u4e00',
            bytearray(b'text'),
        ):
            self.served(data=data)
        self.served(data=b'a=%ff&b', headers={'Content-Type': FORM})
        self.served(json={'a': '\ud800'})

    def test_deep_body(self):
        self.guard()
        body = '8.8.8.8'
        for _ in range(500):
            body = [body]
        self.assertIn('[0][0]: public address', self.refused(json=body))

    def test_work_is_linear(self):
        size = 200000
        self.guard()
        # Each would take minutes if a part was looked at again and again.
        for part in (
            'a', '1', '1.', '1.1.1.1.', ':', '::', 'a:', '2a00:', '@', 'a@',
            'a.', 'a@a.', 'a@a-', '://', '\n', '\\n', '\\', 'YWFh', 'YWFh\n',
            '8.8.8.300 ', 'fe80::1 ', 'a@x.test ', '-----BEGIN ', 'eyJ', '%',
        ):  # fmt: skip
            text = part * (size // len(part))
            self.served(json={'a': text})
            self.served(data=text)

    def test_archive_that_unpacks_to_much(self):
        self.guard()
        bomb = gzip.compress(bytes(64 * 1024 * 1024))
        self.served(json={'user_data': b64(bomb)})


class TestSummary(payloads.TestCase):
    def test_one_event_for_all_requests(self):
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard():
            self.served(data=b'12345')
            self.served(method='GET')
            self.served(data='\u00e4'.encode())
        (event,) = trail.events
        self.assertEqual('evaluate/payload', event['action'])
        self.assertEqual('monitor', event['eventType'])
        self.assertEqual('success', event['outcome'])
        self.assertEqual(
            {'requests': 3, 'bytes': 7, 'unread': 0}, audit.details(event)
        )

    def test_none_without_requests(self):
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard():
            pass
        self.assertEqual([], trail.events)

    def test_reused(self):
        trail = self.useFixture(audit.AuditTrail())
        guard = payload.PayloadGuard()
        for _ in range(2):
            with guard:
                self.served(data=b'12345')
        self.assertEqual(
            [5, 5], [audit.details(each)['bytes'] for each in trail.events]
        )


class TestModes(payloads.TestCase):
    def send(self, **modes):
        self.configure(**modes)
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard():
            self.served(json={'a': '8.8.8.8'})
        return collections.Counter(event['action'] for event in trail.events)

    def test_audit(self):
        self.assertEqual(
            {'evaluate/violation': 1, 'evaluate/payload': 1},
            self.send(rule_modes='SF303:audit'),
        )

    def test_off(self):
        self.assertEqual({}, self.send(rule_modes='SF303:off'))


REFUSED = (
    'SafetyViolation: SF303 (CWE-531): POST /v2.1/servers holds '
    f'real-looking data: a: {ADDRESS} 8.8.8.8 at '
)
FAILED = 'AssertionError: it ends here'
ENDED = 'ValueError: it ends here'


class TestInner(payloads.TestCase):
    """What becomes of a test."""

    def inner(self, act, fail=False, set_up_fails=False):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(payload.PayloadGuard())
                if set_up_fails:
                    act()
                    raise ValueError('it ends here')

            def test_x(self):
                act()
                if fail:
                    self.fail('it ends here')

        return Inner

    def good(self):
        requests.post(SERVERS, json={'a': '192.0.2.1'})

    def bad(self):
        requests.post(SERVERS, json={'a': '8.8.8.8'})

    def swallowed(self):
        try:
            self.bad()
        except Exception:
            return
        raise AssertionError('it was not refused')

    def test_passes(self):
        self.assertPasses(self.inner(self.good))
        self.assertEqual(1, len(self.server.requests))
        self.assertUntouched()

    def test_fails(self):
        self.assertFails(self.inner(self.good, fail=True), FAILED)
        self.assertUntouched()

    def test_error_in_set_up(self):
        self.assertFails(self.inner(self.good, set_up_fails=True), ENDED)
        self.assertUntouched()

    def test_refused(self):
        self.assertFails(self.inner(self.bad), REFUSED)
        self.assertEqual([], self.server.requests)
        self.assertUntouched()

    def test_refused_in_set_up(self):
        self.assertFails(self.inner(self.bad, set_up_fails=True), REFUSED)
        self.assertEqual([], self.server.requests)
        self.assertUntouched()

    def test_swallowed(self):
        self.assertFails(self.inner(self.swallowed), REFUSED)
        self.assertUntouched()

    def test_swallowed_in_a_test_that_fails(self):
        self.assertFails(
            self.inner(self.swallowed, fail=True), REFUSED, FAILED
        )
        self.assertUntouched()

    def test_swallowed_in_set_up(self):
        self.assertFails(
            self.inner(self.swallowed, set_up_fails=True), REFUSED, ENDED
        )
        self.assertUntouched()

    def test_audit_mode(self):
        self.configure(rule_modes='SF303:audit')
        self.assertPasses(self.inner(self.bad))
        self.assertEqual(1, len(self.server.requests))

    def test_waived(self):
        trail = self.useFixture(audit.AuditTrail())
        inner = waive('SF303', reason='its subject')(self.inner(self.bad))
        self.assertPasses(inner)
        self.assertEqual(1, len(self.server.requests))
        actions = [event['action'] for event in trail.events]
        self.assertEqual(
            ['evaluate/violation', 'allow/waiver', 'evaluate/payload'],
            actions,
        )

    def test_nested(self):
        guards = [payload.PayloadGuard(), payload.PayloadGuard()]
        with guards[0], guards[1]:
            self.refused(json='8.8.8.8')
        self.assertUntouched()
        self.bad()
