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

"""How long it takes to restore many compute services."""

import datetime
import json
import os
import subprocess
import sys
import time
import uuid

if __name__ == '__main__':
    # First, so that eventlet can patch the rest.
    import safe_fixtures.nova  # noqa: F401

COUNTS = (100, 200, 500, 1000)
MODES = {'threads': 'True', 'eventlet': 'False'}


def measure(count):
    """Toggle *count* services in one test; return the time of the restore."""
    from nova import context as nova_context
    from nova.db.main import api as db
    from nova.tests import fixtures as nova_fixtures
    import testtools

    from safe_fixtures.nova import InstalledNova
    from safe_fixtures.nova import SafeTestCase

    marks = []

    class Toggles(SafeTestCase):
        def setUp(self):
            self.useFixture(InstalledNova())
            super().setUp()
            self.useFixture(nova_fixtures.OSAPIFixture(api_version='v2.1'))

        def test(self):
            context = nova_context.get_admin_context()
            for number in range(count):
                db.service_create(
                    context,
                    {
                        'uuid': str(uuid.uuid4()),
                        'host': f'host{number:04}',
                        'binary': 'nova-compute',
                        'topic': 'compute',
                        # Long ago: the API calls a service that is up.
                        'last_seen_up': datetime.datetime(2000, 1, 1),
                    },
                )
            services = db.service_get_all_by_binary(
                context, 'nova-compute', include_disabled=True
            )
            assert len(services) == count
            # Runs after the last restore, as it is registered before the
            # first change.
            self.addCleanup(self.look)
            for service in services:
                db.service_update(context, service.id, {'disabled': True})
            marks.append((time.perf_counter(), time.process_time()))

        def look(self):
            marks.append((time.perf_counter(), time.process_time()))
            services = db.service_get_all_by_binary(
                nova_context.get_admin_context(),
                'nova-compute',
                include_disabled=True,
            )
            assert not any(service.disabled for service in services)

    result = testtools.TestResult()
    Toggles('test').run(result)
    assert result.wasSuccessful(), (result.errors + result.failures)[0][1]
    (wall, cpu), (wall_after, cpu_after) = marks
    return {'wall': wall_after - wall, 'cpu': cpu_after - cpu}


def main():
    """Print the time to restore a service, by how many were toggled."""
    for mode, threads in MODES.items():
        done = subprocess.run(
            [sys.executable, '-m', 'benchmarks.toggles', *map(str, COUNTS)],
            env={**os.environ, 'OS_NOVA_DISABLE_EVENTLET_PATCHING': threads},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        print(f'restore of toggled services, {mode}')
        for count, line in zip(COUNTS, _results(done.stdout), strict=True):
            taken = json.loads(line)
            each = ', '.join(
                f'{name} {seconds / count * 1000:5.2f} ms each'
                for name, seconds in taken.items()
            )
            print(f'  {count:>4} services  {taken["wall"]:6.2f} s  ({each})')


def _results(output):
    # Nova logs to the same stream.
    return [line for line in output.splitlines() if line.startswith('{')]


if __name__ == '__main__':
    # The first test pays for lazy imports.
    measure(10)
    for _count in sys.argv[1:]:
        print(json.dumps(measure(int(_count))))
