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

"""The waivers of a whole suite, in a file of its own."""

import dataclasses
import fnmatch
import tomllib
from typing import Any

from safe_fixtures import exceptions
from safe_fixtures import rules

__all__ = ['Entry', 'entries']

_OPTION = '[safe_fixtures] waivers_file'
_KEYS = ('rule', 'tests', 'reason')
_FORM = (
    'the file may hold nothing but tables [[waiver]], each with the strings '
    + ', '.join(_KEYS)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One waiver of a file.

    :ivar rule: the code of the rule, such as ``SF203``.
    :ivar pattern: what the whole id of a test must match (``fnmatch``,
        upper and lower case differ).
    :ivar reason: why.
    """

    rule: str
    pattern: str
    reason: str

    def covers(self, test_id: str) -> bool:
        """Whether it is about the test of that id."""
        return fnmatch.fnmatchcase(test_id, self.pattern)


def entries(path: str) -> list[Entry]:
    """Return the waivers of a file, in its order.

    :param path: a TOML file.
    :raises: ConfigurationError that names the file, the entry (from 1) and
        what is allowed.
    """
    try:
        with open(path, 'rb') as file:
            content = tomllib.load(file)
    except OSError as error:
        raise _refused(
            path, f'it must be a file that can be read ({error.strerror})'
        ) from error
    except ValueError as error:
        raise _refused(path, f'it must be TOML ({error})') from error
    tables = content.pop('waiver', [])
    if content:
        raise _refused(path, f'unknown {", ".join(content)}: {_FORM}')
    if not isinstance(tables, list):
        raise _refused(path, f'waiver must be [[waiver]]: {_FORM}')
    found: list[Entry] = []
    numbers: dict[tuple[str, str], int] = {}
    for number, table in enumerate(tables, 1):
        try:
            entry = _entry(table)
            first = numbers.setdefault((entry.rule, entry.pattern), number)
            if first != number:
                raise ValueError(
                    f'it is the same as entry {first}: give each rule and '
                    'tests once'
                )
        except ValueError as error:
            raise _refused(path, f'in entry {number}, {error}') from error
        found.append(entry)
    return found


def _entry(table: Any) -> Entry:
    if not isinstance(table, dict):
        raise ValueError(f'{table!r} is not a table: {_FORM}')
    unknown = table.keys() - set(_KEYS)
    if unknown:
        raise ValueError(
            f'{", ".join(sorted(unknown))} is unknown: there are '
            + ', '.join(_KEYS)
        )
    for key in _KEYS:
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(
                f'{key} is {value!r}: it must be a string that is not empty'
            )
    rule = rules.get(table['rule'])
    if rule.always:
        raise ValueError(
            f'{rule.code} cannot be waived: it is always enforced'
        )
    return Entry(rule.code, table['tests'], table['reason'])


def _refused(path: str, allowed: str) -> exceptions.ConfigurationError:
    return exceptions.ConfigurationError(_OPTION, path, allowed)
