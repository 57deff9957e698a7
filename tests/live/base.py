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

"""What the tests on a live cloud share.

They need a cloud that is up: "tox run -e live" starts one, or "python
tools/live_cloud up".
"""

import fcntl
import os
import subprocess
import sys

import fixtures
import testscenarios

import safe_fixtures
from tests.live import clients
from tests.live import scripts
from tests.support import base
from tests.support import settings
from tools.live_cloud import cloud

__all__ = ['Scenarios', 'TestCase', 'running']


def running():
    """Return the cloud that is up (cloud.Cloud).

    :raises: NotRunning that says what to do.
    """
    return cloud.Cloud.running()


class TestCase(base.TestCase):
    """A test that leaves no service changed.

    It has the cloud for itself. When it ends, whatever it did to the cloud,
    all processes are up again, and it fails if a record in the database is
    another one than before.

    :ivar cloud: the cloud (cloud.Cloud).
    :ivar before: the records of all services (list of cloud.Service).
    """

    def setUp(self):
        super().setUp()
        self.cloud = running()
        self._wait_for_others()
        # A run that was ended in the middle may have left anything.
        self._mend([])
        self.before = self.cloud.services()
        self.addCleanup(self._assert_nothing_left)
        #: Where the processes of this test keep what they owe.
        self.journal_dir = self.useFixture(fixtures.TempDir()).path
        self.useFixture(settings.options(journal_dir=self.journal_dir))

    def _wait_for_others(self):
        file = open(self.cloud.layout.root / 'tests', 'w')
        self.addCleanup(file.close)
        fcntl.flock(file, fcntl.LOCK_EX)

    def _assert_nothing_left(self):
        self.assertEqual([], self._mend(self.before))

    def _mend(self, before):
        """Put right what is another than before; return what it was.

        :param before: the records as they must be; of a compute without
            one: enabled.
        """
        self.cloud.mend()
        found = self.cloud.services()
        wanted = {each.uuid: each for each in before}
        left = [
            each
            for each in found
            if each != wanted.get(each.uuid, _enabled(each))
        ]
        for each in left:
            self.put(wanted.get(each.uuid, _enabled(each)))
        for host in self.cloud.stale_traits():
            # Nova tells the compute of a change only.
            (own,) = (
                each
                for each in found
                if (each.host, each.binary) == (host, 'nova-compute')
            )
            self.put(own._replace(disabled=not own.disabled))
            self.put(own)
        return left

    def put(self, service):
        """Make a record as a service is, as somebody else would."""
        body = {
            'status': 'disabled' if service.disabled else 'enabled',
            'forced_down': service.forced_down,
        }
        if service.disabled and service.disabled_reason:
            body['disabled_reason'] = service.disabled_reason
        self.cloud.put_service(service.uuid, **body)

    def service(self, host):
        """Return the record of a compute as it is now (cloud.Service)."""
        (found,) = (
            each
            for each in self.cloud.services()
            if (each.host, each.binary) == (host, 'nova-compute')
        )
        return found

    def assertChanged(self, *hosts):
        """Assert which services are another than before, and no others."""
        found = {
            each.host
            for each in self.cloud.services()
            if each not in self.before
        }
        self.assertEqual(set(hosts), found)

    def make_toggle(self, kind='openstacksdk compute'):
        """Return a toggle that is set up, with a client of a kind."""
        toggle = safe_fixtures.SafeServiceToggle(
            api=clients.KINDS[kind](self.cloud)
        )
        return self.set_up(toggle)

    def set_up(self, toggle):
        """Set a toggle up, which the test may clean up itself."""
        toggle.setUp()
        self.addCleanup(lambda: toggle._active and toggle.cleanUp())
        return toggle

    def run_script(self, source, **environment):
        """Start a script in a process of its own (scripts.Script).

        :param source: its text; see ``scripts`` for what it can call.
        :param environment: variables for it.
        """
        script = scripts.Script(
            source,
            {
                **self.cloud.environment(),
                'OS_SAFE_FIXTURES__JOURNAL_DIR': self.journal_dir,
                **environment,
            },
        )
        self.addCleanup(script.close)
        return script

    def restore(self, *arguments, **environment):
        """Run the command "safe-fixtures restore"; return what it did."""
        return subprocess.run(
            [
                sys.executable, '-m', 'safe_fixtures.cli.main', 'restore',
                '--os-cloud', 'live', *arguments,
            ],
            env={**os.environ, **self.cloud.environment(), **environment},
            capture_output=True,
            text=True,
        )  # fmt: skip

    def assertRestores(self, *arguments, **environment):
        """Assert that the command gives back every service."""
        done = self.restore(*arguments, **environment)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertChanged()
        self.assertEqual([], self.journals())

    def journals(self):
        folder = os.path.join(self.journal_dir, 'journals')
        return os.listdir(folder) if os.path.isdir(folder) else []


class Scenarios(testscenarios.WithScenarios, TestCase):
    """A test that is run once for each of its ``scenarios``."""


def _enabled(service):
    return service._replace(
        disabled=False, disabled_reason=None, forced_down=False
    )
