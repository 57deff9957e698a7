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

import os
import socket
import subprocess

import testtools

from safe_fixtures import IsolationGuard
from safe_fixtures.testing import expect_violation


class TestReport(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.guard = self.useFixture(IsolationGuard())

    def test_upload(self):
        with expect_violation('SF401') as seen:
            socket.create_connection(('198.51.100.1', 443))
        self.assertIn('connect to 198.51.100.1:443', seen[0].message)

    def test_own_process_group(self):
        with IsolationGuard(allowed_programs=['ps']):
            subprocess.run(['ps', '-o', 'pid', str(os.getpid())])
