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


"""No secret gets out of a hardened test of real Nova with its result."""

from safe_fixtures import nova as safe_nova  # isort: skip

import base64
import io
import json
import logging
from urllib import parse

import fixtures
import subunit
import testtools

from tests.functional.nova import inner
from tests.support import base

# Assembled, so that no source line in a traceback shows it.
PASSWORD = 'x7' + 'Qm2/vKp9+'
INSIDE = 'k4' + 'Rw8-zTn5'
USER_DATA = base64.b64encode(
    f'#cloud-config\npassword: {INSIDE}\n'.encode()
).decode()
TOKEN = 'tok' + 'en-4fG7hJ2k'
SERVER = '5f7b0a5c-0b2e-4a43-9d7c-2b1c5d6e7f80'

LOG = logging.getLogger(__name__)


class Leaks(safe_nova.SafeIntegratedTestBase):
    """It says all it knows of a server, in every way."""

    ADMIN_API = True
    microversion = 'latest'

    def check(self):
        server = self._build_server(networks='none')
        server.update(adminPass=PASSWORD, user_data=USER_DATA)
        created = self.api.post_server({'server': server})
        server_id = self._wait_for_state_change(created, 'ACTIVE')['id']
        type(self).server_id = server_id
        self.api.post_server_action(
            server_id, {'changePassword': {'adminPass': INSIDE}}
        )
        LOG.error('sent %s, got %s', json.dumps(server), created)
        LOG.error('as they are: %s %s', PASSWORD, INSIDE)
        print(f'printed {PASSWORD}')
        self.addDetail('server', testtools.content.json_content(server))
        try:
            raise ValueError(PASSWORD)
        except ValueError as error:
            raise AssertionError(
                f'{server_id}: {server} {parse.quote(INSIDE)}'
            ) from error


class Api(inner.SafeApiTestCase):
    def send(self):
        self.admin_api.api_request(
            f'/servers/{SERVER}/action',
            method='POST',
            body=json.dumps({'rescue': {'adminPass': PASSWORD}}),
            headers={'X-Auth-Token': TOKEN, 'X-Roles': 'admin'},
            check_response_status=[404],
        )
        LOG.error('rescue of %s with %s by %s', SERVER, PASSWORD, TOKEN)


class Passes(Api):
    def check(self):
        self.send()


class FailsInSetUp(Api):
    def setUp(self):
        super().setUp()
        self.send()
        raise RuntimeError(f'{SERVER} {PASSWORD} {TOKEN}')

    def check(self):
        pass


class FailsTooEarly(Api):
    def setUp(self):
        self.fail(f'{SERVER} adminPass={PASSWORD}')

    def check(self):
        pass


def forms(secret):
    """Return all the forms that a secret can show in, as bytes."""
    raw = secret.encode()
    return [
        raw,
        base64.b64encode(raw).rstrip(b'='),
        raw.hex().encode(),
        parse.quote(secret, safe='').encode(),
        json.dumps(secret).encode()[1:-1],
        repr(secret).encode()[1:-1],
    ]


def stream_of(case):
    """Run the inner test; return the outcomes and the stream."""
    stream = io.BytesIO()
    outcomes = []
    result = testtools.ExtendedToStreamDecorator(
        testtools.testresult.CopyStreamResult(
            [
                subunit.StreamResultToBytes(stream),
                testtools.StreamToDict(
                    lambda test: outcomes.append(test['status'])
                ),
            ]
        )
    )
    result.startTestRun()
    case('check').run(result)
    result.stopTestRun()
    return outcomes, stream.getvalue()


class TestRedactedOutput(base.TestCase):
    def assertMasked(self, data, *said):
        for secret in (PASSWORD, INSIDE, USER_DATA, TOKEN):
            for form in forms(secret):
                self.assertNotIn(form, data)
        for each in said:
            self.assertIn(each.encode(), data)

    def test_a_failing_test(self):
        # Nova's own base captures what is printed where this is set.
        self.useFixture(fixtures.EnvironmentVariable('OS_STDOUT_CAPTURE'))
        stream = self.useFixture(fixtures.StringStream('stdout')).stream
        with fixtures.MonkeyPatch('sys.stdout', stream):
            outcomes, data = stream_of(Leaks)
        self.assertEqual(['fail'], outcomes)
        self.assertMasked(data, Leaks.server_id, 'AssertionError', 'sent {')
        # Real work of Nova is still there to be read.
        self.assertIn(b'nova.compute', data)
        stream.seek(0)
        self.assertEqual('printed ***\n', stream.read())

    def test_a_passing_test(self):
        outcomes, data = stream_of(Passes)
        self.assertEqual(['success'], outcomes)
        self.assertMasked(data, f'rescue of {SERVER} with *** by ***')

    def test_a_test_that_fails_before_the_guards_are_there(self):
        outcomes, data = stream_of(FailsTooEarly)
        self.assertEqual(['fail'], outcomes)
        self.assertMasked(data, f'{SERVER} adminPass=***')

    def test_a_test_that_fails_in_set_up(self):
        outcomes, data = stream_of(FailsInSetUp)
        self.assertEqual(['fail'], outcomes)
        self.assertMasked(data, f'{SERVER} *** ***')
