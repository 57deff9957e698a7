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

"""What changes a file, as CPython reports it, and what only seems to."""

import codecs
import contextlib
import functools
import io
import logging
import os
from os import open as early_bound
import pathlib
import shutil
import socket
import sqlite3
import ssl
import sys
import tempfile
import zipfile

import _posixshmem
import fixtures

from safe_fixtures.guards.isolation import files
from tests.support import base

_seen = {'check': None, 'hooked': False}


def hook(event, args):
    check = _seen['check']
    if check is None or event not in check.events:
        return
    # No event that it causes itself is seen.
    _seen['check'] = None
    try:
        finding = check.check_event(event, args)
    finally:
        _seen['check'] = check
    if finding is not None:
        _seen['found'].append(finding)


def found_in(check, act, *args):
    """Return what a check finds in an act, which is done."""
    if not _seen['hooked']:
        _seen['hooked'] = True
        sys.addaudithook(hook)
    _seen.update(check=check, found=[])
    try:
        with contextlib.suppress(OSError, ValueError, sqlite3.Error):
            act(*args)
    finally:
        _seen['check'] = None
    return _seen['found']


def written(path, mode='w', **kwargs):
    open(path, mode, **kwargs).close()


def opened(path, flags, **kwargs):
    os.close(os.open(path, flags, **kwargs))


