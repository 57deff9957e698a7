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

"""Who may do what to the servers that were checked, as tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import json
import re
from typing import Any

import markupsafe

from safe_fixtures.audit import events
from safe_fixtures.report.pictures import texts

__all__ = ['tables']

_TABLES = 40
_LISTED = 30  # servers, findings and reasons of a table
_NAMES = 60  # personas and operations
_KINDS = frozenset({'allowed', 'forbidden', 'hidden', 'error'})
_FINDING = re.compile(r'([^:]+): ([^:]+): expected (\w+), got \w+')

_SECTION = markupsafe.Markup(
    '<section class="pic-permissions"><h2>{title}</h2>{table}{lists}</section>'
)
_TABLE = markupsafe.Markup(
    '<div class="pic-box" tabindex="0" role="region" aria-label="{label}">'
    '<table class="pic-matrix"><caption>{caption}</caption><thead><tr>'
    '<th scope="col">operation</th>{heads}</tr></thead><tbody>{rows}</tbody>'
    '</table></div>'
)
_HEAD = markupsafe.Markup('<th scope="col">{}</th>')
_ROW = markupsafe.Markup('<tr><th scope="row">{}</th>{}</tr>')
_CELL = markupsafe.Markup('<td class="pic-{kind}">{text}{mark}</td>')
_WRONG = markupsafe.Markup(' <strong>✗ should be {}</strong>')
_STATED = markupsafe.Markup(' <em title="{}">as the test states</em>')
_LIST = markupsafe.Markup('<h3>{}</h3><ul class="pic-list">{}</ul>')
_ITEM = markupsafe.Markup('<li>{}</li>')
_NOTE = markupsafe.Markup('<p class="note">{}</p>')
_OLD = 'What each persona was told is not in the records.'


@dataclasses.dataclass
class _Check:
    """Servers that were checked with the same result.

    :ivar event: one of the checks.
    :ivar servers: each server and the test that checked it.
    """

    event: events.Event
    servers: list[tuple[str, str]]

    @property
    def details(self) -> Mapping[str, Any]:
        return self.event.details


def tables(checks: Iterable[events.Event]) -> markupsafe.Markup:
    """Return a table for each result of some checks; empty without any.

    :param checks: the events ``evaluate/permissions``.
    """
    folded = _folded(checks)
    left_out = len(folded) - _TABLES
    parts = [_section(check) for check in folded[:_TABLES]]
    if left_out > 0:
        parts.append(
            _NOTE.format(f'{left_out} more results are not shown here.')
        )
    return markupsafe.Markup('').join(parts)


def _folded(checks: Iterable[events.Event]) -> list[_Check]:
    """Return checks with the same result as one, the wrong ones first."""
    found: dict[str, _Check] = {}
    for event in checks:
        result = {
            name: value
            for name, value in event.details.items()
            if name not in ('requests', 'seconds')
        }
        key = json.dumps([event.outcome, result], default=str)
        check = found.setdefault(key, _Check(event, []))
        check.servers.append((event.target, event.test))
    order = ('failure', 'success')
    return sorted(
        found.values(),
        key=lambda check: (
            order.index(check.event.outcome)
            if check.event.outcome in order
            else len(order),
            not check.details.get('deviations'),
        ),
    )


def _section(check: _Check) -> markupsafe.Markup:
    count = texts.counted(len(check.servers), 'server')
    findings = check.details.get('findings', [])
    title = f'{count} as expected'
    if check.event.outcome == 'failure':
        title = f'{count} with {texts.counted(len(findings), "finding")}'
    elif check.event.outcome != 'success':
        title = f'{count} not checked'
    deviations = check.details.get('deviations', {})
    lists = (
        ('Wrong', findings),
        (
            'Changed on purpose',
            [f'{what} ({why})' for what, why in deviations.items()],
        ),
        ('Not checked', check.details.get('not_checked', [])),
        (
            'Checked by',
            [f'{test}: server {server}' for server, test in check.servers],
        ),
    )
    return _SECTION.format(
        title=title,
        table=_table(check),
        lists=markupsafe.Markup('').join(
            _listed(name, items) for name, items in lists if items
        ),
    )


def _listed(title: str, items: Sequence[str]) -> markupsafe.Markup:
    shown = [texts.shown(item) for item in items[:_LISTED]]
    if len(items) > _LISTED:
        shown.append(f'and {len(items) - _LISTED} more')
    return _LIST.format(title, markupsafe.Markup('').join(
        map(_ITEM.format, shown)
    ))  # fmt: skip


def _table(check: _Check) -> markupsafe.Markup:
    outcomes: Mapping[str, Mapping[str, str]] = check.details.get(
        'outcomes', {}
    )
    if not outcomes:
        is_old = check.event.outcome != 'unknown'
        return _NOTE.format(_OLD) if is_old else markupsafe.Markup('')
    personas = list(outcomes)[:_NAMES]
    operations = list(
        dict.fromkeys(name for each in outcomes.values() for name in each)
    )[:_NAMES]
    expected = dict(_expected(check.details.get('findings', ())))
    stated = check.details.get('deviations', {})
    rows = (
        _ROW.format(
            texts.shown(operation),
            markupsafe.Markup('').join(
                _cell(
                    outcomes[persona].get(operation, ''),
                    expected.get((persona, operation)),
                    stated.get(f'{persona}: {operation}'),
                )
                for persona in personas
            ),
        )
        for operation in operations
    )
    version = texts.shown(check.details.get('microversion')) or 'unknown'
    requests = check.details.get('requests', 0)
    return _TABLE.format(
        label='Personas and operations',
        caption=f'Microversion {version}, '
        f'{texts.counted(requests, "request")} for each server',
        heads=markupsafe.Markup('').join(
            _HEAD.format(texts.shown(persona)) for persona in personas
        ),
        rows=markupsafe.Markup('').join(rows),
    )


def _expected(
    findings: Iterable[str],
) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield persona and operation of wrong outcomes, and the right one."""
    for text in findings:
        found = _FINDING.match(text)
        if found:
            yield (found[1], found[2]), found[3]


def _cell(
    got: str, expected: str | None, reason: str | None
) -> markupsafe.Markup:
    known = got in _KINDS
    kind = got if known else 'unchecked'
    mark: str | markupsafe.Markup = ''
    if expected is not None:
        kind, mark = 'wrong', _WRONG.format(expected)
    elif reason is not None and known:
        kind, mark = f'{kind} pic-stated', _STATED.format(texts.shown(reason))
    return _CELL.format(
        kind=kind,
        text=got if known else 'not checked',
        mark=mark,
    )
