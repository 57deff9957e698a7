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

"""What the journal and the lock of a live cloud add to a change of a service.

The files are in a temporary directory. An entry and a settlement wait for the
disk (``fsync``), so the figures are those of the disk of TMPDIR.
"""

import statistics
import tempfile
import time

from safe_fixtures.guards import services
from safe_fixtures.guards.services import journal

_ENABLED = services.ServiceState()
_DISABLED = services.ServiceState(disabled=True)


def _service(number):
    return journal.Service(
        endpoint='http://cloud.example.com/compute',
        region='RegionOne',
        uuid=f'00000000-0000-0000-0000-{number:012}',
        host=f'host{number}',
        binary='nova-compute',
    )


class _Timed:
    """Times calls, and prints the median of each kind."""

    def __init__(self):
        self._times = {}

    def __call__(self, what, function, *arguments):
        began = time.perf_counter()
        function(*arguments)
        took = time.perf_counter() - began
        self._times.setdefault(what, []).append(took * 1e3)

    def report(self):
        for what, took in self._times.items():
            cuts = statistics.quantiles(took, n=20)
            print(
                f'  {what:44} {statistics.median(took):7.3f} ms'
                f'  (5% to 95%: {cuts[0]:.3f} to {cuts[-1]:.3f})'
            )


def main(count=1000):
    """Print how many milliseconds each step takes.

    :param count: how many services are locked and changed (int).
    """
    timed = _Timed()
    with tempfile.TemporaryDirectory() as directory:
        its_journal = journal.Journal(directory)
        changed = [_service(number) for number in range(count)]
        locks = [journal.ServiceLock(directory, each) for each in changed]
        for lock, service in zip(locks, changed, strict=True):
            timed('lock a service', lock.acquire, 0)
            timed(
                'an entry in a file',
                its_journal.intend,
                service,
                _ENABLED,
                _DISABLED,
            )
        for lock, service in zip(locks, changed, strict=True):
            timed('settle a service', its_journal.saw, service, _ENABLED)
            timed('release a lock', lock.release)
        for service in changed[: count // 10]:
            timed(
                'an entry in a new file',
                its_journal.intend,
                service,
                _ENABLED,
                _DISABLED,
            )
            timed(
                'settle the last one, and remove the file',
                its_journal.saw,
                service,
                _ENABLED,
            )
    print(f'journal and locks ({count} services, one process)')
    timed.report()
