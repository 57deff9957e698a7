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

"""Harden the tests of a whole process without editing them.

What knows a project is an entry point of the group ``safe_fixtures.suites``
whose name is the module it is for: a callable that hardens its test bases.
"""

from importlib import metadata
from importlib import util

__all__ = ['harden']


def harden() -> list[str]:
    """Harden the test bases of every project that is installed.

    Call it before anything else is imported: a project may have to patch
    the standard library first, as Nova does.

    :returns: the names of the projects; empty where there is none.
    """
    names = []
    for entry in metadata.entry_points(group='safe_fixtures.suites'):
        spec = util.find_spec(entry.name)
        # A directory of that name, which is no package, has no origin.
        if spec is not None and spec.origin is not None:
            entry.load()()
            names.append(entry.name)
    return names
