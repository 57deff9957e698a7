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

"""Ways to change a file, each tried in an inner test run (SF405)."""

import contextlib
import dbm
import functools
import os
import pathlib
import posix
import shutil
import sqlite3
import sys
import tempfile
import threading

import fixtures
import testtools

from safe_fixtures.boundary import temporary
from safe_fixtures.guards import isolation
from tests.support import base
from tests.support import host_files


def in_a_thread(path):
    thread = threading.Thread(target=written_quietly, args=(path,))
    thread.start()
    thread.join()


def written_quietly(path):
    with contextlib.suppress(AssertionError):
        host_files.written(path + '/new')


def swallowed(path):
    with contextlib.suppress(BaseException):
        os.remove(path + '/f')


def attached(statement, *parameters, **kwargs):
    # Found when it is called, as a test does.
    connection = sqlite3.connect(':memory:', **kwargs)
    try:
        connection.execute(statement, parameters)
        # SQLite makes the file when something is written.
        for _, name, _ in connection.execute('PRAGMA database_list'):
            connection.execute(f'CREATE TABLE "{name}".new (x)')
    finally:
        connection.close()


def attached_again(path):
    connection = sqlite3.connect(':memory:')
    with contextlib.closing(connection):
        statement = 'ATTACH ? AS other'
        connection.execute(statement, (':memory:',))
        connection.execute('DETACH other')
        connection.execute(statement, (path + '/s.db',))
        connection.execute('CREATE TABLE other.new (x)')


def by_dbm(path):
    dbm.open(path + '/dbm', 'c').close()


# The interpreter does not report these.
UNREPORTED = {
    'mkfifo': lambda d: os.mkfifo(d + '/new'),
    'mkfifo_posix': lambda d: posix.mkfifo(os.fsencode(d) + b'/new'),
    'mkfifo_dir_fd': host_files.in_directory(
        lambda n: os.mkfifo('new', dir_fd=n)
    ),
    'mknod': lambda d: os.mknod(pathlib.Path(d, 'new')),
    'mknod_dir_fd': host_files.in_directory(
        lambda n: os.mknod('new', 0o600, dir_fd=n)
    ),
    'attach': lambda d: attached(f"ATTACH '{d}/s.db' AS other"),
    'attach_quoted': lambda d: attached(
        f"attach  database '{d}/it''s.db' AS other"
    ),
    'attach_parameter': lambda d: attached('ATTACH ? AS other', d + '/s.db'),
    'attach_expression': lambda d: attached("ATTACH ? || '/s.db' AS other", d),
    'attach_commented': lambda d: attached(
        '-- one\n/* two */ ATTACH ? AS "other"', d + '/s.db'
    ),
    'attach_uri': lambda d: attached(
        'ATTACH ? AS other', f'file:{d}/s.db?mode=rwc', uri=True
    ),
    'attach_again': attached_again,
    'vacuum_into': lambda d: attached(f"VACUUM INTO '{d}/new.db'"),
    'vacuum_parameter': lambda d: attached('VACUUM INTO ?', d + '/new.db'),
    'dbm': by_dbm,
}
WAYS = dict(
    host_files.ACTS,
    **UNREPORTED,
    in_a_thread=in_a_thread,
    swallowed=swallowed,
)
READS = dict(
    host_files.READS,
    attach=lambda d: attached("ATTACH ':memory:' AS other"),
    attach_parameter=lambda d: attached('ATTACH ? AS other', ':memory:'),
    attach_expression=lambda d: attached(
        "/* one */ ATTACH ? || '' AS other", ':memory:'
    ),
    attach_temporary=lambda d: attached("ATTACH '' AS other"),
    vacuum=lambda d: attached('VACUUM'),
)


def case_of(way, **arguments):
    class Case(testtools.TestCase):
        def test(self):
            self.useFixture(isolation.IsolationGuard(**arguments))
            way()

    return Case


def contents(path):
    """Return what is below a directory, with permissions and sizes."""
    return {
        str(each): (each.lstat().st_mode, each.lstat().st_size)
        for each in pathlib.Path(path).rglob('*')
    }


