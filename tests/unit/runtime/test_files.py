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
