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

import json
import os
import sys
import types

import fixtures
from keystoneauth1 import adapter
from keystoneauth1 import noauth
from keystoneauth1 import session

from safe_fixtures.guards import services
from safe_fixtures.guards.services import retry
from tests.support import compute_api
from tests.unit.cli import base

ENABLED_ROW = ('enabled', None, False)
DISABLED = services.ServiceState(True, 'maintenance')


class TestRestore(base.TestCase):
    def setUp(self):
        super().setUp()
        self.api = self.useFixture(compute_api.ComputeApi())
        self.before = self.api.state()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.configure(
            journal_dir=self.directory, restore_deadline='0', lock_timeout='0'
        )
        # The library is none that the tests need.
        self.sdk = types.ModuleType('openstack')
        self.sdk.connect = lambda cloud: self.adapter()
        self.use_sdk(self.sdk)

    def use_sdk(self, module):
        modules = {**sys.modules, 'openstack': module}
        self.useFixture(fixtures.MonkeyPatch('sys.modules', modules))

    def adapter(self):
        auth = noauth.NoAuth(endpoint=self.api.url)
        return adapter.Adapter(
            session.Session(auth=auth), service_type='compute'
        )

    def owe(self, *hosts, **kwargs):
        """Change services as a process that has been killed."""
        before = set(self.journals())
        self.api.owe(self.directory, *hosts, **kwargs)
        (path,) = set(self.journals()) - before
        return path

    def journals(self):
        folder = os.path.join(self.directory, 'journals')
        if not os.path.isdir(folder):
            return []
        return [os.path.join(folder, name) for name in os.listdir(folder)]

    def restore(self, *arguments):
        """Run the command; return its exit code, its rows and its errors."""
        code, out, err = self.command('restore', '-f', 'json', *arguments)
        return code, json.loads(out) if out else [], err

    def outcomes(self, rows):
        return sorted(row['Outcome'] for row in rows)

    def test_restores_what_is_owed_and_can_be_repeated(self):
        self.owe('host1', 'host2')
        code, rows, err = self.restore()
        self.assertEqual((0, ''), (code, err))
        self.assertEqual(['restored', 'restored'], self.outcomes(rows))
        self.assertEqual(self.before, self.api.state())
        self.assertEqual([], self.journals())
        self.assertEqual((0, [], ''), self.restore())

    def test_journal_that_is_named(self):
        path = self.owe('host1')
        code, rows, _ = self.restore(path)
        self.assertEqual((0, ['restored']), (code, self.outcomes(rows)))
        self.assertEqual(self.before, self.api.state())

    def test_dry_run(self):
        self.owe('host1')
        code, rows, _ = self.restore('--dry-run')
        self.assertEqual((1, ['would restore']), (code, self.outcomes(rows)))
        self.assertEqual('disabled', self.api.state()['host1'][0])
        self.assertEqual(0, self.api.count('PUT'))
        self.assertEqual(1, len(self.journals()))

    def test_conflict_is_left_alone_until_it_is_forced(self):
        self.owe('host1', 'host2')
        self.api.service('host1')['disabled_reason'] = 'broken fan'
        code, rows, _ = self.restore()
        self.assertEqual(1, code)
        self.assertEqual(['conflict', 'restored'], self.outcomes(rows))
        self.assertEqual(
            ('disabled', 'broken fan', False), self.api.state()['host1']
        )
        code, rows, _ = self.restore('--force')
        self.assertEqual((0, ['forced']), (code, self.outcomes(rows)))
        self.assertEqual(self.before, self.api.state())

    def test_what_is_as_before_is_settled(self):
        self.owe('host1')
        self.api.service('host1').update(
            status='enabled', disabled_reason=None
        )
        code, rows, _ = self.restore()
        self.assertEqual((0, ['done']), (code, self.outcomes(rows)))
        self.assertEqual(0, self.api.count('PUT'))
        self.assertEqual([], self.journals())

    def test_restore_that_fails(self):
        self.owe('host1')
        self.api.fail('PUT', compute_api.answer(400))
        code, rows, _ = self.restore()
        self.assertEqual((1, ['failed']), (code, self.outcomes(rows)))
        self.assertEqual(1, len(self.journals()))

    def test_another_cloud_is_refused(self):
        self.owe('host1', url='http://127.0.0.1:1/v2.1')
        for arguments in ((), ('--force',)):
            code, rows, err = self.restore(*arguments)
            self.assertEqual((2, []), (code, rows))
            self.assertIn('it is about http://127.0.0.1:1', err)
        self.assertEqual(0, self.api.count('PUT'))

    def test_process_that_lives_is_refused(self):
        service = self.api.service('host1')
        with services.SafeServiceToggle(api=self.adapter()) as toggle:
            toggle.disable('host1')
            for arguments in ((), ('--force',)):
                code, _, err = self.restore(*self.journals(), *arguments)
                self.assertEqual(2, code)
                self.assertIn('still runs', err)
            self.assertEqual('disabled', service['status'])
        self.assertEqual(self.before, self.api.state())

    def test_nothing_can_be_tried(self):
        self.assertEqual(
            (3, []), self.restore(os.path.join(self.directory, 'none'))[:2]
        )
        self.owe('host1')
        self.api.fail('GET', compute_api.answer(503))
        code, _, err = self.restore()
        self.assertEqual(3, code)
        self.assertIn('503', err)
        self.use_sdk(None)
        code, _, err = self.restore()
        self.assertEqual(3, code)
        self.assertIn('pip install "safe_fixtures[cloud]"', err)
        self.assertEqual(1, len(self.journals()))

    def test_nothing_to_restore_needs_no_client(self):
        self.use_sdk(None)
        self.assertEqual((0, [], ''), self.restore())

    def test_newest_journal_first(self):
        """One run has been killed, and another one after it."""
        both = services.ServiceState(True, 'maintenance', True)
        for name_them in (False, True):
            first = self.owe('host1')
            second = self.owe('host1', before=DISABLED, after=both)
            paths = (first, second) if name_them else ()
            with self.subTest(paths=paths):
                code, rows, _ = self.restore(*paths)
                self.assertEqual(
                    (0, ['restored', 'restored']), (code, self.outcomes(rows))
                )
                self.assertEqual(self.before, self.api.state())

    def test_one_that_fails_keeps_no_other_one(self):
        self.owe('host1')
        self.owe('host2')
        # Of the newer one, which goes first.
        self.api.fail('GET', compute_api.answer(503))
        code, rows, err = self.restore()
        self.assertEqual((1, ['restored']), (code, self.outcomes(rows)))
        self.assertIn('503', err)
        (left,) = self.journals()
        self.assertIn(f'{left}: ', err)
        self.assertEqual((0, ['restored']), self.good())
        self.assertEqual(self.before, self.api.state())

    def good(self):
        code, rows, _ = self.restore()
        return code, self.outcomes(rows)

    def test_api_that_comes_back(self):
        self.configure(restore_deadline='60')
        self.owe('host1')
        for method in ('GET', 'PUT'):
            self.api.fail(method, compute_api.answer(503), compute_api.drop)
        self.owe('host2')
        self.assertEqual((0, ['restored', 'restored']), self.good())
        self.assertEqual(self.before, self.api.state())
        self.assertEqual([], self.api.faults)

    def test_api_that_goes_away_before_it_is_read_again(self):
        self.configure(restore_deadline='600')
        self.owe('host1')
        self.api.fail('GET', lambda _: None, compute_api.answer(503))
        # The second attempt finds it restored.
        self.assertEqual((0, ['done']), self.good())
        self.assertEqual(1, self.api.count('PUT'))
        self.assertEqual(self.before, self.api.state())

    def test_api_that_stays_away(self):
        """What was done before is told all the same."""
        self.owe('host1', 'host2')
        self.api.fail('PUT', compute_api.answer(503))
        code, rows, _ = self.restore()
        self.assertEqual(
            (1, ['failed', 'restored']), (code, sorted(self.outcomes(rows)))
        )

    def test_somebody_else_restores_it_meanwhile(self):
        self.configure(restore_deadline='600')
        path = self.owe('host1')

        def fault(handler):
            os.unlink(path)
            return compute_api.answer(503)(handler)

        self.api.fail('PUT', fault)
        pauses = []
        self.patch(retry.files, 'pause', pauses.append)
        # There is nothing to wait for.
        self.assertEqual((1, ['failed']), self.good())
        self.assertEqual(1, len(pauses))

    def test_cell_that_comes_back(self):
        self.configure(restore_deadline='600')
        self.owe('host1', 'host2')
        self.api.silent.add('host1')
        # It is silent in the first two listings.
        self.api.fail(
            'GET', *[lambda _: None] * 2, lambda _: self.api.silent.clear()
        )
        self.assertEqual((0, ['restored', 'restored']), self.good())
        self.assertEqual(self.before, self.api.state())

    def test_what_does_not_pass(self):
        self.configure(restore_deadline='600')
        self.owe('host1')
        self.api.fail('PUT', compute_api.answer(400))
        self.assertEqual((1, ['failed']), self.good())
        self.assertEqual(1, self.api.count('PUT'))

    def test_somebody_else_between_two_attempts(self):
        self.configure(restore_deadline='600')
        self.owe('host1')

        def fault(handler):
            self.api.service('host1')['disabled_reason'] = 'broken fan'
            return compute_api.answer(503)(handler)

        self.api.fail('PUT', fault)
        code, rows, _ = self.restore()
        self.assertEqual((1, ['conflict']), (code, self.outcomes(rows)))
        self.assertEqual('broken fan', self.api.state()['host1'][1])

    def test_no_secret_is_printed(self):
        self.owe('host1')

        def connect(cloud):
            raise ValueError('no https://me:hush-hush@cloud.example.com')

        self.sdk.connect = connect
        code, out, err = self.command('restore')
        self.assertEqual(3, code)
        self.assertIn('ValueError', err)
        self.assertNotIn('hush-hush', out + err)

    def test_damaged_journal(self):
        path = self.owe('host1', 'host2')
        with open(path, 'rb') as file:
            header, first, second = file.read().splitlines(keepends=True)
        hostile = b'{"intend": \xff\x1b[2J' + b'x' * 10**6 + b'}\n'
        with open(path, 'wb') as file:
            file.write(header + hostile + second + first[:-9])
        code, out, err = self.command('restore')
        self.assertEqual(0, code, err)
        self.assertIn('nova-compute on host2', out)
        self.assertNotIn('\x1b', out + err)
        self.assertEqual(ENABLED_ROW, self.api.state()['host2'])
        # It may have said more.
        self.assertEqual([path], self.journals())

    def test_run_names_what_is_left(self):
        path = self.owe('host1')
        _, _, err = self.command('run', '--report', self.directory, 'no.tests')
        self.assertIn(f'safe-fixtures restore {path}', err)

    def test_journal_of_an_unknown_owner_is_named(self):
        path = self.owe('host1')
        with open(path) as file:
            lines = file.readlines()
        header = json.loads(lines[0])
        lines[0] = json.dumps({**header, 'host': 'elsewhere', 'boot': 'x'})
        with open(path, 'w') as file:
            file.write('\n'.join([lines[0], *lines[1:]]))
        code, rows, err = self.restore()
        self.assertEqual((2, []), (code, rows))
        self.assertIn('use --force', err)
        code, rows, _ = self.restore('--force')
        self.assertEqual((0, ['restored']), (code, self.outcomes(rows)))
        self.assertEqual(self.before, self.api.state())
