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

import socket

import testtools

from safe_fixtures import IsolationGuard


class TestBad(testtools.TestCase):
    def test(self):
        self.useFixture(IsolationGuard())
        socket.create_connection(('keystone.acme.com', 5000))


class TestMended(testtools.TestCase):
    def test(self):
        self.useFixture(IsolationGuard())
        # A double that listens on loopback.
        double = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(double.close)
        client = socket.create_connection(double.getsockname())
        self.addCleanup(client.close)