class TestWays(host_files.TestCase):
    def run_way(self, way, **arguments):
        result = testtools.TestResult()
        case_of(way, **arguments)('test').run(result)
        return base.problems(result)

    def test_each_is_refused_and_undone(self):
        self.configure(mode='enforce')
        for name, way in WAYS.items():
            with self.subTest(name):
                place = self.fill(self.host)
                before = contents(place)
                texts = self.run_way(functools.partial(way, place))
                self.assertTrue(texts, f'{name} got through')
                for text in texts:
                    with self.subTest(text=text):
                        self.assertIn('SF405 (CWE-668)', text)
                        self.assertIn('test_', text)
                self.assertEqual(before, contents(place))

    def test_the_same_in_the_temporary_directory(self):
        self.configure(mode='enforce')
        for name, way in WAYS.items():
            if name in ('ftruncate', 'setxattr', 'removexattr'):
                # They fail by themselves.
                continue
            with self.subTest(name):
                place = self.fill(self.own)
                self.assertEqual(
                    [],
                    self.run_way(functools.partial(way, place)),
                )

    def test_reads_pass(self):
        self.configure(mode='enforce')
        for name, way in READS.items():
            if name == 'null':
                continue
            with self.subTest(name):
                place = self.fill(self.host)
                self.assertEqual(
                    [],
                    self.run_way(functools.partial(way, place)),
                )

    def test_message(self):
        self.configure(mode='enforce')
        path = self.host + '/new'
        (text,) = self.run_way(lambda: host_files.written(path))
        self.assertIn(f'SF405 (CWE-668): open for writing of {path} in', text)
        self.assertIn('test_guard_files.py:', text.rpartition('SF405')[2])

    def test_recorded_or_switched_off(self):
        for modes, arguments in (
            ('SF405:audit', {}),
            ('SF405:off', {}),
            ('SF405:enforce', {'files': False}),
        ):
            with self.subTest(modes=modes, arguments=arguments):
                self.configure(rule_modes=modes)
                path = f'{self.host}/{modes[-1]}{len(arguments)}'
                self.assertEqual(
                    [],
                    self.run_way(
                        functools.partial(host_files.written, path),
                        **arguments,
                    ),
                )
                self.assertTrue(os.path.exists(path))

    def test_allowed(self):
        self.configure(mode='enforce')
        path = self.host + '/report.xml'
        for allowed in (['report*'], [self.host], [path]):
            with self.subTest(allowed=allowed):
                self.assertEqual(
                    [],
                    self.run_way(
                        lambda: host_files.written(path),
                        allowed_paths=allowed,
                    ),
                )
        self.assertIn(
            'SF405',
            self.run_way(
                lambda: host_files.written(path),
                allowed_paths=[self.host + '/other'],
            )[0],
        )

    def test_directory_of_its_class(self):
        self.configure(mode='enforce')
        host = self.host

        class Case(testtools.TestCase):
            @classmethod
            def setUpClass(cls):
                super().setUpClass()
                with isolation.IsolationGuard():
                    cls.path = tempfile.mkdtemp(dir=host)

            def setUp(self):
                super().setUp()
                self.useFixture(fixtures.NestedTempfile())
                self.useFixture(isolation.IsolationGuard())

            def test_x(self):
                pathlib.Path(self.path, 'f').write_text('x')
                shutil.rmtree(self.path)

        Case.setUpClass()
        self.assertPasses(Case)

    def test_temporary_directory_of_the_test(self):
        self.configure(mode='enforce')

        class Case(testtools.TestCase):
            def test_x(self):
                self.useFixture(isolation.IsolationGuard())
                self.useFixture(fixtures.NestedTempfile())
                path = self.useFixture(fixtures.TempDir()).join('f')
                pathlib.Path(path).write_text('x')
                self.useFixture(fixtures.TempHomeDir())
                pathlib.Path(os.path.expanduser('~'), 'f').write_text('x')
                with tempfile.TemporaryFile() as file:
                    file.write(b'x')

        self.assertPasses(Case)


class TestExits(host_files.TestCase):
    """Nothing is checked any more, however the test ended."""

    def run_case(self, error, in_set_up):
        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(isolation.IsolationGuard())
                if in_set_up:
                    raise error

            def test_x(self):
                if error is not None:
                    raise error

        return self.run_inner(Case)

    def test_free_afterwards(self):
        self.configure(mode='enforce')
        for error, in_set_up in (
            (None, False),
            (AssertionError('no'), False),
            (KeyError('x'), True),
        ):
            with self.subTest(error=error, in_set_up=in_set_up):
                result = self.run_case(error, in_set_up)
                self.assertEqual(error is None, result.wasSuccessful())
                self.assertNotIn('SF405', '\n'.join(base.problems(result)))
                host_files.written(self.host + '/after')

    def test_import_caches(self):
        # By the defaults.
        self.configure(mode='enforce')
        pathlib.Path(self.host, 'sf405_module.py').write_text('x = 1\n')
        host = self.host

        class Case(testtools.TestCase):
            def test_x(self):
                self.useFixture(isolation.IsolationGuard())
                self.useFixture(
                    fixtures.MonkeyPatch('sys.dont_write_bytecode', False)
                )
                self.useFixture(fixtures.MonkeyPatch('sys.path', [host]))
                __import__('sf405_module')

        self.addCleanup(sys.modules.pop, 'sf405_module', None)
        self.assertPasses(Case)
        self.assertEqual(
            ['__pycache__', 'sf405_module.py'], sorted(os.listdir(host))
        )

    def write_entry_points(self, directory):
        """Write the cache of entry points, as stevedore does."""
        path = os.path.join(self.host, '.cache')
        os.makedirs(path, exist_ok=True)
        path = os.path.join(path, directory)

        class Case(testtools.TestCase):
            def test_x(self):
                self.useFixture(isolation.IsolationGuard())
                os.makedirs(path, mode=0o700, exist_ok=True)
                pathlib.Path(path, '0123abcd').write_text('{}')

        return Case

    def test_cache_of_entry_points(self):
        # By the defaults.
        self.configure(mode='enforce')
        self.assertPasses(self.write_entry_points('python-entrypoints'))
        self.assertFails(
            self.write_entry_points('python-entrypoints2'),
            'SF405 (CWE-668): mkdir of ',
        )

    def test_what_is_allowed_is_added_to_the_default(self):
        self.configure(mode='enforce', allowed_paths='report.xml')
        self.assertPasses(self.write_entry_points('python-entrypoints'))

    def test_what_is_allowed_instead_of_the_default(self):
        self.configure(mode='enforce', allowed_paths='=report.xml')
        self.assertFails(
            self.write_entry_points('python-entrypoints'),
            'SF405 (CWE-668): mkdir of ',
        )


class TestMade(host_files.TestCase):
    def test_is_noted_through_the_guard(self):
        with isolation.IsolationGuard():
            path = os.path.realpath(tempfile.mkdtemp())
        self.assertTrue(temporary.is_made(path + '/f'))
