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

"""The cost of whole processes: imports, and the memory of Nova tests."""

import os
import subprocess
import sys
import time

from benchmarks import _pairs

REQUIREMENTS = (
    'import fixtures, oslo_config.cfg, oslo_utils.strutils, '
    'oslo_utils.uuidutils, testtools, wrapt, pycadf.event, '
    'microversion_parse'
)


def measure(code):
    """Run Python code; return its seconds and its peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, '-c', code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f'{code!r} failed')
    return {
        'cpu': usage.ru_utime + usage.ru_stime,
        'wall': time.perf_counter() - start,
        'MiB': usage.ru_maxrss / 1024,
    }


def imports(pairs):
    """Print the ratio of importing us to importing what we require."""
    ours, theirs = 'import safe_fixtures', REQUIREMENTS
    measure(ours)
    measure(theirs)
    _pairs.report(
        'import safe_fixtures to import its requirements',
        _pairs.alternate(
            pairs, lambda: measure(ours), lambda: measure(theirs)
        ),
    )
