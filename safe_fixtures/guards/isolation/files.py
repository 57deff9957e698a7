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

"""The host's files, as a concern of isolation (SF405)."""

from collections.abc import Collection, Iterable
import fnmatch
import os
import socket
import stat
import sys
from typing import Any, NamedTuple
from urllib import parse

from safe_fixtures.boundary import temporary
from safe_fixtures.guards.isolation import concern
from safe_fixtures.guards.isolation import open_call

__all__ = [
    'HostFiles',
]

_CODE = 'SF405'
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DEVICES = frozenset((
    '/dev/null', '/dev/zero', '/dev/full', '/dev/tty', '/dev/ptmx',
    '/dev/pts/ptmx',
))  # fmt: skip
_TERMINALS = '/dev/pts/'


class _Change(NamedTuple):
    what: str
    #: Where the event has a path and the directory that it is relative to.
    places: tuple[tuple[int, int], ...]
    #: Whether it acts on what a symbolic link at that path leads to.
    follows: bool = False


_CHANGES = {
    'os.mkdir': _Change('mkdir', ((0, 2),)),
    'os.rmdir': _Change('rmdir', ((0, 1),)),
    'os.remove': _Change('remove', ((0, 1),)),
    'os.rename': _Change('rename', ((0, 2), (1, 3))),
    'os.link': _Change('link', ((0, 2), (1, 3))),
    # Where it leads is nothing that is written to.
    'os.symlink': _Change('symlink', ((1, 2),)),
    'os.truncate': _Change('truncate', ((0, 2),), follows=True),
    'os.chmod': _Change('chmod', ((0, 2),), follows=True),
    'os.chown': _Change('chown', ((0, 3),), follows=True),
    'os.chflags': _Change('chflags', ((0, 2),), follows=True),
    'os.utime': _Change('utime', ((0, 3),), follows=True),
    'os.setxattr': _Change('setxattr', ((0, 4),), follows=True),
    'os.removexattr': _Change('removexattr', ((0, 2),), follows=True),
}


class HostFiles:
    """Finds what changes files outside the test's temporary directories.

    :param allowed: what may be changed besides: paths (with what is below
        them; relative ones and ``~`` are resolved here), and patterns without
        a slash, which some component of a path matches.
    """

    events: Collection[str] = (
        'open', 'socket.bind', 'sqlite3.connect', *_CHANGES, *temporary.MAKING,
    )  # fmt: skip

    def __init__(self, allowed: Iterable[str]) -> None:
        self._roots = []
        self._patterns = []
        # Those that were found to be inside.
        self._databases: set[str] = set()
        for entry in allowed:
            if os.sep in entry or entry == '~':
                path = os.path.expanduser(entry)
                self._roots.append(os.path.realpath(path))
            else:
                self._patterns.append(entry)

    def judge(
        self, event: str, args: tuple[Any, ...]
    ) -> concern.Finding | None:
        """See ``_concern.Concern``."""
        if event == 'open':
            # What imports do most goes first.
            if not args[2] & _WRITING and (args[2] or not _writes(args[1])):
                return None
            return self._judge_open(args)
        change = _CHANGES.get(event)
        if change is not None:
            return self._judge_change(change, args)
        if event == 'socket.bind':
            return self._judge_bind(args)
        if event == 'sqlite3.connect':
            return self._judge_database(args)
        temporary.note_made(args)
        return None

    def _judge_open(self, args: tuple[Any, ...]) -> concern.Finding | None:
        name = args[0]
        if isinstance(name, int):
            return None
        found = []
        for base in open_call.bases(name, args):
            path = temporary.absolute(name, base)
            if path is None:
                return None
            resolved = os.path.realpath(path)
            if (
                self._allows(resolved)
                or resolved in _DEVICES
                or resolved.startswith(_TERMINALS)
                # Nobody can; tempfile asks for a file without a name so.
                or os.path.isdir(resolved)
                or _is_no_file(path, resolved)
            ):
                return None
            if not _cannot_open(resolved, args[2]):
                found.append(resolved)
        if not found:
            return None
        # Which of several it is is not known.
        target = found[0] if len(found) == 1 else os.fsdecode(name)
        return _finding('open for writing', target)

    def _judge_change(
        self, change: _Change, args: tuple[Any, ...]
    ) -> concern.Finding | None:
        follows = change.follows
        directories = [
            args[at] if at < len(args) else -1 for _, at in change.places
        ]
        # Linux only follows a link that it is to link to if it is told more.
        if change.what == 'link':
            follows = directories != [-1, -1]
        for (at, _), directory in zip(change.places, directories, strict=True):
            if isinstance(args[at], int):
                resolved = temporary.of_descriptor(args[at])
            else:
                path = temporary.absolute(args[at], directory)
                resolved = _resolve(path, follows, args)
                makes = change.what in ('mkdir', 'symlink') or at
                if resolved is not None and _cannot(
                    resolved, makes=makes, anew=change.what == 'mkdir'
                ):
                    return None
            if resolved is not None and not self._allows(resolved):
                return _finding(change.what, resolved)
        return None

    def _judge_bind(self, args: tuple[Any, ...]) -> concern.Finding | None:
        endpoint, address = args
        if endpoint.family != getattr(socket, 'AF_UNIX', None):
            return None
        # Without a name, or with an abstract one, it is in no directory.
        resolved = _resolve(temporary.absolute(address)) if address else None
        if resolved is None or self._allows(resolved):
            return None
        return _finding('bind', resolved)

    def _judge_database(self, args: tuple[Any, ...]) -> concern.Finding | None:
        given = os.fsdecode(args[0])
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
        if temporary.is_temporary(path):
            return True
        if any(temporary.is_below(path, root) for root in self._roots):
            return True
        if sys.pycache_prefix and temporary.is_below(
            path, os.path.realpath(sys.pycache_prefix)
        ):
            return True
        parts = path.split(os.sep)
        return any(
            part and fnmatch.fnmatchcase(part, pattern)
            for pattern in self._patterns
            for part in parts
        )


