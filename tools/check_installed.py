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

"""Check that the installed package is complete.

To be run with "python -P": the source tree must not be importable, as this
is about what the built wheel contains.
"""

from importlib import metadata
import pathlib
import re
import sys

import safe_fixtures

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    source = ROOT / 'safe_fixtures'
    installed = pathlib.Path(safe_fixtures.__file__).parent
    problems = []
    if installed == source:
        problems.append(f'{installed} is the source tree')
    for path in sorted(source.rglob('*')):
        if path.is_dir() or '__pycache__' in path.parts:
            continue
        name = path.relative_to(source)
        if not (installed / name).is_file():
            problems.append(f'{name} is not in the package')
        elif (installed / name).read_bytes() != path.read_bytes():
            problems.append(f'{name} differs from the source tree')
    for requirement in metadata.requires('safe_fixtures') or ():
        if re.match(r'pbr\b', requirement):
            problems.append('pbr is a requirement at run time')
    for group in ('oslo.config.opts', 'safe_fixtures.backends'):
        if not any(
            entry.value.startswith('safe_fixtures.')
            for entry in metadata.entry_points(group=group)
        ):
            problems.append(f'no entry point in {group}')
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
