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

"""Ways to credentials, each tried in an inner test run (SF404)."""

import contextlib
import functools
import os
import pathlib
import shutil
import socket
import threading

import fixtures
import testtools

from safe_fixtures import audit
from safe_fixtures.guards import isolation
from safe_fixtures.guards.isolation import credentials
from tests.support import base
from tests.support import lying
from tests.unit.guards.isolation import test_credentials


def through_a_link(path):
    with fixtures.TempDir() as own:
        os.symlink(path, own.join('mine'))
        pathlib.Path(own.join('mine')).read_text()


def through_a_home(path):
    with fixtures.TempDir() as own:
        os.symlink(os.path.dirname(path), own.join('mine'))
        pathlib.Path(own.join('mine'), os.path.basename(path)).read_text()


def in_its_directory(path):
    with contextlib.chdir(os.path.dirname(path)):
        pathlib.Path(os.path.basename(path)).read_text()


def at_its_directory(path):
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.close(
            os.open(os.path.basename(path), os.O_RDONLY, dir_fd=directory)
        )
    finally:
        os.close(directory)


def in_a_thread(path):
    def read():
        with contextlib.suppress(Exception):
            pathlib.Path(path).read_text()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()


def swallowed(path):
    with contextlib.suppress(BaseException):
        pathlib.Path(path).read_text()


WAYS = {
    'open': lambda path: open(path).close(),
    'open_bytes': lambda path: open(os.fsencode(path), 'rb').close(),
    'open_member': lambda path: open(lying.member(path)).close(),
    'open_lying': lambda path: open(lying.Text(path)).close(),
    'open_lying_data': lambda path: open(
        lying.Data(os.fsencode(path))
    ).close(),
    'os_open_lying': lambda path: os.close(
        os.open(lying.Text(path), lying.Number(os.O_RDONLY))
    ),
    'read_text': lambda path: pathlib.Path(path).read_text(),
    'os_open': lambda path: os.close(os.open(path, os.O_RDONLY)),
    'append': lambda path: open(path, 'a').close(),
    'copy': lambda path: shutil.copyfile(path, os.devnull),
    'link': through_a_link,
    'linked_directory': through_a_home,
    'relative': in_its_directory,
    'dir_fd': at_its_directory,
    'thread': in_a_thread,
    'swallowed': swallowed,
}


class TestCase(test_credentials.TestCase):
    def setUp(self):
        super().setUp()
        for name in credentials.variables(os.environ):
            self.useFixture(fixtures.EnvironmentVariable(name))
        self.useFixture(fixtures.EnvironmentVariable('HOME', self.home))
        # So that opening one for writing is checked by that rule alone.
        self.configure(rule_modes='SF404:enforce,SF405:off')

    def run_way(self, way, **arguments):
        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(isolation.IsolationGuard(**arguments))
                way()

        result = testtools.TestResult()
        Case('test').run(result)
        return base.problems(result)

    def refuse(self, way, *messages, **arguments):
        """Assert that a way is refused, by this rule, with these words."""
        texts = self.run_way(way, **arguments)
        self.assertTrue(texts, 'it got through')
        for text in texts:
            self.assertIn('SF404 (CWE-668): ', text)
            for message in messages:
                self.assertIn(message, text)
            self.assertNotIn('s3cret', text)

    def set(self, **environ):
        for name, value in environ.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))


class TestFiles(TestCase):
    def test_each_way(self):
        path = self.home + '/.config/openstack/secure.yaml'
        before = pathlib.Path(path).stat()
        for name, way in WAYS.items():
            with self.subTest(name):
                self.refuse(functools.partial(way, path), path)
        self.assertEqual(before.st_mtime_ns, os.stat(path).st_mtime_ns)

    def test_each_way_to_another_file(self):
        path = f'{self.home}/{test_credentials.OTHERS[0]}'
        for name, way in WAYS.items():
            with self.subTest(name):
                act = functools.partial(way, path)
                self.assertEqual([], self.run_way(act))

    def test_each_file(self):
        for name in test_credentials.FILES:
            with self.subTest(name):
                path = f'{self.home}/{name}'
                self.refuse(pathlib.Path(path).read_text, f'open of {path} in')

    def test_other_files(self):
        for name in test_credentials.OTHERS:
            with self.subTest(name):
                path = f'{self.home}/{name}'
                self.assertEqual(
                    [], self.run_way(pathlib.Path(path).read_text)
                )

    def test_out_of_reach_where_it_is_only_recorded(self):
        self.configure(rule_modes='SF404:audit')
        for name, way in WAYS.items():
            if name in ('thread', 'swallowed'):
                # They suppress that.
                continue
            with self.subTest(name):
                path = self.home + '/.kube/config'
                act = functools.partial(
                    self.assertRaises, FileNotFoundError, way, path
                )
                self.assertEqual([], self.run_way(act))

    def test_an_audit_run_changes_no_outcome(self):
        self.configure(mode='audit', rule_modes='SF405:off')
        for name, way in WAYS.items():
            with self.subTest(name):
                act = functools.partial(way, self.home + '/.kube/config')
                self.assertEqual([], self.run_way(act))

    def test_within_reach_where_nobody_watches(self):
        path = self.home + '/.kube/config'
        read = pathlib.Path(path).read_text
        self.assertEqual([], self.run_way(read, credentials=False))
        self.configure(rule_modes='SF404:off')
        self.assertEqual([], self.run_way(read))

    def test_those_of_the_test(self):
        def way():
            with fixtures.TempHomeDir() as home:
                for name in test_credentials.FILES:
                    path = self.make(name, home.path)
                    pathlib.Path(path).read_text()
                with contextlib.chdir(home.path):
                    self.make('clouds.yaml', home.path)
                    pathlib.Path('clouds.yaml').read_text()

        self.assertEqual([], self.run_way(way))

    def test_that_the_test_sets(self):
        def way():
            path = self.make('config', self.own)
            with fixtures.EnvironmentVariable('KUBECONFIG', path):
                pathlib.Path(os.environ['KUBECONFIG']).read_text()

        self.assertEqual([], self.run_way(way))