def _cannot(path: str, *, makes: Any, anew: bool) -> bool:
    """Whether an act on a path fails by itself, as missing_ok relies on."""
    if not makes:
        return not os.path.lexists(path)
    if not os.path.isdir(os.path.dirname(path)):
        return True
    return anew and os.path.lexists(path)


def _cannot_open(path: str, flags: int) -> bool:
    return _cannot(
        path,
        # Where it is C that opens, the event has no flags.
        makes=not flags or flags & os.O_CREAT,
        anew=bool(flags & os.O_EXCL),
    )


def _finding(what: str, path: str) -> concern.Finding:
    return concern.Finding(_CODE, f'{what} of {path}', path)


def _writes(mode: Any) -> bool:
    # Where it is C that opens, the event has no flags.
    return isinstance(mode, str) and not set('wax+').isdisjoint(mode)


def _resolve(
    path: str | None, follows: bool = False, args: tuple[Any, ...] = ()
) -> str | None:
    """Return what an act on a path is on."""
    if path is None:
        return None
    directory, name = os.path.split(path)
    if name in ('', os.curdir, os.pardir):
        return os.path.realpath(path)
    place = os.path.join(os.path.realpath(directory), name)
    if not follows or not os.path.islink(place):
        return place
    # The event does not tell whether it is the link itself.
    call = open_call.OpenCall(args)
    if 'follow_symlinks' in call.keywords or 'lchown' in call.names:
        return place
    resolved = os.path.realpath(place)
    return None if _is_no_file(place, resolved) else resolved


def _is_no_file(path: str, resolved: str) -> bool:
    """Whether a path leads, through /proc, to what is not in a directory."""
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
        # Whether it is taken for a URI is not told.
        name, _, query = name[5:].partition('#')[0].partition('?')
        if name.startswith('//'):
            name = '/' + name[2:].partition('/')[2]
        name = parse.unquote(name)
        options = dict(parse.parse_qsl(query))
        if (
            options.get('mode') in ('memory', 'ro')
            or options.get('vfs') == 'memdb'
        ):
            return None
    return None if name in ('', ':memory:') else name
