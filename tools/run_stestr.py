#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Run stestr with a new, empty repository under the given directory.

Every test environment has its own, so that they can run side by side and
that a result of an earlier run is never taken for one of this run. A run
that takes longer than MINUTES is ended, workers and all: a test of Nova can
hang so that no timeout of its own ends it.
"""

import os
import shutil
import signal
import subprocess
import sys

MINUTES = 40
# As of timeout(1).
TIMED_OUT = 124


def main(directory, *args):
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    command = [sys.executable, '-m', 'stestr', '--repo-url', directory]
    process = subprocess.Popen([*command, *args], start_new_session=True)
    try:
        return process.wait(timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        print(f'{directory}: ended after {MINUTES} minutes', file=sys.stderr)
        return TIMED_OUT
    finally:
        # Also when this is interrupted; workers outlive what started them.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