@contextlib.contextmanager
def directory(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def in_directory(act):
    def acted(path):
        with directory(path) as descriptor:
            act(descriptor)

    return acted


def in_cwd(act):
    def acted(path):
        with contextlib.chdir(path):
            act()

    return acted


def on_descriptor(act):
    def acted(path):
        with open(path + '/f') as file:
            act(file.fileno())

    return acted


def opened_by(descriptor):
    written(
        'f', opener=lambda path, flags: os.open(path, flags, dir_fd=descriptor)
    )


def opened_by_partial(descriptor):
    written('f', opener=functools.partial(os.open, dir_fd=descriptor))


def opened_by_keywords(descriptor):
    opened('f', os.O_WRONLY, dir_fd=descriptor)


def bound(path):
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(path)


def connected(path, **kwargs):
    sqlite3.connect(path, **kwargs).close()


def zipped(path):
    with zipfile.ZipFile(path + '/z', 'w') as file:
        file.writestr('x', 'x')


def key_logged(path):
    context = ssl.create_default_context()
    context.keylog_filename = path + '/k'


def logged(path):
    logging.FileHandler(path + '/log').close()


# In a directory that has a file f, a directory d, and a link l to f.
ACTS = {
    'w': lambda d: written(d + '/new'),
    'a': lambda d: written(d + '/f', 'a'),
    'x': lambda d: written(d + '/new', 'x'),
    'r+': lambda d: written(d + '/f', 'r+'),
    'wb': lambda d: written(d + '/f', 'wb'),
    'bytes': lambda d: written(os.fsencode(d + '/f')),
    'pathlike': lambda d: written(pathlib.Path(d, 'f')),
    'dots': lambda d: written(d + '/d/../d/../f'),
    'link': lambda d: written(d + '/l'),
    'FileIO': lambda d: io.FileIO(pathlib.Path(d, 'f'), 'w').close(),
    'io_open': lambda d: io.open(d + '/f', 'w').close(),
    'codecs': lambda d: codecs.open(d + '/f', 'w').close(),
    'opener': lambda d: written(d + '/f', opener=os.open),
    'opener_none': lambda d: written(d + '/f', opener=None),
    'keywords': lambda d: written(**{'path': d + '/f', 'mode': 'w'}),
    'os_open': lambda d: opened(d + '/f', os.O_WRONLY),
    'os_open_rdwr': lambda d: opened(d + '/f', os.O_RDWR),
    'os_open_creat': lambda d: opened(d + '/new', os.O_RDONLY | os.O_CREAT),
    'os_open_trunc': lambda d: opened(d + '/f', os.O_RDONLY | os.O_TRUNC),
    'early_bound': lambda d: os.close(early_bound(d + '/f', os.O_WRONLY)),
    'write_text': lambda d: pathlib.Path(d, 'f').write_text('x'),
    'touch': lambda d: pathlib.Path(d, 'new').touch(),
    'touch_again': lambda d: pathlib.Path(d, 'f').touch(),
    'copy': lambda d: shutil.copy(__file__, d),
    'copyfile': lambda d: shutil.copyfile(__file__, d + '/new'),
    'copytree': lambda d: shutil.copytree(d + '/d', d + '/new'),
    'zip': zipped,
    'keylog': key_logged,
    'log': logged,
    'relative': in_cwd(lambda: written('f')),
    'relative_new': in_cwd(lambda: written('new')),
    'relative_dots': in_cwd(lambda: written('./d/../f')),
    'dir_fd': in_directory(opened_by_keywords),
    'opener_dir_fd': in_directory(opened_by),
    'partial_dir_fd': in_directory(opened_by_partial),
    'proc': on_descriptor(lambda n: written(f'/proc/self/fd/{n}')),
    'dev_fd': on_descriptor(lambda n: written(f'/dev/fd/{n}')),
    'mkdir': lambda d: os.mkdir(d + '/new'),
    'mkdir_slash': lambda d: os.mkdir(d + '/new/'),
    'mkdir_dir_fd': in_directory(lambda n: os.mkdir('new', dir_fd=n)),
    'makedirs': lambda d: os.makedirs(d + '/new/er'),
    'rmdir': lambda d: os.rmdir(d + '/d'),
    'rmdir_slash': lambda d: os.rmdir(d + '/d/'),
    'rmtree': lambda d: shutil.rmtree(d + '/d'),
    'remove': lambda d: os.remove(d + '/f'),
    'remove_bytes': lambda d: os.remove(os.fsencode(d) + b'/f'),
    'remove_link': lambda d: os.remove(d + '/l'),
    'remove_dir_fd': in_directory(lambda n: os.remove('f', dir_fd=n)),
    'remove_relative': in_cwd(lambda: os.unlink('f')),
    'rename': lambda d: os.rename(d + '/f', d + '/new'),
    'replace': lambda d: os.replace(d + '/f', d + '/new'),
    'rename_dir_fd': in_directory(
        lambda n: os.rename('f', 'g', src_dir_fd=n, dst_dir_fd=n)
    ),
    'move': lambda d: shutil.move(d + '/f', d + '/d'),
    'hard_link': lambda d: os.link(d + '/f', d + '/new'),
    'symlink': lambda d: os.symlink('f', d + '/new'),
    'symlink_dir_fd': in_directory(
        lambda n: os.symlink('f', 'new', dir_fd=n)
    ),
    'truncate': lambda d: os.truncate(d + '/f', 0),
    'chmod': lambda d: os.chmod(d + '/f', 0o600),
    'chmod_link': lambda d: os.chmod(d + '/l', 0o600),
    'chmod_pathlike': lambda d: pathlib.Path(d, 'f').chmod(0o600),
    'fchmod': on_descriptor(lambda n: os.fchmod(n, 0o600)),
    'chmod_descriptor': on_descriptor(lambda n: os.chmod(n, 0o600)),
    'chmod_dir_fd': in_directory(lambda n: os.chmod('f', 0o600, dir_fd=n)),
    'chown': lambda d: os.chown(d + '/f', -1, -1),
    'lchown': lambda d: os.lchown(d + '/l', -1, -1),
    'fchown': on_descriptor(lambda n: os.fchown(n, -1, -1)),
    'ftruncate': on_descriptor(lambda n: os.ftruncate(n, 0)),
    'utime': lambda d: os.utime(d + '/f'),
    'utime_link': lambda d: os.utime(d + '/l', follow_symlinks=False),
    'setxattr': lambda d: os.setxattr(d + '/f', 'user.x', b''),
    'removexattr': lambda d: os.removexattr(d + '/f', 'user.x'),
    'bind': lambda d: bound(d + '/s'),
    'bind_bytes': lambda d: bound(os.fsencode(d) + b'/s'),
    'bind_relative': in_cwd(lambda: bound('s')),
    'sqlite': lambda d: connected(d + '/s.db'),
    'sqlite_pathlike': lambda d: connected(pathlib.Path(d, 's.db')),
    'sqlite_uri': lambda d: connected(f'file:{d}/s.db', uri=True),
    'sqlite_uri_rw': lambda d: connected(
        f'file://localhost{d}/s.db?cache=shared&mode=rwc#x', uri=True
    ),
    'sqlite_quoted': lambda d: connected(
        f'file://{d}/%73.db'.replace('host', 'h%6fst'), uri=True
    ),
    'sqlite_relative': in_cwd(lambda: connected('s.db')),
}  # fmt: skip
# Those change nothing, wherever it is.
READS = {
    'r': lambda d: written(d + '/f', 'r'),
    'rb': lambda d: written(d + '/f', 'rb'),
    'io_open_code': lambda d: io.open_code(d + '/f').close(),
    'os_open': lambda d: opened(d + '/f', os.O_RDONLY),
    'directory': lambda d: opened(d, os.O_RDONLY | os.O_DIRECTORY),
    'read_text': lambda d: pathlib.Path(d, 'f').read_text(),
    'list': os.listdir,
    'stat': lambda d: os.stat(d + '/f'),
    'descriptor': on_descriptor(lambda n: written(n, 'w', closefd=False)),
    'there': lambda d: os.makedirs(d + '/d', exist_ok=True),
    'there_too': lambda d: pathlib.Path(d, 'd').mkdir(exist_ok=True),
    'read_only': lambda d: connected(f'file:{d}/f?mode=ro', uri=True),
    'in_memory': lambda d: connected(f'file:{d}/s?mode=memory', uri=True),
    'memdb': lambda d: connected(f'file:{d}/s?vfs=memdb', uri=True),
    'memory': lambda d: connected(':memory:'),
    'memory_uri': lambda d: connected('file::memory:?cache=shared', uri=True),
    'temporary': lambda d: connected(''),
    'abstract': lambda d: bound('\0safe-fixtures' + d),
    'unnamed': lambda d: bound(''),
    'internet': lambda d: socket.socket().bind(('127.0.0.1', 0)),
    'null': lambda d: written(d + '/\0'),
}


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        # Whoever runs these tests may have noted what is used here.
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.boundary.temporary._made', set()
            )
        )
        self.host = os.path.realpath(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.NestedTempfile())
        self.own = os.path.realpath(tempfile.gettempdir())
        self.check = files.HostFiles([])

    def fill(self, parent):
        """Make a directory to act in."""
        made = os.path.join(parent, f'host{len(os.listdir(parent))}')
        os.makedirs(made + '/d')
        os.symlink('f', made + '/l')
        pathlib.Path(made, 'f').write_text('x')
        with contextlib.suppress(OSError):
            os.setxattr(made + '/f', 'user.x', b'')
        return made

    def found(self, act, *args):
        return found_in(self.check, act, *args)

    def assertFound(self, target, act, *args):
        found = self.found(act, *args)
        self.assertTrue(found, 'it was not found')
        self.assertEqual({'SF405'}, {each.code for each in found})
        self.assertIn(target, [each.target for each in found])
        for each in found:
            self.assertIn(f' of {each.target}', each.message)
            self.assertIsNone(each.error)

    def assertFree(self, act, *args):
        self.assertEqual([], self.found(act, *args))


