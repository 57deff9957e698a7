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

"""Read TOML files that hold tables: waivers, debts and leaks."""

from collections.abc import Callable, Sequence
import tomllib
from typing import Any, TypeVar

from safe_fixtures import exceptions
from safe_fixtures.runtime import files

__all__ = ['read']

_Entry = TypeVar('_Entry')


def read(
    path: str,
    option: str,
    name: str,
    keys: Sequence[str],
    make: Callable[[dict[str, Any], list[_Entry]], _Entry],
    optional: Sequence[str] = (),
    others: Sequence[str] = (),
) -> list[_Entry]:
    """Return what the tables of a TOML file say, in its order.

    :param path: a TOML file that contains nothing else.
    :param option: the option that names the file, for messages.
    :param name: the name of each table, such as ``waiver``.
    :param keys: what each must have: strings that are not empty.
    :param make: makes an entry of a table and of the entries before it; it
        raises ValueError, with what is allowed.
    :param optional: what strings each may have besides.
    :param others: what each may have that *make* checks.
    :raises: ConfigurationError that names the file, the entry (from 1) and
        what is allowed.
    """
    form = (
        f'the file may contain only [[{name}]] tables, each with the strings '
        + ', '.join(keys)
        + ''.join(f' and {each}' for each in others)
    )
    try:
        with files.open_regular(path) as file:
            content = tomllib.load(file)
        tables = content.pop(name, [])
        if content:
            raise ValueError(f'unknown {", ".join(content)}: {form}')
        if not isinstance(tables, list):
            raise ValueError(f'{name} must be [[{name}]]: {form}')
        found: list[_Entry] = []
        for number, table in enumerate(tables, 1):
            try:
                _check(table, keys, optional, others, form)
                found.append(make(table, found))
            except ValueError as error:
                raise ValueError(f'in entry {number}, {error}') from None
        return found
    except OSError as error:
        allowed = f'it must be a file that can be read ({error.strerror})'
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError) as error:
        allowed = f'it must be TOML ({error})'
    except ValueError as error:
        allowed = str(error)
    raise exceptions.ConfigurationError(option, path, allowed)


def _check(
    table: Any,
    keys: Sequence[str],
    optional: Sequence[str],
    others: Sequence[str],
    form: str,
) -> None:
    if not isinstance(table, dict):
        raise ValueError(f'{table!r} is not a table: {form}')
    names = *keys, *optional, *others
    unknown = table.keys() - {*names}
    if unknown:
        raise ValueError(
            f'{", ".join(sorted(unknown))} is unknown: the keys are '
            + ', '.join(names)
        )
    for key in (*keys, *(table.keys() & {*optional})):
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(
                f'{key} is {value!r}: it must be a string that is not empty'
            )
