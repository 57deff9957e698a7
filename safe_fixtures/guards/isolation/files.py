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

"""Check which of the host's files a test writes (SF405)."""

from collections.abc import Collection, Iterable
import fcntl
import fnmatch
import mmap
import socket
import sys
from typing import Any
from urllib import parse

from safe_fixtures.boundary import paths
from safe_fixtures.boundary import temporary
from safe_fixtures import conf
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import sockets
from safe_fixtures.guards.isolation import unreported
from safe_fixtures.runtime.system import os
from safe_fixtures.runtime.system import stat
from safe_fixtures.runtime import values

__all__ = ['HostFiles']

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DEVICES = frozenset((
    '/dev/null', '/dev/zero', '/dev/full', '/dev/tty', '/dev/ptmx',
    '/dev/pts/ptmx', '/dev/random', '/dev/urandom',
))  # fmt: skip
_TERMINALS = '/dev/pts/'
_STANDARD_STREAMS = (0, 1, 2)
_ENTRIES = {
    'os.mkdir': ((0, 2),),
    'os.rmdir': ((0, 1),),
    'os.remove': ((0, 1),),
    'os.rename': ((0, 2), (1, 3)),
    'os.link': ((0, 2), (1, 3)),
    'os.symlink': ((1, 2),),
    unreported.MKFIFO: ((0, 2),),
    unreported.MKNOD: ((0, 3),),
}
_CONTENTS = {
    'os.truncate': ((0, 2),),
    'os.chmod': ((0, 2),),
    'os.chown': ((0, 3),),
    'os.chflags': ((0, 2),),
    'os.utime': ((0, 3),),
    'os.setxattr': ((0, 4),),
    'os.removexattr': ((0, 2),),
}
_CHANGES = {**_ENTRIES, **_CONTENTS}
_MAKING = frozenset((
    'os.mkdir', 'os.symlink', unreported.MKFIFO, unreported.MKNOD,
))  # fmt: skip
# Those that may be told to change a link itself; the event does not say so.
_UNCERTAIN = frozenset((
    'os.chown', 'os.utime', 'os.setxattr', 'os.removexattr', 'os.link',
))  # fmt: skip
_TRANSFERS = frozenset((
    'socket.connect', 'socket.sendto', 'socket.sendmsg',
))  # fmt: skip
_descriptor_flags, _fstat = fcntl.fcntl, os.fstat
_AF_UNIX = getattr(socket, 'AF_UNIX', None)


