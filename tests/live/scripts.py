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

"""Scripts in processes of their own, which stop at points of their text.

A script begins with what ``prelude`` offers. It calls ``point('name')`` and
waits there, until the test lets it go on or ends it::

    script = self.run_script('''
        toggle = make_toggle()
        toggle.disable('compute1')
        point('disabled')
    ''')
    script.reach('disabled')
    script.end(signal.SIGKILL)
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

from tests.support import base

__all__ = ['Script', 'point']

_FILES = 'LIVE_CLOUD_POINTS'
_PRELUDE = 'from tests.live.prelude import *\n'
_PATIENCE = 120.0


def point(name):
    """Say where the script is, and wait; for scripts."""
    there, back = map(int, os.environ[_FILES].split())
    os.write(there, f'{name}\n'.encode())
    os.read(back, 1)


class Script:
    """A script that runs.

    :param source: its text; it may be indented.
    :param environment: variables besides those of this process.
    """

    def __init__(self, source, environment):
        self._points, there = os.pipe()
        back, self._go = os.pipe()
        self._seen, self._at = b'', None
        self._output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, '-c', _PRELUDE + textwrap.dedent(source)],
            cwd=base.ROOT,
            env={**os.environ, **environment, _FILES: f'{there} {back}'},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=(there, back),
            start_new_session=True,
        )
        os.close(there)
        os.close(back)

    @property
    def output(self):
        """What it has printed so far."""
        self._output.seek(0)
        return self._output.read().decode(errors='replace')

    def reach(self, name):
        """Let it go on until it is at a point, and waits there.

        :raises: AssertionError with its output if it ends before.
        """
        if not self.can_reach(name):
            raise AssertionError(f'not at {name!r}:\n{self.output}')

    def can_reach(self, name):
        """Let it go on until a point; return False if it ends before."""
        end = time.monotonic() + _PATIENCE
        if self._at:
            self.go_on()
        while (found := self._next(end)) != name:
            if found is None:
                return False
            self.go_on()
        self._at = name
        return True

    def _next(self, end):
        while b'\n' not in self._seen:
            left = max(0, end - time.monotonic())
            if not select.select([self._points], [], [], left)[0]:
                return None
            read = os.read(self._points, 1024)
            if not read:
                return None
            self._seen += read
        line, _, self._seen = self._seen.partition(b'\n')
        return line.decode()

    def go_on(self):
        """Let it leave the point where it waits."""
        self._at = None
        os.write(self._go, b'.')

    def end(self, number=None):
        """Wait until it ends.

        :param number: a signal to send first; default: let it go on.
        :returns: its exit code.
        """
        if number is None:
            self.go_on()
        else:
            self.process.send_signal(number)
            # It stops at no point on its way out.
            os.close(self._go)
            self._go = None
        return self.process.wait(_PATIENCE)

    def close(self):
        """End what is left of it, with its children."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for each in (self._points, self._go):
            if each is not None:
                os.close(each)
        self._output.close()
