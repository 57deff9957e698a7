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

"""CPU and wall time of hardened Nova tests, against stock ones."""

from safe_fixtures.nova import hardened  # isort: skip

import time

import testtools

from benchmarks import _pairs
from benchmarks import _tests
from safe_fixtures.nova import InstalledNova


def measure(classes):
    """Run one test of each class; return the seconds that they took."""
    wall, cpu = time.perf_counter(), time.process_time()
    for cls, method in classes:
        result = testtools.TestResult()
        cls(method).run(result)
        if not result.wasSuccessful():
            raise RuntimeError(str(result.errors + result.failures))
    return {
        'cpu': time.process_time() - cpu,
        'wall': time.perf_counter() - wall,
    }


def main(pairs):
    """Print the ratios, over all tests in one process after a warm-up."""
    stock = list(_tests.cases())
    guarded = [(hardened(cls), method) for cls, method in stock]
    with InstalledNova():
        measure(stock)
        measure(guarded)
        _pairs.report(
            f'hardened to stock, {len(stock)} Nova tests',
            _pairs.alternate(
                pairs, lambda: measure(guarded), lambda: measure(stock)
            ),
            's',
        )
