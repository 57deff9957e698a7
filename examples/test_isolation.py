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

"""What isolation catches, in a plain test without Nova."""

import os
import socket
import tempfile

import fixtures
import testtools

from safe_fixtures import IsolationGuard
from safe_fixtures.testing import expect_violation


class TestIsolation(testtools.TestCase):
    """Nothing gets out, and what stays inside is free."""

    def setUp(self):
        super().setUp()
        self.useFixture(IsolationGuard())

    def test_a_name_that_is_looked_up(self):
        """An endpoint that is configured by mistake."""
        with expect_violation('SF401') as seen:
            socket.create_connection(('keystone.example.com', 5000))
        self.assertIn('keystone.example.com', seen[0].message)

    def test_a_server_on_loopback(self):
        """Loopback is inside."""
        with socket.create_server(('127.0.0.1', 0)) as server:
            with socket.create_connection(server.getsockname()):
                pass

    def test_credentials_of_whoever_runs_it(self):
        """A client that looks for them finds none; they are back after it."""
        self.useFixture(
            fixtures.EnvironmentVariable('OS_PASSWORD', 'of-production')
        )
        with expect_violation('SF404') as seen:
            with IsolationGuard():
                self.assertNotIn('OS_PASSWORD', os.environ)
        self.assertIn('OS_PASSWORD', os.environ)
        self.assertIn('OS_PASSWORD', seen[0].message)

    def test_a_temporary_file(self):
        """What a test writes for itself is free."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(b'data')
