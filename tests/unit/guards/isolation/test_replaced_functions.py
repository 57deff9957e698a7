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

"""Tests replace functions that the guards need, too."""

import functools
import socket
from unittest import mock

import testtools

from safe_fixtures.guards import isolation
from tests.support import base
from tests.support import host_files
from tests.support import inner

# What tests replace, or what these functions call.
REPLACED = (
    'datetime.datetime',
    'ipaddress.ip_address',
    'json.dumps',
    'json.JSONEncoder',
    'os.fspath',
    'os.getcwd',
    'os.listdir',
    'os.lstat',
    'os.path',
    'os.path.basename',
    'os.path.exists',
    'os.path.isdir',
    'os.path.join',
    'os.path.split',
    'os.readlink',
    'os.sep',
    'os.stat',
    'os.urandom',
    'shutil.which',
    'stat.S_ISDIR',
    'stat.S_ISLNK',
    'stat.S_ISREG',
    'sys._getframe',
    'uuid.UUID',
    'uuid.uuid4',
)


def connect(host):
    # No packet is sent.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.connect((host, 53))


class TestReplaced(host_files.TestCase):
    def run_with(self, name, new, act):
        def test(case):
            case.useFixture(isolation.IsolationGuard())
            with mock.patch(name, new):
                act()

        result = testtools.TestResult()
        inner.case_of(test)('test_it').run(result)
        return base.problems(result)

    def assertRuled(self, codes, act):
        self.configure(mode='enforce')
        for name in REPLACED:
            for new in (mock.MagicMock(), mock.Mock(side_effect=KeyError)):
                with self.subTest(name=name, new=new.side_effect):
                    texts = self.run_with(name, new, act)
                    self.assertEqual(len(codes), len(texts), texts)
                    for code, text in zip(codes, texts, strict=True):
                        self.assertIn(code, text)

    def test_write(self):
        act = functools.partial(
            inner.swallowed(host_files.written), f'{self.host}/new'
        )
        self.assertRuled(['SF405'], act)

    def test_write_in_the_temporary_directory(self):
        self.assertRuled(
            [], functools.partial(host_files.written, f'{self.own}/new')
        )

    def test_connect(self):
        act = functools.partial(inner.swallowed(connect), '8.8.8.8')
        self.assertRuled(['SF401'], act)

    def test_connect_to_loopback(self):
        self.assertRuled([], functools.partial(connect, '127.0.0.1'))
