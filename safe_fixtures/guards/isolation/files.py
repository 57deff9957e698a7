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
import contextlib
import dis
import fnmatch
import functools
import os
import socket
import stat
import sys
import tempfile
from types import FrameType
from typing import Any, NamedTuple
from urllib import parse

from safe_fixtures.guards.isolation import concern

__all__ = [
    'HostFiles',
    'MAKING',
    'absolute',
    'bases',
    'is_made',
    'is_temporary',
    'note_made',
]

_CODE = 'SF405'
_DEFAULT = tempfile.gettempdir()
#: The events that tell of a directory or file that ``tempfile`` makes.
MAKING = ('tempfile.mkdtemp', 'tempfile.mkstemp')
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DEVICES = frozenset((
    '/dev/null', '/dev/zero', '/dev/full', '/dev/tty', '/dev/ptmx',
    '/dev/pts/ptmx',
))  # fmt: skip
_TERMINALS = '/dev/pts/'
_SHARED_MEMORY = '/dev/shm/'


# What tempfile made in this process, in a test or for its class. It is kept,
# as a name may be made again.
_made: set[str] = set()
_resolved = functools.lru_cache(os.path.realpath)


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
        'open', 'socket.bind', 'sqlite3.connect', *_CHANGES, *MAKING,
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
        note_made(args)
        return None

    def _judge_open(self, args: tuple[Any, ...]) -> concern.Finding | None:
        name = args[0]
        if isinstance(name, int):
            return None
        found = []
        for base in bases(name, args):
            path = absolute(name, base)
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
                resolved = _of_descriptor(args[at])
            else:
                path = absolute(args[at], directory)
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
        resolved = _resolve(absolute(address)) if address else None
        if resolved is None or self._allows(resolved):
            return None
        return _finding('bind', resolved)

    def _judge_database(self, args: tuple[Any, ...]) -> concern.Finding | None:
        given = os.fsdecode(args[0])
        # A test connects to the same one hundreds of times.
        if given in self._databases:
            return None
        name = _database(given)
        path = None if name is None else absolute(name)
        if path is None:
            return None
        resolved = os.path.realpath(path)
        if self._allows(resolved) or _is_no_file(path, resolved):
            if os.path.isabs(given):
                self._databases.add(given)
            return None
        return _finding('sqlite3.connect', resolved)

    def _allows(self, path: str) -> bool:
        if is_temporary(path):
            return True
        if any(_is_below(path, root) for root in self._roots):
            return True
        if sys.pycache_prefix and _is_below(
            path, os.path.realpath(sys.pycache_prefix)
        ):
            return True
        parts = path.split(os.sep)
        return any(
            part and fnmatch.fnmatchcase(part, pattern)
            for pattern in self._patterns
            for part in parts
        )


def absolute(name: Any, base: str | int | None = None) -> str | None:
    """Return an absolute path, with its links, or None if there is none.

    :param base: what it is relative to: a directory or its descriptor.
    """
    name = os.fsdecode(name)
    # What has one in it is refused by all that opens or changes files.
    if '\0' in name:
        return None
    if os.path.isabs(name):
        return str(name)
    if base is None or base == -1:
        try:
            base = os.getcwd()
        except OSError:
            # Nothing can be made in a directory that is gone.
            return None
    elif isinstance(base, int):
        base = _of_descriptor(base)
    return None if base is None else os.path.join(base, name)


def note_made(args: tuple[Any, ...]) -> None:
    """Note a directory or file that ``tempfile`` is about to make."""
    path = absolute(args[0])
    # Not a name that it tries and finds taken.
    if path is not None and not os.path.lexists(path):
        path = os.path.realpath(path)
        if not is_made(path):
            _made.add(path)


def is_made(path: str) -> bool:
    """Whether a resolved path is in what ``tempfile`` made."""
    below = ''
    while path != below:
        if path in _made:
            return True
        below, path = path, os.path.dirname(path)
    return False


