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

import contextlib
import enum
import functools
import io
import itertools
import mmap
import os
import pathlib
import shutil
import socket
import sys
import tempfile
from unittest import mock

import _posixshmem
import fixtures

from safe_fixtures.guards.isolation import files
from tests.support import host_files


def bound(path):
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(path)
    os.remove(path)


class TestActs(host_files.TestCase):
    def test_on_the_host(self):
        for name, act in host_files.ACTS.items():
            with self.subTest(name):
                place = self.fill(self.host)
                found = self.found(act, place)
                self.assertTrue(found, f'{name} was not found')
                for each in found:
                    with self.subTest(each=each):
                        self.assertEqual('SF405', each.code)
                        # Relative to one of several directories.
                        if each.target != 'f':
                            self.assertTrue(
                                each.target.startswith(place), each
                            )
                        self.assertIn(f' of {each.target}', each.message)

    def test_in_the_temporary_directory(self):
        for name, act in host_files.ACTS.items():
            with self.subTest(name):
                self.assertFree(act, self.fill(self.own))

    def test_in_an_allowed_directory(self):
        self.check = files.HostFiles([self.host])
        for name, act in host_files.ACTS.items():
            with self.subTest(name):
                self.assertFree(act, self.fill(self.host))

    def test_reads_are_free(self):
        for name, act in host_files.READS.items():
            with self.subTest(name):
                self.assertFree(act, self.fill(self.host))

    def test_they_do_what_they_are_named_for(self):
        # Those that only fail would prove little.
        for name, act in host_files.ACTS.items():
            # What is open for reading only, and not each file system.
            if name != 'ftruncate' and 'xattr' not in name:
                act(self.fill(self.own))


class TestWhatFailsByItself(host_files.TestCase):
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
            lambda path: host_files.written(path, 'r+'),
            lambda path: host_files.written(path + '/f'),
            lambda path: os.mkdir(path + '/d'),
            lambda path: os.symlink('x', path + '/l'),
        ):
            with self.subTest(act=act):
                self.assertFree(act, missing)
                self.assertFalse(os.path.lexists(missing))

    def test_something_there(self):
        path = self.host + '/f'
        pathlib.Path(path).write_text('x')
        self.assertFree(host_files.written, path, 'x')
        self.assertFree(os.mkdir, path)
        self.assertFound(path, host_files.written, path, 'r+')


class TestLinks(host_files.TestCase):
    def setUp(self):
        super().setUp()
        self.target = self.host + '/f'
        pathlib.Path(self.target).write_text('x')
        self.link = self.own + '/link'

    def test_of_a_file(self):
        os.symlink(self.target, self.link)
        self.assertFound(self.target, host_files.written, self.link)
        self.assertFound(self.target, os.chmod, self.link, 0o600)
        self.assertFound(self.target, os.truncate, self.link, 0)
        # The event does not tell whether the link is meant, so the file is
        # looked at afterwards.
        self.assertFound(self.target, os.utime, self.link, (1, 1))
        self.assertFound(self.target, host_files.connected, self.link)

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

        self.assertFound(self.host + '/g', act)

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
        self.assertFound(self.target, host_files.written, self.link + '/f')
        self.assertFound(self.host + '/new', os.mkdir, self.link + '/new')
        self.assertFound(self.target, os.remove, self.link + '/f')
        self.assertFound(self.host, os.rmdir, self.link + '/.')

    def test_into_the_temporary_directory(self):
        os.symlink(self.own, self.host + '/link')
        self.assertFree(host_files.written, self.host + '/link/f')
        self.assertFree(os.remove, self.host + '/link/f')
        self.assertFound(self.host + '/link', os.remove, self.host + '/link')

    def test_hard(self):
        own = self.own + '/hard'
        self.assertFound(self.target, os.link, self.target, own)
        os.remove(own)
        host_files.written(own)
        new = self.host + '/new'
        self.assertFound(new, os.link, own, new)

    def test_hard_to_a_link(self):
        os.symlink(self.target, self.link)
        # Linux links to the link; told of directories, to what it leads to.
        self.assertFree(os.link, self.link, self.link + '2')
        self.assertTrue(os.path.islink(self.link + '2'))
        with host_files.directory(self.own) as own:
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
            self.target, host_files.written, os.path.join(self.own, relative)
        )


