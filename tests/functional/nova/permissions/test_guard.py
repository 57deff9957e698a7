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

"""The first server of a test, and the ways a test ends."""

import contextlib


from safe_fixtures import nova as safe_nova
from tests.functional.nova.permissions import cases


class Checked(safe_nova.SafeIntegratedTestBase):
    CHECK_SERVER_PERMISSIONS = True
    microversion = '2.79'


class TestFirstServer(cases.InnerTestCase):
    def test_once(self):
        def act(test):
            for _ in range(2):
                server = test._create_server(networks='none')
            test.api.get_server(server['id'])
            (record,) = cases.records(test)
            test.assertEqual([], record['findings'])

        self.assert_passes(act, base=Checked)

    def test_weakened(self):
        def act(test):
            with cases.rule(f'{cases.SERVERS}show', '@')(test):
                test._create_server(networks='none')

        before = cases.patched()
        problems = self.run_test(act, base=Checked)
        self.assertEqual(before, cases.patched())
        self.assertEqual(1, len(self.result.failures), problems)
        self.assertEqual([], self.result.errors)
        self.assertIn(
            '1 of its permissions are wrong: no role: show: expected '
            f'forbidden, got allowed (HTTP 200) [{cases.SERVERS}show is "@" '
            'and by default "rule:project_reader_or_admin"]',
            problems,
        )

    def test_never_active(self):
        seen = []

        def act(test):
            test.addCleanup(lambda: seen.extend(cases.records(test)))
            body = test._build_server(networks='none')
            server = test.api.post_server({'server': body})
            test.api.delete_server(server['id'])
            test._wait_until_deleted(server)

        self.assert_passes(act, base=Checked)
        (record,) = seen
        self.assertEqual(
            ['all: it was deleted before a response showed it active'],
            record['not_checked'],
        )


class TestExits(cases.InnerTestCase):
    """Nothing is swallowed, and all is restored, however a test ends."""

    def test_swallowed(self):
        def act(test):
            test.source.to('show', 'no role')
            with (
                contextlib.suppress(AssertionError),
                cases.rule(f'{cases.SERVERS}show', '@')(test),
            ):
                test.narrow.assert_permissions(test.server)

        before = cases.patched()
        problems = self.run_test(act)
        self.assertEqual(before, cases.patched())
        self.assertEqual(1, len(self.result.failures), problems)
        self.assertIn('SF502 (CWE-732): server ', problems)

    def test_error_in_set_up(self):
        class Broken(cases.Server):
            def setUp(test):
                super().setUp()
                test.source.to('show', 'no role')
                test.narrow.assert_permissions(test.server)
                raise ValueError('broken')

        before = cases.patched()
        problems = self.run_test(lambda test: None, base=Broken)
        self.assertEqual(before, cases.patched())
        self.assertEqual(1, len(self.result.errors), problems)
        self.assertIn('ValueError: broken', problems)
        self.assertNotIn('SF502', problems)
