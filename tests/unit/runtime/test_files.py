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

import contextlib
import errno
import os
import socket

import fixtures

from safe_fixtures.runtime import files
from tests.support import base

WAITS = ('_NO_WRITER', '_SILENT')


class TestOpen(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'x')
        for name in WAITS:
            self.useFixture(
                fixtures.MonkeyPatch(
                    f'safe_fixtures.runtime.files.{name}', 0.01
                )
            )

    def write(self, data=b'one\ntwo\n'):
        with open(self.path, 'wb') as file:
            file.write(data)

    def test_regular(self):
        self.write()
        for opened in (files.open_regular, files.open_to_read):
            with self.subTest(opened=opened), opened(self.path) as file:
                self.assertEqual([b'one\n', b'two\n'], file.readlines())
                self.assertTrue(file.seekable())

    def test_null_device(self):
        for opened in (files.open_regular, files.open_to_read):
            with self.subTest(opened=opened), opened('/dev/null') as file:
                self.assertEqual(b'', file.read())

    def test_refused(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path)
            for opened in (files.open_regular, files.open_to_read):
                for path, code in (
                    (self.path, errno.ENXIO),
                    (self.directory, errno.EISDIR),
                    ('/dev/zero', errno.EINVAL),
                    ('/dev/tty', None),
                    (f'{self.directory}/absent', errno.ENOENT),
                ):
                    with self.subTest(opened=opened, path=path):
                        error = self.assertRaises(OSError, opened, path)
                        self.assertIn(code, (None, error.errno))
                        self.assertEqual(path, error.filename)

    def test_pipe_that_must_be_a_file(self):
        os.mkfifo(self.path)
        error = self.assertRaises(OSError, files.open_regular, self.path)
        self.assertEqual(errno.EINVAL, error.errno)

    def test_pipe_without_a_writer(self):
        os.mkfifo(self.path)
        with files.open_to_read(self.path) as file:
            error = self.assertRaises(TimeoutError, file.read)
        self.assertEqual(self.path, error.filename)
        self.assertIn('nobody opened it to write', str(error))

    def test_pipe_with_a_silent_writer(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        os.write(write, b'one\ntw')
        with files.open_to_read(f'/dev/fd/{read}') as file:
            self.assertEqual(b'one\n', file.readline())
            error = self.assertRaises(TimeoutError, file.readline)
        self.assertIn('nobody wrote to it', str(error))

    def test_pipe(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        os.write(write, b'one\ntwo\n')
        os.close(write)
        with files.open_to_read(f'/dev/fd/{read}') as file:
            self.assertFalse(file.seekable())
            self.assertEqual(b'one\ntwo\n', file.read())

    def test_empty_pipe(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        with files.open_to_read(f'/dev/fd/{read}') as file:
            os.close(write)
            self.assertEqual(b'', file.read())


class TestWriteWhole(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'x')

    def assertHolds(self, data, path=None):
        with open(path or self.path, 'rb') as file:
            self.assertEqual(data, file.read())

    def test_new(self):
        mask = os.umask(0o027)
        self.addCleanup(os.umask, mask)
        files.write_whole(self.path, b'one')
        self.assertHolds(b'one')
        self.assertEqual(0o640, os.stat(self.path).st_mode & 0o777)
        self.assertEqual(['x'], os.listdir(self.directory))

    def test_in_new_directories(self):
        path = os.path.join(self.directory, 'a', 'b', 'c')
        files.write_whole(path, b'one')
        self.assertHolds(b'one', path)

    def test_a_name_alone(self):
        with contextlib.chdir(self.directory):
            files.write_whole('x', b'one')
        self.assertHolds(b'one')

    def test_over_another(self):
        files.write_whole(self.path, b'the old one')
        os.chmod(self.path, 0o604)
        with open(self.path, 'rb') as reader:
            files.write_whole(self.path, b'new')
            self.assertEqual(b'the old one', reader.read())
        self.assertHolds(b'new')
        self.assertEqual(0o604, os.stat(self.path).st_mode & 0o777)
        self.assertEqual(['x'], os.listdir(self.directory))

    def test_through_a_link(self):
        link = os.path.join(self.directory, 'link')
        os.symlink('x', link)
        for data in (b'one', b'two'):
            files.write_whole(link, data)
            self.assertHolds(data)
            self.assertEqual('x', os.readlink(link))

    def test_failure_leaves_the_old_one(self):
        files.write_whole(self.path, b'old')
        self.assertRaises(TypeError, files.write_whole, self.path, 'no bytes')
        self.assertHolds(b'old')
        self.assertEqual(['x'], os.listdir(self.directory))

    def test_refused(self):
        files.write_whole(self.path, b'')
        for path, code in (
            (self.directory, errno.EISDIR),
            (os.path.join(self.path, 'y'), errno.ENOTDIR),
            (os.path.join(self.directory, 'y' * 300), errno.ENAMETOOLONG),
        ):
            with self.subTest(path=path):
                error = self.assertRaises(
                    OSError, files.write_whole, path, b''
                )
                self.assertEqual(code, error.errno)

    def test_in_a_directory_that_takes_no_file(self):
        files.write_whole(self.path, b'the old one')
        os.chmod(self.path, 0o666)
        os.chmod(self.directory, 0o555)
        if os.geteuid() == 0:
            # Root may write anywhere.
            self.addCleanup(os.seteuid, 0)
            os.seteuid(65534)
        files.write_whole(self.path, b'new')
        self.assertHolds(b'new')
        self.assertRaises(
            PermissionError, files.write_whole, f'{self.path}y', b''
        )

    def test_device(self):
        files.write_whole('/dev/null', b'one')
        self.assertTrue(os.path.exists('/dev/null'))

    def test_pipe(self):
        os.mkfifo(self.path)
        error = self.assertRaises(
            OSError, files.write_whole, self.path, b'one'
        )
        self.assertEqual(errno.ENXIO, error.errno)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        files.write_whole(self.path, b'one')
        self.assertEqual(b'one', os.read(reader, 99))
