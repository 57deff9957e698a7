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

"""Read the waivers of a suite from a TOML file."""

import dataclasses
import fnmatch

from safe_fixtures.core import tables
from safe_fixtures import rules

__all__ = ['Entry', 'read']

_KEYS = ('rule', 'tests', 'reason')


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One waiver of the file.

    :ivar rule: the code of the rule, such as ``SF203``.
    :ivar pattern: what the whole test id must match (``fnmatch``, case
        matters).
    :ivar reason: why.
    """

    rule: str
    pattern: str
    reason: str

    def covers(self, test_id: str) -> bool:
        """Whether the entry is for the test with that id."""
        return fnmatch.fnmatchcase(test_id, self.pattern)


def read(path: str) -> list[Entry]:
    """Return the entries of a waivers file, in its order.

    :param path: a TOML file.
    :raises: ConfigurationError that names the file, the entry (from 1) and
        what is allowed.
    """
    option = '[safe_fixtures] waivers_file'
    return tables.read(path, option, 'waiver', _KEYS, _entry)


def _entry(table: dict[str, str], others: list[Entry]) -> Entry:
    rule = rules.get(table['rule'])
    if rule.always:
        raise ValueError(
            f'{rule.code} cannot be waived: it is always enforced'
        )
    entry = Entry(rule.code, table['tests'], table['reason'])
    for number, other in enumerate(others, 1):
        if (other.rule, other.pattern) == (entry.rule, entry.pattern):
            raise ValueError(
                f'rule and tests are the same as in entry {number}: keep '
                'one of the two'
            )
    return entry
