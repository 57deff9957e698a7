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

"""Settings of inner tests.

Environment and file are read once in a process. A test of ours that changes
them reads them anew, as a process does that begins, and so does what follows
it.
"""

import os

import fixtures

from safe_fixtures import conf
from safe_fixtures.core import debts
from safe_fixtures.core import waivers

__all__ = ['Environment', 'forget', 'options', 'unset']


def forget():
    """Read environment, file, waivers and debts anew at the next use."""
    conf.forget()
    waivers._read.clear()
    debts._read.clear()


class Environment(fixtures.Fixture):
    """Sets variables, as for a process that begins now.

    :param variables: by name; None for one that is not set.
    """

    def __init__(self, **variables):
        super().__init__()
        self._variables = variables

    def _setUp(self):
        self.addCleanup(forget)
        for name, value in self._variables.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        forget()


def unset():
    """Return a fixture: settings that nobody has given."""
    prefixes = 'OS_SAFE_FIXTURES__', 'SAFE_FIXTURES_'
    names = [name for name in os.environ if name.startswith(prefixes)]
    return Environment(**dict.fromkeys(names))


def options(**values):
    """Return a fixture: options of the environment."""
    return Environment(
        **{
            f'OS_SAFE_FIXTURES__{name.upper()}': value
            for name, value in values.items()
        }
    )
