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

The files are made in a temporary directory, on the disk of TMPDIR. ``fsync``
is all that takes long, so the figures are those of that disk.
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
    """Calls functions, and prints how long they took."""

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
    """Print milliseconds of each step, as median of many services."""
    timed = _Timed()
    with tempfile.TemporaryDirectory() as directory:
        record = journal.Journal(directory)
        changes = [_service(number) for number in range(count)]
        locks = [journal.ServiceLock(directory, each) for each in changes]
        for lock, service in zip(locks, changes, strict=True):
            timed('lock a service', lock.acquire, 0)
            timed(
                'an entry in a file',
                record.intend,
                service,
                _ENABLED,
                _DISABLED,
            )
        for lock, service in zip(locks, changes, strict=True):
            timed('settle a service', record.saw, service, _ENABLED)
            timed('release a lock', lock.release)
        for service in changes[: count // 10]:
            timed(
                'an entry in a new file',
                record.intend,
                service,
                _ENABLED,
                _DISABLED,
            )
            timed(
                'settle the last one, and remove the file',
                record.saw,
                service,
                _ENABLED,
            )
    print(f'journal and locks ({count} services, one process)')
    timed.report()
