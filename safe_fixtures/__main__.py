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

"""Run a module, such as a test runner, with its tests hardened.

Usage: ``python -m safe_fixtures -m MODULE [ARGUMENT...]``, such as
``python -m safe_fixtures -m testtools.run nova.tests.functional.test_servers``
"""

import os
import runpy
import sys

from safe_fixtures.hardening import suite

__all__ = ['main']


def main(arguments: list[str]) -> int:
    """Harden, and run a module as ``python -m`` does.

    :param arguments: ``-m``, the module, and the module's arguments.
    :returns: 3 if nothing was run, else 0; the module may exit by itself.
    """
    if len(arguments) < 2 or arguments[0] != '-m':
        print(__doc__, file=sys.stderr)
        return 3
    suite.harden()
    if arguments[1] == 'stestr':
        # It starts its workers with this.
        os.environ.setdefault('PYTHON', f'{sys.executable} -m safe_fixtures')
    sys.argv = arguments[1:]
    runpy.run_module(arguments[1], run_name='__main__', alter_sys=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
