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

"""Tell a person what the guards did, from the events they recorded.

Usage: ``python -m safe_fixtures.summary FILE...``
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
import json
import sys
from typing import Any

from pycadf import event

from safe_fixtures import audit
from safe_fixtures import rules

__all__ = ['main', 'read', 'summarize']

_TOGGLES = ('enable', 'disable', 'update/forced_down')
_REFUSALS = ('deny', 'evaluate/violation')
_OUTCOMES = {'success': 'passed', 'failure': 'failed', 'unknown': 'skipped'}


def read(paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of some audit files, in the order of the files.

    :param paths: files that ``[safe_fixtures] audit_file`` named.
    :raises: OSError for a file that cannot be read; ValueError for one that
        is not an audit file.
    """
    for path in paths:
        with open(path, encoding='utf-8') as lines:
            for number, line in enumerate(lines, 1):
                stored = json.loads(line)
                if not _is_event(stored):
                    raise ValueError(f'{path}:{number} is no audit event')
                yield stored


def summarize(events: Iterable[Mapping[str, Any]]) -> str:
    """Return a summary of events as text of several lines.

    :param events: as in :attr:`safe_fixtures.AuditTrail.events`.
    """
    tests: collections.Counter[str] = collections.Counter()
    pins: collections.Counter[str] = collections.Counter()
    checks: collections.Counter[str] = collections.Counter()
    broken: dict[str, collections.Counter[str]] = {}
    toggles = 0
    toggled: set[str] = set()
    # Whether the last attempt to restore it succeeded.
    restored: dict[str, bool] = {}
    for stored in events:
        action = stored['action']
        target = stored['target']
        said = audit.details(stored)
        if action == 'evaluate/test':
            tests[_OUTCOMES.get(stored['outcome'], 'skipped')] += 1
        elif action == 'configure/microversion':
            pins[said['served']] += 1
        elif action in ('evaluate/image', 'evaluate/flavor'):
            checks[action.partition('/')[2]] += 1
        elif action in _TOGGLES or action == 'update/disabled_reason':
            toggles += 1
            toggled.add(target['id'])
        elif action == 'restore/service':
            restored[target['id']] = stored['outcome'] == 'success'
        elif action in _REFUSALS:
            kind = _kind(action, said)
            code = stored['reason']['reasonCode']
            broken.setdefault(code, collections.Counter())[kind] += 1
    lines = [
        f'Tests:           {_listed(tests) or "none"}',
        f'Services:        {len(toggled)} toggled ({toggles} times), '
        f'{sum(restored.get(key, False) for key in toggled)} restored, '
        f'{sum(not good for good in restored.values())} lost',
        f'Microversions:   {_pinned(pins)}',
        f'Images checked:  {checks["image"]}',
        f'Flavors checked: {checks["flavor"]}',
        f'Violations:      {_total(broken)}',
    ]
    for code in sorted(broken):
        lines.append(
            f'  {code} {rules.get(code).title}: {_listed(broken[code])}'
        )
    return '\n'.join(lines)


def _is_event(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get('typeURI') == event.TYPE_URI_EVENT
        and {'action', 'outcome', 'target'} <= value.keys()
        and (value['action'] not in _REFUSALS or 'reason' in value)
    )


def _kind(action: str, said: Mapping[str, Any]) -> str:
    if 'waived' in said:
        return 'waived'
    if said.get('expected'):
        return 'expected'
    return 'refused' if action == 'deny' else 'recorded'


def _listed(counts: Mapping[str, int]) -> str:
    return ', '.join(f'{counts[kind]} {kind}' for kind in sorted(counts))


def _pinned(pins: Mapping[str, int]) -> str:
    served = ', '.join(
        f'{pins[version]} requests for latest served at {version}'
        for version in sorted(pins)
    )
    return served or 'no request for latest'


def _total(broken: Mapping[str, collections.Counter[str]]) -> str:
    total = sum(sum(counts.values()) for counts in broken.values())
    expected = sum(counts['expected'] for counts in broken.values())
    if not total:
        return 'none'
    return f'{total - expected}, and {expected} that tests provoked'


def main(arguments: list[str] | None = None) -> int:
    """Print the summary of the audit files that are named.

    :param arguments: paths; default: those of the command line.
    :returns: 0, or 2 where a file cannot be read.
    """
    paths = sys.argv[1:] if arguments is None else arguments
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(summarize(read(paths)))
    except (OSError, ValueError) as error:
        print(f'cannot summarize: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
