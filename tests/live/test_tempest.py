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

import configparser
import os
import subprocess
import sys

from tests.live import base
from tools.live_cloud import peers
from tools.live_cloud import settings

_MODULE = """
from tempest.serial_tests.api.compute.admin import test_server_affinity

from safe_fixtures import SafeServicesMixin


class TestAffinity(
    SafeServicesMixin, test_server_affinity.ServersAffinityTest
):
    pass


class TestAsItIs(test_server_affinity.ServersAffinityTest):
    pass
"""


class TestTempest(base.TestCase):
    """A test of tempest that disables all computes but two in its set-up.

    It is unedited. It passes, and leaves them disabled.
    """

    def setUp(self):
        super().setUp()
        flavor = {'ram': 64, 'vcpus': 1, 'disk': 1}
        ids = [
            self.cloud.request(
                'POST', '/v2.1/flavors', {'flavor': {'name': name, **flavor}}
            )['flavor']['id']
            for name in ('small', 'other')
        ]
        for each in ids:
            self.addCleanup(
                self.cloud.request, 'DELETE', f'/v2.1/flavors/{each}'
            )
        self._write_configuration(*ids)
        path = os.path.join(self.journal_dir, 'affinity.py')
        with open(path, 'w') as file:
            file.write(_MODULE)

    def _write_configuration(self, flavor, other):
        config = configparser.RawConfigParser()
        url = self.cloud.environment()['OS_AUTH_URL']
        config.read_dict(
            {
                'DEFAULT': {'log_file': 'tempest.log'},
                'auth': {
                    'admin_username': 'admin',
                    'admin_password': settings.PASSWORD,
                    'admin_project_name': 'admin',
                    'admin_domain_name': 'Default',
                    'create_isolated_networks': False,
                },
                'identity': {
                    'auth_version': 'v3',
                    'uri_v3': url,
                    'region': settings.REGION,
                    'v3_endpoint_type': 'public',
                },
                'compute': {
                    'region': settings.REGION,
                    'image_ref': peers.IMAGE,
                    'image_ref_alt': peers.IMAGE,
                    'flavor_ref': flavor,
                    'flavor_ref_alt': other,
                    'min_compute_nodes': 3,
                    'min_microversion': '2.1',
                    'max_microversion': 'latest',
                    'build_timeout': 60,
                },
                'service_available': {
                    name: False for name in ('cinder', 'swift', 'neutron')
                },
                'validation': {'run_validation': False},
                'oslo_concurrency': {'lock_path': self.journal_dir},
            }
        )
        with open(os.path.join(self.journal_dir, 'tempest.conf'), 'w') as file:
            config.write(file)

    def run_class(self, name):
        """Run one test of a class; assert that it passes."""
        done = subprocess.run(
            [
                sys.executable, '-m', 'testtools.run',
                f'affinity.{name}.test_create_server_with_affinity',
            ],
            cwd=self.journal_dir,
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(filter(None, [
                    self.journal_dir, base.base.ROOT,
                    os.environ.get('PYTHONPATH'),
                ])),
                'TEMPEST_CONFIG_DIR': self.journal_dir,
                'NO_PROXY': '127.0.0.1',
                'no_proxy': '127.0.0.1',
            },
            capture_output=True,
            text=True,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn('Ran 1 test', done.stdout)
        self.assertNotIn('skipped', done.stdout)

    def test_with_the_mixin(self):
        self.run_class('TestAffinity')
        self.assertChanged()
        self.assertEqual([], self.journals())

    def test_without(self):
        self.run_class('TestAsItIs')
        (left,) = [
            each for each in self.cloud.services() if each not in self.before
        ]
        self.assertTrue(left.disabled)
        self.put(left._replace(disabled=False, disabled_reason=None))
