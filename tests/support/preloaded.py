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

"""Processes of ``safe-fixtures run`` whose imports are done already.

Half a second of work of each process of a run is to start Python and to
import this package, and the tests of the runner need hundreds of processes.
Here they are forked from one that has done that and nothing else. All the
rest of them is real: session, environment, directory, pipes, signals, exit
code, and that they are children of the process that asked for them.

Tests that start the whole command in a process of its own (``start_cli``)
start real processes, as do the tests with Nova and the examples.
"""

import atexit
import ctypes
import fcntl
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import types

__all__ = ['NO_NOVA', 'Processes']

#: For PYTHONPATH: what hides an installed Nova.
NO_NOVA = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'no_nova')

_WORKER = 'safe_fixtures.cli.runner.worker'
_COMMAND = [sys.executable, '-m', _WORKER]
# An interpreter looks at these when it starts.
_AT_START = ('PYTHON', 'LC_', 'LANG')
_SYSCALLS = {'x86_64': 56, 'aarch64': 220}  # of clone()
_CLONE_PARENT = 0x8000
_MOST = 1 << 20  # bytes of a message


def _popen(arguments, *, stdin, stdout, stderr, env, pass_fds, **options):
    """Stand in for ``subprocess.Popen`` where a run starts a process.

    It takes no other options than a run gives; a process that is no worker
    is refused.
    """
    if (
        arguments[: len(_COMMAND)] != _COMMAND
        or (stdin, stderr) != (subprocess.DEVNULL, stdout)
        or options != {'start_new_session': True}
    ):
        raise ValueError(f'no process of a run: {arguments}, {options}')
    if os.uname().machine not in _SYSCALLS:
        return subprocess.Popen(
            arguments, stdin=stdin, stdout=stdout, stderr=stderr, env=env,
            pass_fds=pass_fds, **options,
        )  # fmt: skip
    return _Child(_server(env).fork(arguments, stdout, env, pass_fds))


def Processes():
    """Return a fixture: the processes of a run begin with their imports done.

    Example::

        self.useFixture(preloaded.Processes())
    """
    # The server has no need of fixtures, and no path to this package.
    import fixtures

    return fixtures.MonkeyPatch(
        'safe_fixtures.cli.runner.process.subprocess',
        types.SimpleNamespace(**{**vars(subprocess), 'Popen': _popen}),
    )


class _Child:
    """What a run uses of ``subprocess.Popen``."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def wait(self):
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class _Server:
    """The process that has made the imports."""

    def __init__(self, environment):
        self._socket, other = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
                pass_fds=[other.fileno()],
            )
        atexit.register(self._end, os.getpid())

    def _end(self, owner):
        # A test may have forked.
        if os.getpid() == owner:
            self._socket.close()
            self._process.wait()

    def fork(self, arguments, output, environment, descriptors):
        umask = os.umask(0)
        os.umask(umask)
        request = {
            'arguments': arguments[len(_COMMAND) :],
            'environment': environment,
            'directory': os.getcwd(),
            'umask': umask,
            # The numbers that they are to have there.
            'descriptors': [1, 2, *descriptors],
        }
        socket.send_fds(
            self._socket,
            [json.dumps(request).encode()],
            [output.fileno()] * 2 + list(descriptors),
        )
        return int(self._socket.recv(_MOST))


_servers = {}


def _server(environment):
    """Return a server that has begun as this environment asks."""
    at_start = {
        name: value
        for name, value in environment.items()
        if name.startswith(_AT_START)
    }
    key = json.dumps(at_start, sort_keys=True)
    if key not in _servers:
        _servers[key] = _Server(environment)
    return _servers[key]


def _serve(requests):
    # The import of the package, as -m does it, and those of the worker.
    __import__(_WORKER)
    del sys.modules[_WORKER]
    del sys.modules['safe_fixtures.cli.runner'].worker
    while True:
        data, descriptors, _, _ = socket.recv_fds(requests, _MOST, 16)
        if not data:
            return
        pid = _fork_sibling()
        if pid == 0:
            requests.close()
            _become(json.loads(data), descriptors)
            return
        for each in descriptors:
            os.close(each)
        requests.send(str(pid).encode())


def _fork_sibling():
    """Fork a child of our parent; return as ``os.fork`` does."""
    # os.fork() would make a child of this process, and a run waits for its
    # own children. A subreaper would get them, and all their orphans, too.
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = python.syscall(
        _SYSCALLS[os.uname().machine], _CLONE_PARENT | signal.SIGCHLD,
        0, 0, 0, 0,
    )  # fmt: skip
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError('clone() failed')
    return pid


def _become(request, descriptors):
    """Be the process that was asked for, up to its end."""
    os.setsid()
    # Out of the way of the numbers that they are to have.
    given = [fcntl.fcntl(each, fcntl.F_DUPFD, 200) for each in descriptors]
    for each in descriptors:
        os.close(each)
    for source, target in zip(given, request['descriptors'], strict=True):
        os.dup2(source, target)
        os.close(source)
    os.chdir(request['directory'])
    os.umask(request['umask'])
    os.environ.clear()
    os.environ.update(request['environment'])
    sys.path.insert(0, request['directory'])
    sys.argv = [_WORKER, *request['arguments']]
    from safe_fixtures.audit import sinks

    # It is no process that a test has forked.
    sinks._FIRST = os.getpid()
    runpy.run_module(_WORKER, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    # The folder of this file; a process has its own directory there.
    del sys.path[0]
    _serve(socket.socket(fileno=int(sys.argv[1])))
