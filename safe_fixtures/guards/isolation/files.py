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
import fnmatch
import os
import socket
import stat
import sys
from typing import Any
from urllib import parse

from safe_fixtures.boundary import temporary
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import open_call

__all__ = ['HostFiles']

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DEVICES = frozenset((
    '/dev/null', '/dev/zero', '/dev/full', '/dev/tty', '/dev/ptmx',
    '/dev/pts/ptmx',
))  # fmt: skip
_TERMINALS = '/dev/pts/'
# Where the event has a path, and the directory that it is relative to. These
# change the path itself; what a symbolic link leads to is not written.
_ENTRIES = {
    'os.mkdir': ((0, 2),),
    'os.rmdir': ((0, 1),),
    'os.remove': ((0, 1),),
    'os.rename': ((0, 2), (1, 3)),
    'os.link': ((0, 2), (1, 3)),
    'os.symlink': ((1, 2),),
}
# These change what a symbolic link at the path leads to.
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


class HostFiles:
    """Finds what changes files outside the test's temporary directories.

    :param allowed: what else may be changed: paths, with all below them, and
        patterns without a slash, which some component of a path matches.
        Relative paths and ``~`` are resolved here.
    """

    events: Collection[str] = (
        'open', 'socket.bind', 'sqlite3.connect', *_CHANGES, *temporary.MAKING,
    )  # fmt: skip

    def __init__(self, allowed: Iterable[str]) -> None:
        self._roots = []
        self._patterns = []
        # The databases that were found to be the test's own.
        self._databases: set[str] = set()
        for entry in allowed:
            if os.sep in entry or entry == '~':
                path = os.path.expanduser(entry)
                self._roots.append(os.path.realpath(path))
            else:
                self._patterns.append(entry)

    def on_event(self, event: str, args: check.Args) -> check.Finding | None:
        """See ``check.Check``."""
        # First what happens most often: an import reads a file.
        if event == 'open':
            writes = _writes(args[1], args[2])
            return self._on_open(args) if writes else None
        if event in _CHANGES:
            return self._on_change(event, args)
        if event == 'socket.bind':
            return self._on_bind(*args)
        if event == 'sqlite3.connect':
            return self._on_database(os.fsdecode(args[0]))
        temporary.note_made(args)
        return None

    def _on_open(self, args: check.Args) -> check.Finding | None:
        name, _, flags = args
        if isinstance(name, int):
            return None
        found = []
        for directory in open_call.directories(name, args):
            path = temporary.absolute(name, directory)
            if path is None:
                return None
            resolved = os.path.realpath(path)
            if (
                self._allows(resolved)
                or resolved in _DEVICES
                or resolved.startswith(_TERMINALS)
                # It cannot be opened; tempfile asks so for an unnamed file.
                or os.path.isdir(resolved)
                or _is_no_file(path, resolved)
            ):
                return None
            # Where C opens the file, the event has no flags.
            makes = not flags or flags & os.O_CREAT
            if not _fails(resolved, makes, anew=flags & os.O_EXCL):
                found.append(resolved)
        if not found:
            return None
        # One of several directories: which one is not known.
        target = found[0] if len(found) == 1 else os.fsdecode(name)
        return _finding('open for writing', target)

    def _on_change(self, event: str, args: check.Args) -> check.Finding | None:
        what = event.removeprefix('os.')
        places = _CHANGES[event]
        directories = [args[at] if at < len(args) else -1 for _, at in places]
        # Linux follows the source of a link only if it is asked to.
        follows = event in _CONTENTS or (
            what == 'link' and directories != [-1, -1]
        )
        for (at, _), directory in zip(places, directories, strict=True):
            if isinstance(args[at], int):
                resolved = temporary.of_descriptor(args[at])
            else:
                path = temporary.absolute(args[at], directory)
                resolved = _resolve(path, follows, args)
                makes = at or what in ('mkdir', 'symlink')
                if resolved and _fails(resolved, makes, what == 'mkdir'):
                    return None
            if resolved is not None and not self._allows(resolved):
                return _finding(what, resolved)
        return None

    def _on_bind(self, endpoint: Any, address: Any) -> check.Finding | None:
        if endpoint.family != getattr(socket, 'AF_UNIX', None):
            return None
        # A socket without a name, or with an abstract one, is no file.
        resolved = _resolve(temporary.absolute(address)) if address else None
        if resolved is None or self._allows(resolved):
            return None
        return _finding('bind', resolved)

    def _on_database(self, given: str) -> check.Finding | None:
        # A test connects to the same one hundreds of times.
        if given in self._databases:
            return None
        name = _database(given)
        path = None if name is None else temporary.absolute(name)
        if path is None:
            return None
        resolved = os.path.realpath(path)
        if self._allows(resolved) or _is_no_file(path, resolved):
            if os.path.isabs(given):
                self._databases.add(given)
            return None
        return _finding('sqlite3.connect', resolved)

    def _allows(self, path: str) -> bool:
        roots = self._roots
        if sys.pycache_prefix:
            roots = [*roots, os.path.realpath(sys.pycache_prefix)]
        return (
            temporary.is_temporary(path)
            or any(temporary.is_below(path, root) for root in roots)
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
    return isinstance(mode, str) and not set('wax+').isdisjoint(mode)


def _fails(path: str, makes: int, anew: int) -> bool:
    """Whether an act on a path fails by itself, as missing_ok relies on.

    :param makes: whether the act makes the file.
    :param anew: whether the file must not be there before.
    """
    if not makes:
        return not os.path.lexists(path)
    if not os.path.isdir(os.path.dirname(path)):
        return True
    return bool(anew) and os.path.lexists(path)


def _finding(what: str, path: str) -> check.Finding:
    return check.Finding('SF405', f'{what} of {path}', path)


def _resolve(
    path: str | None, follows: bool = False, args: check.Args = ()
) -> str | None:
    """Return the path that an act on *path* changes, or None."""
    if path is None:
        return None
    directory, name = os.path.split(path)
    if name in ('', os.curdir, os.pardir):
        return os.path.realpath(path)
    place = os.path.join(os.path.realpath(directory), name)
    if not follows or not os.path.islink(place):
        return place
    # The event does not tell whether the link itself is meant.
    call = open_call.OpenCall(args)
    if 'follow_symlinks' in call.keywords or 'lchown' in call.names:
        return place
    resolved = os.path.realpath(place)
    return None if _is_no_file(place, resolved) else resolved


def _is_no_file(path: str, resolved: str) -> bool:
    """Whether a path leads to what is in no directory, such as a pipe."""
    try:
        status = os.stat(path)
    except OSError:
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
