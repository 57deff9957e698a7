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

"""Measure what events cost, and a report of a large run.

The records of the large run are those of the examples, repeated, each time as
if of other tests at another time.
"""

import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

from benchmarks import processes
from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures import summary

ROOT = pathlib.Path(__file__).parent.parent
# The examples that harden a base of Nova.
EXAMPLES = (
    'examples.test_caught',
    'examples.test_evacuation',
    'examples.test_local_delete',
    'examples.test_maintenance',
)
TESTS = 10000
FILES = 20
EVENTS = 100_000
EVENT_MEBIBYTES = 95
SERVICE = '3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11'
SECONDS = 30
MEBIBYTES = 500
START = datetime.datetime(2026, 1, 1)


def templates(directory):
    """Run the examples; return the events of each of their tests."""
    path = os.path.join(directory, 'examples.jsonl')
    subprocess.run(
        [sys.executable, '-m', 'testtools.run', *EXAMPLES],
        cwd=ROOT,
        env={**os.environ, 'OS_SAFE_FIXTURES__AUDIT_FILE': path},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    tests = {}
    for event in summary.read([path]):
        tests.setdefault(event['initiator']['name'], []).append(event)
    return tests


def write(directory, tests):
    """Write the records of a run of TESTS tests; return how many."""
    names = list(tests)
    count = 0
    time = START
    files = [
        open(os.path.join(directory, f'events-worker-{number}.jsonl'), 'w')
        for number in range(FILES)
    ]
    path = os.path.join(directory, 'events-run.jsonl')
    with contextlib.ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
        stack.enter_context(conf.override(audit_file=path))
        trail = stack.enter_context(audit.AuditTrail('a run'))
        trail.record(events.RUN, 'a run', mode='audit', tests=TESTS)
        for number in range(TESTS):
            name = names[number % len(names)]
            test = f'{name}_{number}'
            initiator = str(uuid.uuid4())
            for event in tests[name]:
                time += datetime.timedelta(milliseconds=7)
                print(
                    json.dumps(_as_of(event, test, initiator, time)),
                    file=files[number % FILES],
                )
                count += 1
            trail.record(events.TEST_OUTCOME, test, status='success')
            trail.events.clear()
        trail.record(events.RUN_END, 'a run', seconds=3600.0)
    return count + TESTS + 2


def _as_of(event, test, initiator, time):
    target = dict(event['target'])
    if event['action'] == events.TEST_END:
        target['name'] = test
    return {
        **event,
        'id': str(uuid.uuid4()),
        'eventTime': f'{time:%Y-%m-%dT%H:%M:%S.%f}+0000',
        'initiator': {
            **event['initiator'],
            'id': initiator,
            'name': test,
        },
        'target': target,
    }


def cost(path=None):
    """Return the seconds that an event costs, and the bytes of all events."""
    options = {} if path is None else {'audit_file': path}
    with conf.override(**options), audit.AuditTrail('a test') as trail:
        before = _resident()
        began = time.process_time()
        for number in range(EVENTS):
            trail.record(
                'disable',
                'nova-compute on host1',
                target_id=SERVICE,
                by=f'PUT /v2.1/os-services/{SERVICE} (test_x.py:{number})',
                before='enabled',
                after="disabled ('maintenance')",
            )
        seconds = time.process_time() - began
        return seconds / EVENTS, _resident() - before


def _resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def main():
    """Print what events cost, and the seconds and memory of a report."""
    with tempfile.TemporaryDirectory() as directory:
        seconds, size = cost()
        written, _ = cost(os.path.join(directory, 'events.jsonl'))
    print(f'{EVENTS} events of a test')
    print(
        f'  each    {seconds * 1e6:6.1f} us   ({written * 1e6:.1f} to a file)'
    )
    print(f'  memory  {size / 2**20:6.0f} MiB  (limit {EVENT_MEBIBYTES} MiB)')
    with tempfile.TemporaryDirectory() as directory:
        count = write(directory, templates(directory))
        size = sum(
            path.stat().st_size
            for path in pathlib.Path(directory).glob('events-*')
        )
        measured = processes.measure(
            'import sys\n'
            'from safe_fixtures.cli import main\n'
            f'sys.exit(main.main(["report", {directory!r}]))\n'
        )
    print(
        f'report of {TESTS} tests ({count} events in {FILES + 1} files, '
        f'{size / 2**20:.0f} MiB)'
    )
    print(f'  wall    {measured["wall"]:6.1f} s    (limit {SECONDS} s)')
    print(f'  memory  {measured["MiB"]:6.0f} MiB  (limit {MEBIBYTES} MiB)')