class HostFiles(check.Check):
    """Finds what changes files outside the test's temporary directories.

    Some events do not tell which of several files is meant: the one in the
    current directory or in one that is open (``dir_fd``), a link or what it
    leads to (``follow_symlinks``). If one of them is the test's own, the
    others are looked at again when the guard ends. Nothing before the act
    tells more: not the event, and a replaced ``os.open`` would be missed by
    whoever has bound the original one.

    :param allowed: what else may be changed: paths, with all below them, and
        patterns without a slash, which some component of a path matches.
        Relative paths and ``~`` are those of the process, not of a test.
    """

    events: Collection[str] = (
        'open', 'mmap.__new__', 'socket.bind', 'sqlite3.connect',
        unreported.ATTACH, *_TRANSFERS, *_CHANGES, *temporary.MAKING,
    )  # fmt: skip

    def __init__(self, allowed: Iterable[str]) -> None:
        self._roots = []
        self._patterns = []
        # The databases that were found to be the test's own.
        self._databases: set[str] = set()
        # What may have been changed, how, and how it was before.
        self._doubtful: dict[str, tuple[str, Any]] = {}
        for entry in map(values.text, allowed):
            if os.sep in entry or entry == '~':
                self._roots.append(paths.resolve(conf.absolute(entry)))
            else:
                self._patterns.append(entry)

    def on_event(self, event: str, args: check.Args) -> check.Finding | None:
        """See ``check.Check``."""
        # First what happens most often: an import reads a file.
        if event == 'open':
            writes = _writes(args[1], args[2])
            return self._on_open(*args) if writes else None
        if event in _TRANSFERS:
            return self._on_transfer(event, *args)
        if event in _CHANGES:
            return self._on_change(event, args)
        if event in ('sqlite3.connect', unreported.ATTACH):
            return self._on_database(event, args[0])
        if event == 'socket.bind':
            return self._on_bind(*args)
        if event == 'mmap.__new__':
            number, _, access, _ = args
            is_private = access in (mmap.ACCESS_READ, mmap.ACCESS_COPY)
            return None if is_private else self._on_descriptor('mmap', number)
        temporary.note_made(args)
        return None

    def finish(self) -> Iterable[check.Finding]:
        """See ``check.Check``."""
        doubtful, self._doubtful = self._doubtful, {}
        return [
            _finding(what, path)
            for path, (what, before) in doubtful.items()
            # Whoever removed it was checked then.
            if _state(path) not in (before, None)
        ]

    def _on_open(
        self, given: Any, mode: Any, flags: int
    ) -> check.Finding | None:
        if values.is_number(given):
            number = values.number(given)
            return self._on_descriptor('open for writing', number)
        for name in values.answers(given):
            finding = self._on_opened(name, flags)
            if finding is not None:
                return finding
        return None

    def _on_opened(self, name: str, flags: int) -> check.Finding | None:
        # Where C opens the file, the event has no flags.
        makes = not flags or flags & os.O_CREAT
        bases: Iterable[str | None] = (None,)
        if not name.startswith('/'):
            bases = (None, *paths.open_directories())
        found = []
        is_own = False
        for base in bases:
            path = paths.absolute(name, base)
            if path is None:
                continue
            resolved = paths.resolve(path)
            if _fails(resolved, makes, anew=flags & os.O_EXCL):
                continue
            if self._is_free(path, resolved):
                is_own = True
            elif resolved not in found:
                found.append(resolved)
        what = 'open for writing'
        if is_own:
            self._doubt(what, found)
            return None
        if not found:
            return None
        # One of several directories: which one is not known.
        return _finding(what, found[0] if len(found) == 1 else name)

    def _is_free(self, path: str, resolved: str) -> bool:
        """Whether a path may be opened for writing."""
        return (
            self._allows(resolved)
            or resolved in _DEVICES
            or resolved.startswith(_TERMINALS)
            # It cannot be opened; tempfile asks so for an unnamed file.
            or paths.is_directory(resolved)
            or _is_no_file(path, resolved)
        )

    def _doubt(self, what: str, found: Iterable[str]) -> None:
        for path in found:
            self._doubtful.setdefault(path, (what, _state(path)))

    def _on_descriptor(self, what: str, number: int) -> check.Finding | None:
        """Check a use of what was opened before the guard was there."""
        try:
            flags = _descriptor_flags(number, fcntl.F_GETFL)
            found = _fstat(number)
        except (OSError, OverflowError, ValueError):
            return None
        if flags & os.O_ACCMODE == os.O_RDONLY or not stat.S_ISREG(
            found.st_mode
        ):
            return None
        path = paths.of_descriptor(number)
        if path is None or self._allows(path) or _is_standard_stream(found):
            return None
        return _finding(what, path)

    def _on_change(self, event: str, args: check.Args) -> check.Finding | None:
        what = event.rpartition('.')[2]
        places = _CHANGES[event]
        directories = [args[at] if at < len(args) else -1 for _, at in places]
        # Linux follows the source of a link only if it is asked to.
        follows = event in _CONTENTS or (
            event == 'os.link' and directories != [-1, -1]
        )
        found = []
        for (at, _), directory in zip(places, directories, strict=True):
            if values.is_number(args[at]):
                resolved = paths.of_descriptor(values.number(args[at]))
            else:
                path = paths.absolute(args[at], directory)
                resolved = _resolve(path)
                makes = at or event in _MAKING
                if resolved and _fails(resolved, makes, event in _MAKING):
                    return None
                if follows and not at:
                    target = self._leads_to(resolved, event)
                    if target is None:
                        continue
                    resolved = target
            if resolved is not None and not self._allows(resolved):
                found.append(resolved)
        return _finding(what, found[0]) if found else None

    def _leads_to(self, place: str | None, event: str) -> str | None:
        """Return what an act on a path changes, None if it is free."""
        if place is None:
            return None
        target = paths.resolve(place)
        if target == place or _is_no_file(place, target):
            return None if target != place else place
        own = [self._allows(each) for each in (place, target)]
        if event not in _UNCERTAIN or own[0] == own[1]:
            return target
        self._doubt(event.rpartition('.')[2], (target if own[0] else place,))
        return None

    def _on_bind(self, endpoint: Any, address: Any) -> check.Finding | None:
        path = _socket_file(endpoint, address)
        if path is None or self._allows(path):
            return None
        return _finding('bind', path)

    def _on_transfer(
        self, event: str, endpoint: Any, address: Any
    ) -> check.Finding | None:
        path = _socket_file(endpoint, address)
        # If there is none, it fails by itself.
        if path is None or self._allows(path) or not paths.exists(path):
            return None
        return _finding(f'{event.rpartition(".")[2]} to the socket', path)

    def _on_database(self, event: str, given: Any) -> check.Finding | None:
        for name in values.answers(given):
            # A test connects to the same one hundreds of times.
            if name not in self._databases:
                finding = self._on_database_file(event, name)
                if finding is not None:
                    return finding
        return None

    def _on_database_file(
        self, event: str, given: str
    ) -> check.Finding | None:
        name = _database(given)
        if name is None:
            self._databases.add(given)
            return None
        path = paths.absolute(name)
        if path is None:
            return None
        resolved = paths.resolve(path)
        if self._allows(resolved) or _is_no_file(path, resolved):
            return None
        return _finding(event.removeprefix('safe_fixtures.'), resolved)

    def _allows(self, path: str) -> bool:
        roots = self._roots
        if sys.pycache_prefix:
            cache = paths.absolute(sys.pycache_prefix)
            roots = [*roots, paths.resolve(cache or '/')]
        return (
            temporary.is_own(path)
            or any(paths.is_below(path, root) for root in roots)
            or any(
                fnmatch.fnmatchcase(part, pattern)
                for pattern in self._patterns
                for part in filter(None, path.split(os.sep))
            )
        )


