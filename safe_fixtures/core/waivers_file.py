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
import tomllib
from typing import Any

from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures.runtime import files

__all__ = ['Entry', 'read']

_KEYS = ('rule', 'tests', 'reason')
_FORM = (
    'the file may contain only [[waiver]] tables, each with the strings '
    + ', '.join(_KEYS)
)


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
    try:
        with files.open_regular(path) as file:
            return _entries(tomllib.load(file))
    except OSError as error:
        allowed = f'it must be a file that can be read ({error.strerror})'
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError) as error:
        allowed = f'it must be TOML ({error})'
    except ValueError as error:
        allowed = str(error)
    raise exceptions.ConfigurationError(
        '[safe_fixtures] waivers_file', path, allowed
    )


def _entries(content: dict[str, Any]) -> list[Entry]:
    tables = content.pop('waiver', [])
    if content:
        raise ValueError(f'unknown {", ".join(content)}: {_FORM}')
    if not isinstance(tables, list):
        raise ValueError(f'waiver must be [[waiver]]: {_FORM}')
    found: dict[tuple[str, str], Entry] = {}
    for number, table in enumerate(tables, 1):
        try:
            entry = _entry(table)
            key = (entry.rule, entry.pattern)
            if key in found:
                first = list(found).index(key) + 1
                raise ValueError(
                    f'rule and tests are the same as in entry {first}: keep '
                    'one of the two'
                )
        except ValueError as error:
            raise ValueError(f'in entry {number}, {error}') from None
        found[key] = entry
    return list(found.values())


def _entry(table: Any) -> Entry:
    if not isinstance(table, dict):
        raise ValueError(f'{table!r} is not a table: {_FORM}')
    unknown = table.keys() - set(_KEYS)
    if unknown:
        raise ValueError(
            f'{", ".join(sorted(unknown))} is unknown: the keys are '
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
