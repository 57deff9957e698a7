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

"""How long the two looks of the posture guard take."""

import time

from safe_fixtures import nova as safe_nova

LIMIT = 2.0


class _Server(safe_nova.SafeIntegratedTestBase):
    microversion = '2.79'

    def test(self):
        self._create_server(networks='none')
        probes = self.posture_guard.default_probes()
        took = {probe.name: [] for probe in probes}
        for _ in range(self.rounds):
            for probe in probes:
                began = time.process_time()
                before = probe.snapshot()
                list(probe.changes(before, probe.snapshot()))
                took[probe.name].append(time.process_time() - began)
        # The least, as everything else that runs only adds to it.
        _Server.least = {name: 1000 * min(each) for name, each in took.items()}


def main(rounds=101):
    """Print milliseconds for each probe, and for all of them."""
    _Server.rounds = rounds
    result = _Server('test').defaultTestResult()
    _Server('test').run(result)
    for _, problem in (*result.errors, *result.failures):
        print(problem)
    # Not in the test, whose output Nova may capture.
    print(f'both looks ({rounds} rounds), in milliseconds of CPU')
    for name, milliseconds in _Server.least.items():
        print(f'  {name:<16} {milliseconds:.3f}')
    total = sum(_Server.least.values())
    print(f'  {"all":<16} {total:.3f} (at most {LIMIT})')