def _writes(mode: Any, flags: int) -> bool:
    if flags:
        return bool(flags & _WRITING)
    # Where C opens the file, the event has no flags.
    if not values.is_text(mode):
        return False
    return not set('wax+').isdisjoint(values.text(mode))


def _fails(path: str, makes: int, anew: int) -> bool:
    """Whether an act on a path fails by itself, as missing_ok relies on.

    :param makes: whether the act makes the file.
    :param anew: whether the file must not be there before.
    """
    if not makes:
        return not paths.exists(path)
    if not paths.is_directory(path.rpartition('/')[0] or '/'):
        return True
    return bool(anew) and paths.exists(path)


def _finding(what: str, path: str) -> check.Finding:
    return check.Finding('SF405', f'{what} of {path}', path)


def _state(path: str) -> Any:
    """Return what differs when a file was changed; None if it is not there."""
    found = paths.status(path, follow=False)
    return found and (
        found.st_ino,
        found.st_mode,
        found.st_nlink,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _is_standard_stream(found: os.stat_result) -> bool:
    for number in _STANDARD_STREAMS:
        try:
            if os.path.samestat(found, _fstat(number)):
                return True
        except OSError:
            continue
    return False


def _socket_file(endpoint: Any, address: Any) -> str | None:
    """Return the file of a unix socket, None if the address is no file."""
    # A socket without a name, or with an abstract one, is no file.
    if sockets.family(endpoint) != _AF_UNIX or not address:
        return None
    return _resolve(paths.absolute(address), follows=True)


def _resolve(path: str | None, follows: bool = False) -> str | None:
    """Return the path of what a path names, or None."""
    if path is None:
        return None
    directory, name = os.path.split(path)
    if follows or name in ('', os.curdir, os.pardir):
        return paths.resolve(path)
    return f'{paths.resolve(directory).rstrip("/")}/{name}'


def _is_no_file(path: str, resolved: str) -> bool:
    """Whether a path leads to what is in no directory, such as a pipe."""
    status = paths.status(path)
    if status is None:
        return False
    if not status.st_nlink:
        return True
    return resolved.startswith('/proc/') and not (
        stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    )


def _database(name: str) -> str | None:
    """Return the file of an SQLite database that is written, or None."""
    if name.startswith('file:'):
        # The event does not tell whether it is taken for a URI.
        name, _, query = name[5:].partition('#')[0].partition('?')
        if name.startswith('//'):
            name = '/' + name[2:].partition('/')[2]
        name = parse.unquote(name)
        options = dict(parse.parse_qsl(query))
        in_memory = options.get('vfs') == 'memdb'
        if in_memory or options.get('mode') in ('memory', 'ro'):
            return None
    return None if name in ('', ':memory:') else name
