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

"""The other default probes."""

import gc
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import fixtures
import testtools

from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from safe_fixtures.guards.posture import resource_probes
from tests.support import base
from tests.support import posture as support


class TestNoChange(support.WaysTestCase):
    """These changes have no effect."""

    def test_new_logger(self):
        name = f'{support.LOGGER}.new'
        self.addCleanup(logging.Logger.manager.loggerDict.pop, name)
        self.assert_no_change(
            lambda: logging.getLogger(name).addHandler(logging.NullHandler())
        )

    def test_thread_that_ends(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.guards.posture.resource_probes._GRACE', 30.0
            )
        )
        ended = threading.Event()
        # It ends when the guard has begun to wait for it.
        self.addCleanup(ended.set)
        thread = threading.Thread(target=ended.wait)
        join = thread.join

        def end_and_join(*args):
            ended.set()
            join(*args)

        thread.join = end_and_join
        self.assert_no_change(thread.start)

    def test_thread_that_was_there(self):
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)
        self.assert_no_change(lambda: None)


class TestMasking(support.WaysTestCase):
    def test_variables(self):
        for name in (
            'OS_PASSWORD',
            'OS_TOKEN',
            'AWS_SECRET_ACCESS_KEY',
            'AWS_ACCESS_KEY_ID',
            'API_KEY',
            'MYSQL_PWD',
            'BASIC_AUTH',
        ):
            with self.subTest(name=name):
                with fixtures.EnvironmentVariable(name):
                    self.assert_masked(
                        lambda name=name: os.environ.update(
                            {name: support.SECRET}
                        ),
                        shown=name,
                    )


class TestProbes(support.WaysTestCase):
    def test_nothing_is_imported(self):
        """Only what is imported already is looked at."""
        script = (
            'import sys\n'
            'from safe_fixtures.guards import posture\n'
            'before = set(sys.modules)\n'
            'with posture.PostureGuard(): pass\n'
            'print(sorted(name for name in set(sys.modules) - before\n'
            "      if name.partition('.')[0] in ('requests', 'urllib3',\n"
            "      'ssl', 'http', 'wsgi_intercept', 'nova', 'eventlet')))\n"
        )
        done = subprocess.run(
            [sys.executable, '-c', script],
            capture_output=True,
            check=True,
            text=True,
        )
        self.assertEqual('[]', done.stdout.strip())

    def test_directory_that_is_gone(self):
        before = os.getcwd()
        gone = tempfile.mkdtemp()
        self.addCleanup(os.chdir, before)
        with testtools.ExpectedException(
            exceptions.SafetyViolation, r".*cwd: .* -> '\(removed\)'"
        ):
            with posture.PostureGuard():
                os.chdir(gone)
                shutil.rmtree(gone)

    def test_umask_is_not_touched(self):
        self.useFixture(fixtures.MonkeyPatch('os.umask', self.fail))
        with posture.PostureGuard():
            pass


class TestDaemonProbe(base.TestCase):
    def test_no_collection_within(self):
        # In CPython 3.11 it would wait for good for a thread that starts.
        for collects in (True, False):
            with self.subTest(collects=collects):
                self.addCleanup(gc.enable)
                (gc.enable if collects else gc.disable)()
                seen = []

                def look(seen=seen):
                    seen.append(gc.isenabled())
                    return {1: None}

                with fixtures.MonkeyPatch(
                    'safe_fixtures.guards.posture.resource_probes'
                    '._current_frames',
                    look,
                ):
                    self.assertIn(1, resource_probes.DaemonProbe().snapshot())
                self.assertEqual([False], seen)
                self.assertIs(collects, gc.isenabled())
