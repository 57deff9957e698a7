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

"""Write a baseline: debts as TOML that people can read and review."""

import collections
from collections.abc import Iterable
import json

from safe_fixtures.core import debts
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable

__all__ = ['as_toml', 'write']

_HEADER = """\
# The debts of this suite: violations that were accepted, to be mended later.
# "safe-fixtures run --baseline FILE" records them, and fails on what is new.
# A waiver states a reason; a debt states who owes the change and may remove
# it. "safe-fixtures baseline --prune" takes out what is paid, and only that.
"""


def as_toml(found: Iterable[debts.Debt]) -> str:
    """Return debts as the text of a baseline.

    It is sorted, so that the same debts give the same text.

    :param found: the debts; no two have the same key.
    """
    groups: dict[tuple[str, ...], list[debts.Debt]] = collections.defaultdict(
        list
    )
    for debt in found:
        groups[debt.rule, debt.file, debt.done, debt.owner].append(debt)
    parts = [_HEADER]
    for (rule, file, done, owner), group in sorted(groups.items()):
        place = [f'file = {_quoted(file)}'] if file else []
        parts += [
            '',
            '[[debt]]',
            f'rule = {_quoted(rule)}',
            *place,
            f'done = {_quoted(done)}',
            f'owner = {_quoted(owner)}',
            '[debt.tests]',
        ]
        parts += sorted(
            f'{_quoted(each.test)} = {each.count}' for each in group
        )
    return '\n'.join([parts[0].rstrip('\n'), *parts[1:], ''])


def write(path: str, found: Iterable[debts.Debt]) -> None:
    """Write a baseline; a reader sees the old one or the whole new one.

    :param path: the file.
    :param found: the debts.
    :raises: OSError if it cannot be written.
    """
    files.write_whole(path, as_toml(found).encode())


def _quoted(text: str) -> str:
    # Of text that can be printed, JSON and TOML make the same.
    return json.dumps(printable.line(text), ensure_ascii=False)
