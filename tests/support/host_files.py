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

"""Ways to change the host's files, and to see what a check finds."""

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
        finding = check.on_event(event, args)
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
    return [*_seen['found'], *check.finish()]


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
