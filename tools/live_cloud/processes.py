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

"""Processes that outlive the command that started them.

Each is the leader of a session of its own, and writes down who it is before
it becomes what it shall be. So it is found, with all its children, whatever
happened to the command meanwhile, and never taken for another process.
"""

import os
import pathlib
import signal
import subprocess
import time
from typing import NamedTuple

from tools.live_cloud import errors

__all__ = ['Processes']

# The line of the process in /proc has its id and the time of its start.
_BE = (
    'IFS= read -r stat </proc/$$/stat && printf "%s\\n" "$stat" >"$0.new" && '
    'mv "$0.new" "$0" && exec "$@"'
)
_PATIENCE = 10.0


class _Stat(NamedTuple):
    """What the kernel tells about a process."""

    pid: int
    state: str
    session: int
    started: int


class Processes:
    """The processes of a cloud, by name.

    :param layout: the folders (settings.Layout).
    """

    def __init__(self, layout):
        self._folder = layout.processes
        self._logs = layout.log

    def start(self, name, command, environment=None):
        """Start a process, and leave it to itself."""
        if self.is_alive(name):
            raise errors.CloudError(f'{name} is running already')
        file = self._folder / name
        file.unlink(missing_ok=True)
        with self._log(name) as log:
            subprocess.run(
                ['setsid', '--fork', 'sh', '-c', _BE, file, *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )
        wait_for(file.exists, _PATIENCE, f'{name} did not start')

    def run(self, *jobs):
        """Run jobs at once, and wait for all.

        :param jobs: pairs of a name and a command.
        :raises: CloudError with the end of the log of one that fails.
        """
        running = {}
        for name, command in jobs:
            with self._log(name) as log:
                running[name] = subprocess.Popen(
                    ['sh', '-c', _BE, self._folder / name, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        for name, process in running.items():
            if process.wait():
                raise errors.CloudError(
                    f'{name} failed with {process.returncode}:\n'
                    + self.end_of_log(name)
                )
            (self._folder / name).unlink()

    def _log(self, name):
        return open(self._logs / f'{name}.log', 'ab')

    def end_of_log(self, name):
        """Return the path of a log and its last lines."""
        path = self._logs / f'{name}.log'
        lines = path.read_text(errors='replace').splitlines()[-15:]
        return '\n'.join([f'{path}:', *lines])

    def names(self):
        """Return the names of all that were started and not stopped."""
        if not self._folder.is_dir():
            return []
        return sorted(
            each.name
            for each in self._folder.iterdir()
            if not each.name.endswith('.new')
        )

    def pid(self, name):
        """Return the id of a process and of its session, if any is alive."""
        leader = self._leader(name)
        return leader.pid if leader and _members(leader) else None

    def is_alive(self, name):
        return self.pid(name) is not None

    def started(self, name):
        """Return when it was started or thawed, as time.time() counts."""
        return (self._folder / name).stat().st_mtime

    def memory(self, name):
        """Return the bytes that only this process and its children use."""
        leader = self._leader(name)
        return sum(map(_memory, _members(leader))) if leader else 0

    def send(self, name, number):
        """Send a signal to a process and all its children."""
        leader = self._leader(name)
        for pid in _members(leader) if leader else ():
            _kill(pid, number)

    def freeze(self, name):
        """Stop it in the middle of what it does."""
        self.send(name, signal.SIGSTOP)
        wait_for(
            lambda: self.is_frozen(name),
            _PATIENCE,
            f'{name} does not stop',
        )

    def thaw(self, name):
        """Let it go on after a freeze."""
        if self.is_alive(name):
            os.utime(self._folder / name)
            self.send(name, signal.SIGCONT)

    def is_frozen(self, name):
        leader = self._leader(name)
        found = _stat(leader.pid) if leader else None
        return bool(found and found.state == 'T')

    def stop(self, name, number=signal.SIGTERM, patience=_PATIENCE):
        """End it and its children.

        :param number: the signal that its leader gets first; the children
            get SIGKILL when the leader is gone, or after *patience* seconds.
        """
        leader = self._leader(name)
        if leader is None:
            return
        if number != signal.SIGKILL and _is(leader):
            _kill(leader.pid, number)
            # It must be awake to hear it.
            self.send(name, signal.SIGCONT)
            _wait(lambda: not _is(leader), patience)

        def is_gone():
            for pid in (left := _members(leader)):
                _kill(pid, signal.SIGKILL)
            return not left

        wait_for(is_gone, _PATIENCE, f'{name} cannot be ended')
        (self._folder / name).unlink(missing_ok=True)

    def stop_all(self):
        """End everything at once. What they would still write is not used."""
        # Of two that restart each other, or wait for each other.
        for name in self.names():
            self.send(name, signal.SIGKILL)
        for name in self.names():
            self.stop(name, signal.SIGKILL)

    def _leader(self, name):
        try:
            return _parse((self._folder / name).read_text())
        except FileNotFoundError:
            return None


def wait_for(check, patience, problem):
    """Wait until something is so.

    :param patience: seconds.
    :raises: CloudError that says the problem.
    """
    if not _wait(check, patience):
        raise errors.CloudError(f'{problem} within {patience:g} seconds')


def _wait(check, patience):
    end = time.monotonic() + patience
    while not (found := check()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def _parse(line):
    # A name can have spaces and brackets in it.
    before, _, after = line.rpartition(')')
    fields = after.split()
    return _Stat(
        int(before.split()[0]), fields[0], int(fields[3]), int(fields[19])
    )


def _stat(pid):
    try:
        return _parse(pathlib.Path(f'/proc/{pid}/stat').read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def _is(leader):
    """Whether a leader is alive, and not another process of its number."""
    found = _stat(leader.pid)
    return bool(
        found and found.started == leader.started and found.state != 'Z'
    )


def _members(leader):
    """Return the ids of what is alive in the session of a leader."""
    now = _stat(leader.pid)
    if now and now.started != leader.started:
        # The number was given away, so that nothing of the session is left.
        return []
    found = (_stat(each) for each in os.listdir('/proc') if each.isdigit())
    return [
        each.pid
        for each in found
        if each and each.session == leader.pid and each.state != 'Z'
    ]


def _kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _memory(pid):
    try:
        text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(
        int(line.split()[1]) * 1024
        for line in text.splitlines()
        if line.startswith('Pss:')
    )
