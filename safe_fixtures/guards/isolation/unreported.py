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

"""Report changes of files that the interpreter does not report."""

from collections.abc import Callable
import functools
import gc
import os
import re
import sys
from typing import Any

from safe_fixtures.runtime import patching

__all__ = ['ATTACH', 'MKFIFO', 'MKNOD', 'report']

ATTACH = 'safe_fixtures.sqlite3.attach'
MKFIFO = 'safe_fixtures.mkfifo'
MKNOD = 'safe_fixtures.mknod'
_ATTACHED = re.compile(
    r'(?:\s|--[^\n]*\n|/\*.*?\*/)*ATTACH\b\s*(?:DATABASE\b)?(.*)\bAS\b',
    re.IGNORECASE | re.DOTALL,
)
# The codes of SQLite; the module may not be imported yet.
_OK, _DENY, _ATTACH = 0, 1, 24
_CREATING = os.O_RDWR | os.O_CREAT


def report() -> Callable[[], None]:
    """Report special files, the files of dbm, and databases that are attached.

    Functions are replaced, so what was bound before is not reported.

    :returns: a callable that ends it.
    """
    when_imported = patching.patch_when_imported
    return patching.patch_together(
        functools.partial(_report_special_files, os),
        functools.partial(_report_special_files, sys.modules[os.name]),
        lambda: when_imported('sqlite3.dbapi2', _watch_connections),
        lambda: when_imported('sqlite3', _watch_connections),
        lambda: when_imported('dbm.gnu', _report_dbm),
        lambda: when_imported('dbm.ndbm', _report_dbm),
    )


def _report_special_files(module: Any) -> Callable[[], None]:
    def on_fifo(path: Any, mode: int = 0, *, dir_fd: Any = None) -> None:
        sys.audit(MKFIFO, path, mode, -1 if dir_fd is None else dir_fd)

    def on_node(
        path: Any, mode: int = 0, device: int = 0, *, dir_fd: Any = None
    ) -> None:
        number = -1 if dir_fd is None else dir_fd
        sys.audit(MKNOD, path, mode, device, number)

    call_before = patching.call_before
    return patching.patch_together(
        lambda: call_before(module, 'mkfifo', on_fifo),
        lambda: call_before(module, 'mknod', on_node),
    )


def _report_dbm(module: Any) -> Callable[[], None]:
    def on_open(file: Any, flag: str = 'r', *_: Any) -> None:
        if not flag.startswith('r'):
            sys.audit('open', file, None, _CREATING)

    return patching.call_before(module, 'open', on_open)


def _watch_connections(module: Any) -> Callable[[], None]:
    original = module.connect

    @functools.wraps(original)
    def connect(*args: Any, **kwargs: Any) -> Any:
        connection = original(*args, **kwargs)
        # Not when the interpreter reports the connection: it is not ready.
        if isinstance(connection, module.Connection):
            module.Connection.set_authorizer(connection, _authorizer(module))
        return connection

    return patching.patch_attribute(module, 'connect', connect)


def _authorizer(module: Any) -> Callable[..., int]:
    """Return a function that SQLite asks before each act of a statement."""

    def authorize(action: int, name: str | None, *_: Any) -> int:
        if action != _ATTACH:
            return _OK
        if name is None:
            # It is an expression; the text with its values comes later.
            for each in gc.get_referrers(authorize):
                if isinstance(each, module.Connection):
                    each.set_trace_callback(_interrupter(authorize, module))
            return _OK
        try:
            sys.audit(ATTACH, name)
        except Exception:
            # Nobody sees it; the guard has kept it.
            return _DENY
        return _OK

    return authorize


def _interrupter(
    authorize: Callable[..., int], module: Any
) -> Callable[[str], None]:
    """Return a function that stops statements which attach a host's file."""

    def look(statement: str) -> None:
        match = _ATTACHED.match(statement)
        name = match and _value_of(match[1], module)
        if not name:
            return
        try:
            sys.audit(ATTACH, name)
        except Exception:
            for each in gc.get_referrers(authorize):
                if isinstance(each, module.Connection):
                    each.interrupt()

    return look


def _value_of(expression: str, module: Any) -> Any:
    """Return the value of an expression of SQL, None if it has none."""
    connection = module.Connection(':memory:')
    try:
        return connection.execute(f'SELECT {expression}').fetchone()[0]
    except module.Error:
        return None
    finally:
        connection.close()