class TestActs(TestCase):
    def test_on_the_host(self):
        for name, act in ACTS.items():
            with self.subTest(name):
                place = self.fill(self.host)
                found = self.found(act, place)
                self.assertTrue(found, f'{name} was not found')
                for each in found:
                    self.assertEqual('SF405', each.code)
                    # Relative to one of several directories.
                    if each.target != 'f':
                        self.assertTrue(each.target.startswith(place), each)
                    self.assertIn(f' of {each.target}', each.message)

    def test_in_the_temporary_directory(self):
        for name, act in ACTS.items():
            with self.subTest(name):
                self.assertFree(act, self.fill(self.own))

    def test_in_an_allowed_directory(self):
        self.check = files.HostFiles([self.host])
        for name, act in ACTS.items():
            with self.subTest(name):
                self.assertFree(act, self.fill(self.host))

    def test_reads_are_free(self):
        for name, act in READS.items():
            with self.subTest(name):
                self.assertFree(act, self.fill(self.host))

    def test_they_do_what_they_are_named_for(self):
        # Those that only fail would prove little.
        for name, act in ACTS.items():
            # What is open for reading only, and not each file system.
            if name != 'ftruncate' and 'xattr' not in name:
                act(self.fill(self.own))


class TestWhatFailsByItself(TestCase):
    """Nothing is done, and some rely on that."""

    def test_nothing_there(self):
        missing = self.host + '/missing'
        for act in (
            os.remove,
            os.rmdir,
            lambda path: pathlib.Path(path).unlink(missing_ok=True),
            lambda path: shutil.rmtree(path, ignore_errors=True),
            lambda path: os.rename(path, path + '2'),
            lambda path: os.link(path, path + '2'),
            lambda path: os.chmod(path, 0o600),
            lambda path: os.utime(path),
            lambda path: written(path, 'r+'),
            lambda path: written(path + '/f'),
            lambda path: os.mkdir(path + '/d'),
            lambda path: os.symlink('x', path + '/l'),
        ):
            self.assertFree(act, missing)
            self.assertFalse(os.path.lexists(missing))

    def test_something_there(self):
        path = self.host + '/f'
        pathlib.Path(path).write_text('x')
        self.assertFree(written, path, 'x')
        self.assertFree(os.mkdir, path)
        self.assertFound(path, written, path, 'r+')