class TestEnvironment(TestCase):
    def test_by_name(self):
        self.set(OS_PASSWORD='s3cret', OS_CLOUD='s3cret-cloud')
        self.refuse(
            int, 'in the environment: OS_CLOUD, OS_PASSWORD', 'credentials'
        )

    def test_none(self):
        self.set(OS_DEFAULT__DEBUG='1', OS_DEBUG='1', OS_TEST_PATH='x')
        self.assertEqual([], self.run_way(int))

    def test_out_of_reach_and_back_in_each_exit(self):
        self.configure(rule_modes='SF404:audit')
        self.set(OS_PASSWORD='s3cret', KUBECONFIG=self.home + '/.kube/config')
        before = dict(os.environ)
        seen = []

        def exit_by(error, where):
            class Case(testtools.TestCase):
                def setUp(self):
                    super().setUp()
                    self.useFixture(isolation.IsolationGuard())
                    seen.append(credentials.variables(os.environ))
                    os.environ['OS_TOKEN'] = 'mine'
                    self.addCleanup(os.environ.pop, 'OS_TOKEN')
                    os.environ['OS_PASSWORD'] = 'mine'
                    if where == 'setUp':
                        raise error

                def test_x(self):
                    if error is not None:
                        raise error

            return self.run_inner(Case)

        for error, where in (
            (None, 'test'),
            (AssertionError('no'), 'test'),
            (KeyError('x'), 'setUp'),
        ):
            with self.subTest(error=error, where=where):
                result = exit_by(error, where)
                self.assertEqual(error is None, result.wasSuccessful())
                self.assertEqual([], seen.pop())
                self.assertEqual(before, dict(os.environ))

    def test_an_audit_run_leaves_it(self):
        self.configure(mode='audit', rule_modes='')
        self.set(OS_PASSWORD='s3cret')
        seen = []
        with audit.AuditTrail('x') as trail:
            way = functools.partial(os.environ.get, 'OS_PASSWORD')
            self.assertEqual([], self.run_way(lambda: seen.append(way())))
        self.assertEqual(['s3cret'], seen)
        self.assertEqual(
            ['SF404'],
            [
                event['reason']['reasonCode']
                for event in trail.events
                if event['action'] == 'evaluate/violation'
            ],
        )

    def test_refusal_gives_it_back(self):
        self.set(OS_PASSWORD='s3cret')
        before = dict(os.environ)
        self.refuse(int)
        self.assertEqual(before, dict(os.environ))
        self.assertEqual([], credentials._hidden)

    def test_file_that_is_named(self):
        self.configure(rule_modes='SF404:audit')
        path = self.make('named')
        self.set(GOOGLE_APPLICATION_CREDENTIALS=path)
        self.assertEqual(
            [],
            self.run_way(
                lambda: self.assertRaises(
                    FileNotFoundError, pathlib.Path(path).read_text
                )
            ),
        )
        self.assertEqual('s3cret', pathlib.Path(path).read_text())

    def test_in_a_guard_within_a_guard(self):
        self.configure(rule_modes='SF404:audit')
        path = self.make('named')
        self.set(KUBECONFIG=path)

        def way():
            with isolation.IsolationGuard():
                self.assertRaises(
                    FileNotFoundError, pathlib.Path(path).read_text
                )
            self.assertNotIn('KUBECONFIG', os.environ)

        self.assertEqual([], self.run_way(way))
        self.assertEqual(path, os.environ['KUBECONFIG'])

    def test_agent(self):
        self.configure(rule_modes='SF404:audit')
        path = self.own + '/agent'
        self.set(SSH_AUTH_SOCK=path, SSH_AGENT_PID='1')
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            self.assertEqual(
                [],
                self.run_way(
                    lambda: self.assertRaises(
                        FileNotFoundError, test_credentials.connect, path
                    )
                ),
            )
            server.setblocking(False)
            self.assertRaises(BlockingIOError, server.accept)
            # The twin: it is within reach again.
            test_credentials.connect(path)
            server.accept()[0].close()
