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

"""Check which processes a test starts (SF406)."""

import _posixsubprocess
from collections.abc import Callable, Collection, Iterable
import shutil
import subprocess
import sys
from typing import Any

from safe_fixtures.guards.isolation import check
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import system
from safe_fixtures.runtime.system import os
from safe_fixtures.runtime import values

__all__ = ['Processes', 'report_fork_exec']

_which = shutil.which
# Where programs that are allowed by their mere names are looked for.
_PLACES = frozenset(
    os.path.join(prefix, name)
    for prefix in ('/', '/usr', '/usr/local')
    for name in ('bin', 'sbin')
)
# This raises an event itself. eventlet runs a copy, which is equal. A name
# could be anybody's.
_REPORTING = subprocess.Popen._execute_child.__code__  # type: ignore
# An event that CPython lacks; report_fork_exec() raises it.
_FORK_EXEC = 'safe_fixtures.fork_exec'


class Processes(check.Check):
    """Finds the processes that are started.

    :param allowed: programs that may be started: paths, or names of programs
        in the system's directories.
    """

    events: Collection[str] = (
        'subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn',
        'os.spawn', 'os.fork', 'os.forkpty', _FORK_EXEC,
    )  # fmt: skip

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(map(values.text, allowed))

    def on_event(self, event: str, args: check.Args) -> check.Finding | None:
        """See ``check.Check``."""
        how = event.rpartition('.')[2]
        if event in ('os.fork', 'os.forkpty'):
            return check.Finding('SF406', f'{how} of this process', how)
        if event == 'os.system':
            # A shell can run anything, whatever its command begins with.
            programs: tuple[str, ...] = ('/bin/sh',)
        elif event == 'subprocess.Popen':
            programs = (*_texts(args[0]), *_encoded(args[0]))
        else:
            programs = _texts(args[1] if event == 'os.spawn' else args[0])
        environment = args[3] if event == 'subprocess.Popen' else None
        for program in programs:
            if not self._allows(program, environment):
                # Without its arguments, which may hold secrets.
                return check.Finding('SF406', f'{how} of {program}', program)
        return None

    def _allows(self, program: str, environment: Any) -> bool:
        directory, name = os.path.split(program)
        if program in self._allowed and directory:
            return True
        if name not in self._allowed:
            return False
        if not directory:
            # Find what the name stands for, as whoever starts it does.
            places = os.get_exec_path(environment)
            found = _which(name, path=os.pathsep.join(places))
            if found is None:
                # Starting it fails by itself.
                return True
            directory = os.path.dirname(found)
        return directory in _PLACES


def report_fork_exec() -> Callable[[], None]:
    """Report the processes that ``multiprocessing`` spawns.

    It calls the same C function as ``subprocess``, which raises no event.

    :returns: a callable that ends it.
    """

    def look(args: Any, executables: Any, *_: Any) -> None:
        # Whoever calls the patched function.
        caller = system.frame(2)
        if caller.f_code != _REPORTING or caller.f_globals.get('sys') != sys:
            sys.audit(_FORK_EXEC, executables[0], args)

    return patching.call_before(_posixsubprocess, 'fork_exec', look)


def _encoded(program: Any) -> tuple[str, ...]:
    """Return what ``subprocess`` makes of a program.

    It asks a string to encode itself, which a subclass can do otherwise.
    """
    if type(program) in (str, bytes):
        return ()
    try:
        return (values.text(os.fsencode(program)),)
    except TypeError:
        # Starting it fails by itself.
        return ()


def _texts(program: Any) -> tuple[str, ...]:
    try:
        return values.answers(program)
    except TypeError:
        return (str(program),)
