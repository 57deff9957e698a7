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

"""The cloud itself, and what its tests rely on."""

import datetime
import signal

import testtools

from tests.live import base
from tests.live import clients
from tools.live_cloud import daemons
from tools.live_cloud import errors
from tools.live_cloud import processes
from tools.live_cloud import settings

# As each kind of client lists services: their hosts.
LISTS = {
    'openstacksdk connection': lambda c: [
        each.host for each in c.compute.services(binary='nova-compute')
    ],
    'openstacksdk compute': lambda c: [
        each.host for each in c.services(binary='nova-compute')
    ],
    'keystoneauth session': lambda c: _hosts(
        c.get(
            '/os-services?binary=nova-compute',
            endpoint_filter={'service_type': 'compute'},
        ).json()
    ),
    'keystoneauth adapter': lambda c: _hosts(
        c.get('/os-services?binary=nova-compute').json()
    ),
    'python-novaclient': lambda c: [
        each.host for each in c.services.list(binary='nova-compute')
    ],
    'tempest': lambda c: _hosts(c.list_services(binary='nova-compute')),
}


def _hosts(listed):
    return [each['host'] for each in listed['services']]


class TestCloud(base.TestCase):
    def test_each_client_lists_three_computes(self):
        self.assertEqual(set(clients.KINDS), set(LISTS))
        for kind, make in clients.KINDS.items():
            with self.subTest(kind):
                found = LISTS[kind](make(self.cloud))
                self.assertEqual(sorted(settings.COMPUTES), sorted(found))

    def test_records(self):
        hosts = [
            each.host for each in self.before if each.binary == 'nova-compute'
        ]
        self.assertEqual(list(settings.COMPUTES), hosts)
        self.assertEqual(
            {'controller', *hosts}, {each.host for each in self.before}
        )
        self.assertChanged()

    def test_toggle(self):
        uuid = self.service('compute2').uuid
        self.cloud.put_service(
            uuid, status='disabled', disabled_reason='why'
        )  # fmt: skip
        self.assertChanged('compute2')
        self.assertEqual('why', self.service('compute2').disabled_reason)
        self.assertEqual([], self.cloud.stale_traits())
        self.cloud.put_service(uuid, status='enabled')
        self.assertChanged()
        self.assertEqual([], self.cloud.stale_traits())

    def test_revoked_token(self):
        token = self.cloud.get_token()
        client = clients.token_session(self.cloud, token)
        path, service = '/os-services', {'service_type': 'compute'}
        client.get(path, endpoint_filter=service)
        own = client.get_token()
        self.cloud.revoke(own)
        answer = client.get(
            path, endpoint_filter=service, raise_exc=False,
            headers={'X-Auth-Token': own}, authenticated=False,
        )  # fmt: skip
        self.assertEqual(401, answer.status_code)


class TestFaults(base.TestCase):
    def test_frozen_compute(self):
        # It counts as up for a while, and Nova waits for it.
        uuid = self.service('compute1').uuid
        self.cloud.put_service(uuid, status='disabled')
        self.cloud.freeze('compute1')
        self.cloud.put_service(uuid, status='enabled')
        # The record is right, but the compute was not told.
        self.assertChanged()
        self.assertEqual(['compute1'], self.cloud.stale_traits())
        self.cloud.thaw('compute1')
        processes.wait_for(
            lambda: not self.cloud.stale_traits(), 60, 'the trait is stale'
        )

    def test_killed_process_comes_back(self):
        for name in daemons.NAMES:
            with self.subTest(name):
                self.cloud.kill(name)
                error = self.assertRaises(errors.CloudError, base.running)
                self.assertIn(f'lacks {name}: run', str(error))
                self.cloud.mend()
                base.running()

    def test_short_tokens(self):
        with self.cloud.changed('keystone', token_expiration=7):
            token = self.cloud.get_token()
            found = self.cloud.request(
                'GET', '/v3/auth/tokens', service='keystone',
                headers={'X-Subject-Token': token},
            )['token']  # fmt: skip
        begin, end = (
            datetime.datetime.fromisoformat(found[key])
            for key in ('issued_at', 'expires_at')
        )
        self.assertEqual(7, round((end - begin).total_seconds()))


class TestBase(testtools.TestCase):
    """Each test of the cloud fails if it leaves a service changed."""

    def run_inner(self, case):
        result = testtools.TestResult()
        case('test').run(result)
        return [text for _, text in result.failures + result.errors]

    def test_nothing_left(self):
        class Inner(base.TestCase):
            def test(self):
                uuid = self.service('compute3').uuid
                self.cloud.put_service(uuid, forced_down=True)
                self.cloud.put_service(uuid, forced_down=False)

        self.assertEqual([], self.run_inner(Inner))

    def test_something_left(self):
        class Inner(base.TestCase):
            def test(self):
                uuid = self.service('compute3').uuid
                self.cloud.put_service(uuid, status='disabled')

        (text,) = self.run_inner(Inner)
        self.assertIn("host='compute3'", text)
        self.assertIn('disabled=True', text)
        found = base.running().services()
        self.assertEqual([], [each for each in found if each.disabled])

    def test_process_left_dead(self):
        class Inner(base.TestCase):
            def test(self):
                self.cloud.kill('compute3')

        self.assertEqual([], self.run_inner(Inner))
        base.running()


class TestScripts(base.TestCase):
    def test_points(self):
        script = self.run_script('point("one")\npoint("two")\nprint("end")')
        script.reach('two')
        self.assertEqual('', script.output)
        self.assertEqual(0, script.end())
        self.assertEqual('end\n', script.output)

    def test_ended_by_a_signal(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                script = self.run_script('point("here")')
                script.reach('here')
                self.assertEqual(-number, script.end(number))

    def test_ends_too_early(self):
        script = self.run_script('print("why")')
        error = self.assertRaises(AssertionError, script.reach, 'there')
        self.assertIn("not at 'there'", str(error))
        self.assertIn('why', str(error))