class TestLinks(TestCase):
    def setUp(self):
        super().setUp()
        self.target = self.host + '/f'
        pathlib.Path(self.target).write_text('x')
        self.link = self.own + '/link'

    def test_of_a_file(self):
        os.symlink(self.target, self.link)
        self.assertFound(self.target, written, self.link)
        self.assertFound(self.target, os.chmod, self.link, 0o600)
        self.assertFound(self.target, os.truncate, self.link, 0)
        self.assertFound(self.target, os.utime, self.link)
        self.assertFound(self.target, os.chown, self.link, -1, -1)
        self.assertFound(self.target, connected, self.link)

    def test_itself(self):
        os.symlink(self.target, self.link)
        self.assertFree(lambda: os.lchown(self.link, -1, -1))
        self.assertFree(lambda: os.utime(self.link, follow_symlinks=False))
        self.assertFree(os.rename, self.link, self.link + '2')
        self.assertFree(os.remove, self.link + '2')
        self.assertFree(os.symlink, self.target, self.link)

    def test_itself_at_a_call_that_is_made_often(self):
        # The interpreter rewrites what it executes often.
        os.symlink(self.target, self.link)

        def act():
            for _ in range(20):
                os.utime(self.link, follow_symlinks=False)

        self.assertFree(act)

    def test_directory_at_a_call_that_is_made_often(self):
        flags = os.O_WRONLY | os.O_CREAT
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.own)
        number = os.open(self.host, os.O_RDONLY)
        self.addCleanup(os.close, number)

        def act():
            for _ in range(20):
                os.close(os.open('g', flags, dir_fd=number))

        self.assertEqual(20, len(self.found(act)))

    def test_copied(self):
        os.mkdir(self.own + '/tree')
        os.symlink(self.target, self.own + '/tree/link')
        self.assertFree(
            lambda: shutil.copytree(
                self.own + '/tree', self.own + '/copy', symlinks=True
            )
        )
        self.assertTrue(os.path.islink(self.own + '/copy/link'))

    def test_of_a_directory(self):
        os.symlink(self.host, self.link)
        self.assertFound(self.target, written, self.link + '/f')
        self.assertFound(self.host + '/new', os.mkdir, self.link + '/new')
        self.assertFound(self.target, os.remove, self.link + '/f')
        self.assertFound(self.host, os.rmdir, self.link + '/.')

    def test_into_the_temporary_directory(self):
        os.symlink(self.own, self.host + '/link')
        self.assertFree(written, self.host + '/link/f')
        self.assertFree(os.remove, self.host + '/link/f')
        self.assertFound(self.host + '/link', os.remove, self.host + '/link')

    def test_hard(self):
        own = self.own + '/hard'
        self.assertFound(self.target, os.link, self.target, own)
        os.remove(own)
        written(own)
        new = self.host + '/new'
        self.assertFound(new, os.link, own, new)

    def test_hard_to_a_link(self):
        os.symlink(self.target, self.link)
        # Linux links to the link; told of directories, to what it leads to.
        self.assertFree(os.link, self.link, self.link + '2')
        self.assertTrue(os.path.islink(self.link + '2'))
        with directory(self.own) as own:
            self.assertFound(
                self.target,
                lambda: os.link(self.link, 'hard', dst_dir_fd=own),
            )
        self.assertTrue(os.path.samefile(self.target, self.own + '/hard'))

    def test_moved(self):
        own = self.own + '/moved'
        self.assertFound(self.target, os.rename, self.target, own)
        self.assertFound(self.target, os.rename, own, self.target)

    def test_dots(self):
        relative = os.path.relpath(self.target, self.own)
        self.assertFound(
            self.target, written, os.path.join(self.own, relative)
        )