class TestDirectories(host_files.TestCase):
    """A name that is relative to a directory which the event conceals."""

    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())

    def test_of_the_test_while_the_host_is_current(self):
        os.chdir(self.host)
        with host_files.directory(self.own) as own:
            self.assertFree(host_files.opened_by, own)
            self.assertFree(host_files.opened_by_partial, own)
            opener = functools.partial(os.open, dir_fd=own)
            self.assertFree(lambda: open('f', 'w', opener=opener).close())
            self.assertFree(
                lambda: host_files.opened(
                    'new', os.O_WRONLY | os.O_CREAT, dir_fd=own
                )
            )
        self.assertEqual([], os.listdir(self.host))
        self.assertEqual(['f', 'new'], sorted(os.listdir(self.own)))

    def test_of_the_host_while_that_of_the_test_is_current(self):
        os.chdir(self.own)
        with (
            host_files.directory(self.host) as host,
            host_files.directory(self.own),
        ):
            flags = os.O_WRONLY | os.O_CREAT
            # It is only seen afterwards: the event has the name alone.
            self.assertFound(
                self.host + '/f',
                lambda: os.close(os.open('f', flags, dir_fd=host)),
            )
            self.assertFree(
                lambda: os.close(os.open('f', flags | os.O_EXCL)),
            )
        self.assertEqual(['f'], os.listdir(self.host))

    def test_gone(self):
        gone = self.own + '/gone'
        os.mkdir(gone)
        with host_files.directory(gone) as descriptor:
            os.chdir(gone)
            os.rmdir(gone)
            self.assertFree(host_files.written, 'f')
            self.assertFree(lambda: os.mkdir('d', dir_fd=descriptor))
            self.assertFree(lambda: os.fchmod(descriptor, 0o700))


class TestTemporary(host_files.TestCase):
    def test_nested(self):
        inner = self.own + '/inner/most'
        os.makedirs(inner)
        with fixtures.MonkeyPatch('tempfile.tempdir', inner):
            self.assertFree(host_files.written, inner + '/f')
            # What was made before is the test's own, too.
            self.assertFree(host_files.written, self.own + '/f')
            self.assertFound(
                self.host + '/f', host_files.written, self.host + '/f'
            )
        self.assertFree(host_files.written, self.own + '/f')

    def test_moved_outside(self):
        # A place that is in no temporary directory.
        outside = os.path.dirname(os.path.abspath(__file__))
        path = outside + '/SF405-moved'
        os.symlink(outside, self.own + '/link')
        for moved in (
            outside, os.fsencode(outside), pathlib.Path(outside), '/', '.',
            self.own + '/link', self.own + '/../' * 9 + outside,
        ):  # fmt: skip
            with (
                self.subTest(moved=moved),
                fixtures.MonkeyPatch('tempfile.tempdir', moved),
                fixtures.EnvironmentVariable('TMPDIR', os.fsdecode(moved)),
            ):
                self.assertFound(path, os.mkdir, path)
                os.rmdir(path)

    def test_variable_moved_outside(self):
        outside = os.path.dirname(os.path.abspath(__file__))
        with (
            fixtures.MonkeyPatch('tempfile.tempdir', None),
            fixtures.EnvironmentVariable('TMPDIR', outside),
        ):
            path = outside + '/SF405-moved'
            self.assertFound(path, os.mkdir, path)
            os.rmdir(path)

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
            with self.subTest(how=how):
                path = make(how)
                os.makedirs(path, exist_ok=True)
                self.assertFree(host_files.written, path + '/f')
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
        self.assertFound(
            self.host + '/f', host_files.written, self.host + '/f'
        )

    def test_is_known_to_others(self):
        path = self.host + '/made'
        self.assertFree(sys.audit, 'tempfile.mkdtemp', path)
        os.mkdir(path)
        self.check = files.HostFiles([])
        self.assertFree(host_files.written, path + '/f')

    def test_what_was_there_is_not_made(self):
        self.assertFree(sys.audit, 'tempfile.mkdtemp', self.host)
        self.assertFound(
            self.host + '/f', host_files.written, self.host + '/f'
        )

    def test_before(self):
        path = tempfile.mkdtemp(dir=self.host)
        self.assertFound(path + '/f', host_files.written, path + '/f')

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