def is_temporary(path: str) -> bool:
    """Whether a resolved path is in the temporary directory, or was made."""
    return _is_below(path, _resolved(_temporary())) or is_made(path)


def _temporary() -> str:
    """Return the temporary directory, which tests move."""
    # Not by gettempdir(): it holds a lock while it writes to directories to
    # find one that it can write to.
    current = tempfile.tempdir or next(
        filter(None, map(os.environ.get, ('TMPDIR', 'TEMP', 'TMP'))), _DEFAULT
    )
    return os.fsdecode(current)


def bases(name: Any, args: tuple[Any, ...]) -> list[str | None]:
    """Return the directories that what is opened may be relative to.

    The event tells the name only, not the ``dir_fd`` that goes with it: if
    the call passes one, it is one of the directories that are open.

    :param name: what is opened.
    :param args: those of the event, which find the call that caused it.
    :returns: None is the current directory.
    """
    if os.path.isabs(os.fsdecode(name)):
        return [None]
    call = _Call(args)
    if 'dir_fd' not in call.keywords and not call.is_open_ended:
        return [None]
    directories = {}
    with contextlib.suppress(OSError):
        for each in os.listdir('/proc/self/fd'):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.fstat(int(each)).st_mode):
                    directories[int(each)] = _of_descriptor(int(each))
    named = directories.keys() & call.numbers
    found: list[str | None] = [
        path
        for number, path in sorted(directories.items())
        if path is not None and (not named or number in named)
    ]
    return found if 'dir_fd' in call.keywords else [None, *found]


class _Call:
    """The call that caused an event, as the frame that makes it shows.

    :ivar keywords: the names of the arguments that it passes by name.
    :ivar is_open_ended: whether it passes more than it shows.
    :ivar names: the names in the code that makes it.
    :ivar numbers: those that this code has in variables.
    """

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.keywords: frozenset[str] = frozenset()
        self.is_open_ended = False
        self.names: tuple[str, ...] = ()
        self.numbers: frozenset[int] = frozenset()
        frame: FrameType | None = sys._getframe(1)
        # Whoever hands the event on has its very arguments.
        handed = False
        while frame is not None:
            holds = any(each is args for each in frame.f_locals.values())
            if handed and not holds:
                break
            handed = handed or holds
            frame = frame.f_back
        if frame is None:
            return
        code = frame.f_code
        self.names = code.co_names
        self.numbers = frozenset(
            each for each in frame.f_locals.values() if type(each) is int
        )
        last: list[dis.Instruction] = []
        for instruction in dis.get_instructions(code):
            last = [*last[-2:], instruction]
            if instruction.offset >= frame.f_lasti:
                break
        if not last or not last[-1].opname.startswith(('CALL', 'PRECALL')):
            return
        self.is_open_ended = last[-1].opname == 'CALL_FUNCTION_EX'
        for instruction in last[:-1]:
            # The names go before the call, as a constant.
            if instruction.opname in ('KW_NAMES', 'LOAD_CONST'):
                value = code.co_consts[instruction.arg or 0]
                if isinstance(value, tuple):
                    self.keywords = frozenset(map(str, value))
        self.is_open_ended |= 'opener' in self.keywords


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


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ''))


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
    call = _Call(args)
    if 'follow_symlinks' in call.keywords or 'lchown' in call.names:
        return place
    resolved = os.path.realpath(place)
    return None if _is_no_file(place, resolved) else resolved


def _of_descriptor(number: int) -> str | None:
    """Return the path of what is open, or None if it has none."""
    try:
        status = os.fstat(number)
        path = os.readlink(f'/proc/self/fd/{number}')
    except (OSError, OverflowError):
        return None
    if not status.st_nlink or not os.path.isabs(path):
        return None
    # That was made by another interface than that of files.
    return None if path.startswith(_SHARED_MEMORY) else path


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