class TestDirectories(TestCase):
    """A name that is relative to a directory which the event conceals."""

    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())

    def test_of_the_test_while_the_host_is_current(self):
        os.chdir(self.host)
        with directory(self.own) as own:
            self.assertFree(opened_by, own)
            self.assertFree(opened_by_partial, own)
            opener = functools.partial(os.open, dir_fd=own)
            self.assertFree(lambda: open('f', 'w', opener=opener).close())
            self.assertFree(
                lambda: opened('new', os.O_WRONLY | os.O_CREAT, dir_fd=own)
            )
        self.assertEqual([], os.listdir(self.host))
        self.assertEqual(['f', 'new'], sorted(os.listdir(self.own)))

    def test_of_the_host_while_that_of_the_test_is_current(self):
        os.chdir(self.own)
        with directory(self.host) as host, directory(self.own):
            flags = os.O_WRONLY | os.O_CREAT
            self.assertFound(
                self.host + '/f',
                lambda: os.close(os.open('f', flags, dir_fd=host)),
            )
        self.assertEqual(['f'], os.listdir(self.host))

    def test_gone(self):
        gone = self.own + '/gone'
        os.mkdir(gone)
        with directory(gone) as descriptor:
            os.chdir(gone)
            os.rmdir(gone)
            self.assertFree(written, 'f')
            self.assertFree(lambda: os.mkdir('d', dir_fd=descriptor))
            self.assertFree(lambda: os.fchmod(descriptor, 0o700))


class TestTemporary(TestCase):
    def test_moves(self):
        inner = self.own + '/inner'
        os.mkdir(inner)
        with fixtures.MonkeyPatch('tempfile.tempdir', inner):
            self.assertFree(written, inner + '/f')
            self.assertFound(self.own + '/f', written, self.own + '/f')
        self.assertFree(written, self.own + '/f')

    def test_sibling(self):
        self.assertFound(self.own + '2', os.mkdir, self.own + '2')
        os.rmdir(self.own + '2')

    def test_what_tempfile_makes(self):
        def make(how):
            made = []
            self.assertFree(lambda: made.append(how()))
            return made[0]

        for how in (
            lambda: tempfile.mkdtemp(dir=self.host),
            lambda: tempfile.TemporaryDirectory(dir=self.host).name,
        ):
            path = make(how)
            os.makedirs(path, exist_ok=True)
            self.assertFree(written, path + '/f')
            self.assertFree(shutil.rmtree, path)
        descriptor, path = make(lambda: tempfile.mkstemp(dir=self.host))
        os.close(descriptor)
        self.assertFree(os.chmod, path, 0o600)
        self.assertFree(os.remove, path)
        # As those do that only want a name.
        self.assertFree(os.mkdir, path)
        self.assertFree(os.rmdir, path)
        for how in (
            tempfile.TemporaryFile,
            tempfile.NamedTemporaryFile,
            tempfile.SpooledTemporaryFile,
        ):
            make(lambda how=how: how(dir=self.host)).close()
            make(how).close()
        self.assertFound(self.host + '/f', written, self.host + '/f')

    def test_is_known_to_others(self):
        path = self.host + '/made'
        self.assertFree(sys.audit, 'tempfile.mkdtemp', path)
        os.mkdir(path)
        self.check = files.HostFiles([])
        self.assertFree(written, path + '/f')

    def test_what_was_there_is_not_made(self):
        self.assertFree(sys.audit, 'tempfile.mkdtemp', self.host)
        self.assertFound(self.host + '/f', written, self.host + '/f')

    def test_before(self):
        path = tempfile.mkdtemp(dir=self.host)
        self.assertFound(path + '/f', written, path + '/f')

    def test_moved_to_the_host(self):
        made = []
        self.assertFree(
            lambda: made.append(
                tempfile.NamedTemporaryFile(dir=self.host, delete=False)
            )
        )
        made[0].close()
        path = self.host + '/f'
        self.assertFound(path, os.replace, made[0].name, path)