class TestAllowed(host_files.TestCase):
    def use(self, *allowed):
        self.check = files.HostFiles(allowed)

    def test_patterns(self):
        self.use('__pycache__', '.coverage*')
        os.mkdir(self.host + '/x')
        for path in (
            '/__pycache__', '/__pycache__/x.pyc', '/x/__pycache__',
            '/.coverage', '/.coverage.host.1.x',
        ):  # fmt: skip
            with self.subTest(path=path):
                self.assertFree(os.mkdir, self.host + path)
        for path in ('/pycache', '/x/__pycache__2', '/coverage'):
            with self.subTest(path=path):
                self.assertFound(self.host + path, os.mkdir, self.host + path)

    def test_pattern_is_for_what_a_link_leads_to(self):
        self.use('.coverage')
        os.symlink(self.host + '/other', self.host + '/.coverage')
        self.assertFound(
            self.host + '/other', host_files.written, self.host + '/.coverage'
        )

    def test_file(self):
        self.use(self.host + '/report.xml')
        self.assertFree(host_files.written, self.host + '/report.xml')
        self.assertFound(
            self.host + '/report.xml2',
            host_files.written,
            self.host + '/report.xml2',
        )

    def test_relative_and_home(self):
        self.useFixture(fixtures.EnvironmentVariable('HOME', self.host))
        with contextlib.chdir(self.host):
            self.use('./x', '~/y')
        for name in ('x', 'y'):
            with self.subTest(name=name):
                self.assertFree(host_files.written, f'{self.host}/{name}')
        self.assertFound(
            self.host + '/z', host_files.written, self.host + '/z'
        )
        self.use('~')
        self.assertFree(host_files.written, self.host + '/z')

    def test_link(self):
        os.symlink(self.host, self.own + '/link')
        self.use(self.own + '/link/x')
        self.assertFree(host_files.written, self.host + '/x')

    def test_import_caches_elsewhere(self):
        cache = self.host + '/cache'
        os.mkdir(cache)
        self.assertFound(cache + '/x', host_files.written, cache + '/x')
        with fixtures.MonkeyPatch('sys.pycache_prefix', cache):
            self.assertFree(host_files.written, cache + '/x')
            self.assertFound(
                self.host + '/x', host_files.written, self.host + '/x'
            )


class TestOpenBefore(host_files.TestCase):
    """What was open for writing before the guard was there."""

    def setUp(self):
        super().setUp()
        self.file = open(self.host + '/f', 'w+')
        self.addCleanup(self.file.close)
        self.file.write('x')
        self.file.flush()

    def test_opened_again(self):
        number = self.file.fileno()
        for name, act in {
            'open': lambda: open(number, 'w', closefd=False),
            'fdopen': lambda: os.fdopen(os.dup(number), 'w').close(),
            'class': lambda: io.FileIO(number, 'w', closefd=False),
            'mmap': lambda: mmap.mmap(number, 1).close(),
        }.items():
            with self.subTest(name):
                self.assertFound(self.host + '/f', act)

    def test_free(self):
        number = self.file.fileno()
        for name, act in {
            'read': lambda: open(number, closefd=False),
            'private': lambda: mmap.mmap(number, 1, access=mmap.ACCESS_COPY),
            'read only': lambda: mmap.mmap(number, 1, access=mmap.ACCESS_READ),
            'standard stream': lambda: open(1, 'w', closefd=False),
            'closed': lambda: open(10_000, 'w', closefd=False),
            'anonymous': lambda: mmap.mmap(-1, 1).close(),
        }.items():
            with self.subTest(name):
                self.assertFree(act)

    def test_own(self):
        with open(self.own + '/f', 'w+') as file:
            file.write('x')
            file.flush()
            self.assertFree(lambda: open(file.fileno(), 'w', closefd=False))
            self.assertFree(lambda: mmap.mmap(file.fileno(), 1).close())


class TestTypes(host_files.TestCase):
    """What counts is what the system call gets."""

    def test_text(self):
        class Path(str, enum.Enum):
            HOST = self.host + '/f'
            OWN = self.own + '/f'

        class Claiming(str):
            def __str__(self):
                return '/dev/null'

            __repr__ = __fspath__ = __str__

            def __format__(self, spec):
                return '/dev/null'

            def __eq__(self, other):
                return True

            def __hash__(self):
                return 0

            def startswith(self, *_):
                return True

        class ClaimingBytes(bytes):
            def decode(self, *_):
                return '/dev/null'

            def __getitem__(self, key):
                return b'/dev/null'

        for make in (
            lambda text: Path(text),
            Claiming,
            lambda text: ClaimingBytes(text.encode()),
        ):
            for act in (
                host_files.written, os.remove, os.mkdir, os.rmdir,
                host_files.connected, os.remove, bound,
            ):  # fmt: skip
                with self.subTest(make=make, act=act):
                    self.assertFree(act, make(self.own + '/f'))
                    path = self.host + '/f'
                    self.assertFound(path, act, make(path))

    def test_changing_path(self):
        class Changing:
            def __init__(self, *paths):
                self.paths = itertools.cycle(paths)

            def __fspath__(self):
                return next(self.paths)

        for order in (1, -1):
            paths = [self.own + '/f', self.host + '/f'][::order]
            for act in (
                lambda path: io.FileIO(path, 'w').close(),
                host_files.connected,
            ):
                with self.subTest(order=order, act=act):
                    self.assertFound(self.host + '/f', act, Changing(*paths))
        self.assertFree(host_files.connected, Changing(self.own + '/f'))

    def test_not_utf_8(self):
        for path in (b'/\xff\xfe', '/\udcff', b'/f\xc3'):
            with self.subTest(path=path):
                kind = os.fsencode if isinstance(path, bytes) else str
                own, host = kind(self.own) + path, kind(self.host) + path
                self.assertFree(host_files.written, own)
                self.assertFound(os.fsdecode(host), host_files.written, host)

    def test_functions_that_a_test_replaces(self):
        path = self.host + '/f'
        for name in (
            'os.path.realpath', 'os.path.isdir', 'os.path.lexists',
            'os.path.exists', 'os.path.isabs', 'os.stat', 'os.lstat',
            'os.readlink', 'os.getcwd', 'os.fsdecode', 'os.fspath',
        ):  # fmt: skip
            with (
                self.subTest(name=name),
                mock.patch(name, lambda *_, **__: self.own),
            ):
                found = self.found(host_files.written, path)
            self.assertEqual([path], [each.target for each in found])


