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

"""Faults of the machine on which a test runs: its disk and its clock."""

import contextlib
import glob
import os
import signal
import subprocess

from tests.live import base


class TestDisk(base.Scenarios):
    """The journal cannot be written; mounting needs root."""

    scenarios = [
        ('full', {'hinder': lambda test: test.fill()}),
        ('read-only', {'hinder': lambda test: test.make_read_only()}),
    ]

    def setUp(self):
        super().setUp()
        # Not the locks: a file that is open for writing keeps its file
        # system from becoming read-only.
        self.folder = os.path.join(self.journal_dir, 'journals')
        os.mkdir(self.folder, 0o700)
        self._mount('-t', 'tmpfs', '-o', 'size=64k,mode=700', 'none')
        self.addCleanup(subprocess.run, ['umount', self.folder], check=True)

    def _mount(self, *arguments):
        subprocess.run(['mount', *arguments, self.folder], check=True)

    def fill(self):
        with contextlib.suppress(OSError):
            with open(os.path.join(self.folder, 'filler'), 'wb') as file:
                while True:
                    file.write(bytes(4096))
                    file.flush()

    def make_read_only(self):
        self._mount('-o', 'remount,ro')

    def test_no_journal_no_toggle(self):
        toggle = self.make_toggle()
        self.hinder(self)
        self.assertRaises(OSError, toggle.disable, 'compute1')
        self.assertChanged()

    def test_what_is_owed_is_given_back(self):
        toggle = self.make_toggle()
        toggle.disable('compute1')
        self.hinder(self)
        # The last page of a journal may have room for a few lines.
        for change in 10 * [toggle.force_down, toggle.force_up]:
            before = self.service('compute2')
            try:
                change('compute2')
            except OSError:
                break
        else:
            self.fail('no change was refused')
        self.assertEqual(before, self.service('compute2'))
        toggle.cleanUp()
        self.assertChanged()


class TestClock(base.Scenarios):
    """The clock of the machine is set, as the process of the test sees it."""

    scenarios = [
        (offset, {'offset': offset})
        for offset in ('+36000', '-36000', '+400d', '-400d')
    ]
    SOURCE = '''
        import time
        toggle = make_toggle()
        toggle.disable('compute1')
        print(time.time(), flush=True)
        point('toggled')
        print(time.time(), flush=True)
        point('set')
        toggle.cleanUp()
    '''

    def run_in_time(self):
        """Start a script, and set its clock while it has a service."""
        path = os.path.join(self.journal_dir, 'clock')

        def set_clock(offset):
            with open(f'{path}.new', 'w') as file:
                file.write(offset)
            os.rename(f'{path}.new', path)

        set_clock('+0')
        (library,) = glob.glob('/usr/lib/*/faketime/libfaketime.so.1')
        script = self.run_script(
            self.SOURCE,
            LD_PRELOAD=library,
            FAKETIME_TIMESTAMP_FILE=path,
            FAKETIME_NO_CACHE='1',
            FAKETIME_DONT_FAKE_MONOTONIC='1',
        )
        script.reach('toggled')
        set_clock(self.offset)
        script.reach('set')
        begin, end = map(float, script.output.split()[-2:])
        self.assertGreater(abs(end - begin), 30000)
        return script

    def test_given_back(self):
        script = self.run_in_time()
        self.assertEqual(0, script.end(), script.output)
        self.assertChanged()

    def test_killed(self):
        script = self.run_in_time()
        script.end(signal.SIGKILL)
        self.assertChanged('compute1')
        self.assertRestores()
