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

"""Run the benchmarks: ``python -m benchmarks [--pairs N] [NAME...]``."""

import argparse
import importlib

# Module and function of each, and whether it takes pairs. Nova's comes first,
# as it patches the standard library.
BENCHMARKS = {
    'functional': ('benchmarks.functional', 'main', True),
    'cures': ('benchmarks.functional', 'cures', True),
    'guards': ('benchmarks.functional', 'guards', True),
    'memory': ('benchmarks.functional', 'memory', True),
    'imports': ('benchmarks.processes', 'imports', True),
    'gate': ('benchmarks.gate', 'main', False),
    'hook': ('benchmarks.hook', 'main', False),
    'journal': ('benchmarks.journal', 'main', False),
    'permissions': ('benchmarks.permissions', 'main', False),
    'posture': ('benchmarks.posture', 'main', False),
    'records': ('benchmarks.records', 'main', False),
    'redaction': ('benchmarks.redaction', 'main', False),
    'toggles': ('benchmarks.toggles', 'main', False),
}


def main():
    """Run the benchmarks that the command line names; default: all."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks')
    parser.add_argument('--pairs', type=int, default=7)
    parser.add_argument('names', nargs='*', metavar='NAME')
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f'there is no {unknown}; there are {list(BENCHMARKS)}')
    for name in arguments.names or BENCHMARKS:
        module, function, paired = BENCHMARKS[name]
        run = getattr(importlib.import_module(module), function)
        run(*([arguments.pairs] if paired else []))


if __name__ == '__main__':
    main()