class TestSockets(host_files.TestCase):
    """A socket in the file system is a service of the host."""

    def serve(self, directory, kind=socket.SOCK_DGRAM):
        path = directory + '/s'
        server = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(server.close)
        server.bind(path)
        if kind == socket.SOCK_STREAM:
            server.listen()
        return path

    def connected(self, path, kind=socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as endpoint:
            endpoint.connect(path)

    def sent(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as endpoint:
            endpoint.sendto(b'x', path)
            endpoint.sendmsg([b'x'], [], 0, path)

    def test_datagrams(self):
        host, own = self.serve(self.host), self.serve(self.own)
        for act in (self.connected, self.sent):
            with self.subTest(act=act):
                self.assertFound(host, act, host)
                self.assertFound(host, act, os.fsencode(host))
                self.assertFree(act, own)

    def test_stream(self):
        kind = socket.SOCK_STREAM
        host, own = self.serve(self.host, kind), self.serve(self.own, kind)
        self.assertFound(host, self.connected, host, kind)
        self.assertFree(self.connected, own, kind)
        os.symlink(host, self.own + '/link')
        self.assertFound(host, self.connected, self.own + '/link', kind)
        self.check = files.HostFiles([self.host])
        self.assertFree(self.connected, host, kind)

    def test_free(self):
        self.assertFree(self.connected, self.host + '/missing')
        self.assertFree(self.connected, '\0nobody-listens-here')
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        self.assertFree(one.send, b'x')
        self.assertFree(one.sendmsg, [b'x'])


class TestDevices(host_files.TestCase):
    def test_free(self):
        for path in ('/dev/null', '/dev/zero', '/dev/full', '/dev/urandom'):
            with self.subTest(path=path):
                self.assertFree(host_files.written, path)
        os.symlink('/dev/null', self.own + '/link')
        self.assertFree(host_files.written, self.own + '/link')

    def test_their_permissions_are_the_hosts(self):
        self.assertFound('/dev/null', os.utime, '/dev/null')

    def test_pipe(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        for path in (f'/dev/fd/{writer}', f'/proc/self/fd/{writer}'):
            with self.subTest(path=path):
                self.assertFree(host_files.written, path)
        self.assertFree(os.fchmod, writer, 0o600)

    def test_terminal(self):
        leader, follower = os.openpty()
        self.addCleanup(os.close, leader)
        self.addCleanup(os.close, follower)
        for path in (os.ttyname(follower), f'/dev/fd/{follower}'):
            with self.subTest(path=path):
                self.assertFree(
                    host_files.opened, path, os.O_WRONLY | os.O_NOCTTY
                )

    def test_deleted(self):
        file = open(self.host + '/f', 'w+')
        self.addCleanup(file.close)
        os.remove(self.host + '/f')
        for path in (f'/dev/fd/{file.fileno()}', file.fileno()):
            with self.subTest(path=path):
                self.assertFree(os.chmod, path, 0o600)
                self.assertFree(os.truncate, path, 0)
        self.assertFree(host_files.written, f'/dev/fd/{file.fileno()}', 'r+')

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
        found = self.found(host_files.written, path, 'r+')
        self.assertEqual(1, len(found))
        self.assertRegex(found[0].target, '^/proc/[0-9]+/comm$')