class TestAllowed(TestCase):
    def use(self, *allowed):
        self.check = files.HostFiles(allowed)

    def test_patterns(self):
        self.use('__pycache__', '.coverage*')
        os.mkdir(self.host + '/x')
        for path in (
            '/__pycache__', '/__pycache__/x.pyc', '/x/__pycache__',
            '/.coverage', '/.coverage.host.1.x',
        ):  # fmt: skip
            self.assertFree(os.mkdir, self.host + path)
        for path in ('/pycache', '/x/__pycache__2', '/coverage'):
            self.assertFound(self.host + path, os.mkdir, self.host + path)

    def test_pattern_is_for_what_a_link_leads_to(self):
        self.use('.coverage')
        os.symlink(self.host + '/other', self.host + '/.coverage')
        self.assertFound(
            self.host + '/other', written, self.host + '/.coverage'
        )

    def test_file(self):
        self.use(self.host + '/report.xml')
        self.assertFree(written, self.host + '/report.xml')
        self.assertFound(
            self.host + '/report.xml2', written, self.host + '/report.xml2'
        )

    def test_relative_and_home(self):
        self.useFixture(fixtures.EnvironmentVariable('HOME', self.host))
        with contextlib.chdir(self.host):
            self.use('./x', '~/y')
        for name in ('x', 'y'):
            self.assertFree(written, f'{self.host}/{name}')
        self.assertFound(self.host + '/z', written, self.host + '/z')
        self.use('~')
        self.assertFree(written, self.host + '/z')

    def test_link(self):
        os.symlink(self.host, self.own + '/link')
        self.use(self.own + '/link/x')
        self.assertFree(written, self.host + '/x')

    def test_import_caches_elsewhere(self):
        cache = self.host + '/cache'
        os.mkdir(cache)
        self.assertFound(cache + '/x', written, cache + '/x')
        with fixtures.MonkeyPatch('sys.pycache_prefix', cache):
            self.assertFree(written, cache + '/x')
            self.assertFound(self.host + '/x', written, self.host + '/x')


class TestDevices(TestCase):
    def test_free(self):
        for path in ('/dev/null', '/dev/zero', '/dev/full', os.devnull):
            self.assertFree(written, path)
        os.symlink('/dev/null', self.own + '/link')
        self.assertFree(written, self.own + '/link')

    def test_their_permissions_are_the_hosts(self):
        self.assertFound('/dev/null', os.utime, '/dev/null')

    def test_pipe(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        for path in (f'/dev/fd/{writer}', f'/proc/self/fd/{writer}'):
            self.assertFree(written, path)
        self.assertFree(os.fchmod, writer, 0o600)

    def test_terminal(self):
        leader, follower = os.openpty()
        self.addCleanup(os.close, leader)
        self.addCleanup(os.close, follower)
        for path in (os.ttyname(follower), f'/dev/fd/{follower}'):
            self.assertFree(opened, path, os.O_WRONLY | os.O_NOCTTY)

    def test_deleted(self):
        file = open(self.host + '/f', 'w+')
        self.addCleanup(file.close)
        os.remove(self.host + '/f')
        for path in (f'/dev/fd/{file.fileno()}', file.fileno()):
            self.assertFree(os.chmod, path, 0o600)
            self.assertFree(os.truncate, path, 0)
        self.assertFree(written, f'/dev/fd/{file.fileno()}', 'r+')

    def test_memory(self):
        descriptor = os.memfd_create('x')
        self.addCleanup(os.close, descriptor)
        self.assertFree(os.ftruncate, descriptor, 1)

    def test_closed(self):
        descriptor = os.open(self.own, os.O_RDONLY)
        os.close(descriptor)
        self.assertFree(os.fchmod, descriptor, 0o600)
        self.assertFree(os.fchmod, -1, 0o600)

    def test_shared_memory(self):
        # As multiprocessing makes it.
        name = f'/safe-fixtures-{os.getpid()}'
        descriptor = _posixshmem.shm_open(
            name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600
        )
        self.addCleanup(os.close, descriptor)
        self.addCleanup(_posixshmem.shm_unlink, name)
        self.assertFree(os.ftruncate, descriptor, 1)
        path = os.path.realpath(f'/dev/shm{name}')
        self.assertFound(path, os.chmod, path, 0o600)

    def test_of_the_kernel(self):
        path = '/proc/self/comm'
        found = self.found(written, path, 'r+')
        self.assertEqual(1, len(found))
        self.assertRegex(found[0].target, '^/proc/[0-9]+/comm$')
