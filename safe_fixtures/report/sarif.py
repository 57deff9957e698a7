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


"""Violations as SARIF 2.1.0, which code scanning reads."""

import collections
from collections.abc import Callable, Sequence
import dataclasses
import hashlib
import json
import os
import re
from typing import Any

from safe_fixtures.core import debts as core_debts
from safe_fixtures.report import catalogue
from safe_fixtures.report import results
from safe_fixtures.report import texts
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.summary import places
from safe_fixtures.summary import violations

__all__ = ['compose', 'write']

_SCHEMA = 'https://json.schemastore.org/sarif-2.1.0.json'
_ROOT = '%SRCROOT%'
_MESSAGE = 4000  # characters
_NAME = 1000
_PATH = 4096
_LEVELS = {'enforced': 'error', 'recorded': 'warning'}
_TIME = re.compile(r'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?)\+0000')
# What differs between machines and runs in a path.
_PACKAGES = '-packages/'
_SPACE = re.compile(r'(\s+)')
_TEMPORARY = re.compile(r'\btmp[a-z0-9_]{8}\b')


def write(
    paths: Sequence[str],
    file: str,
    debts: Sequence[core_debts.Debt] | None = None,
    before: Sequence[str] = (),
) -> None:
    """Write the violations as SARIF.

    :param paths: as for :func:`safe_fixtures.summary.read`.
    :param file: the name of the file; it is replaced as a whole.
    :param debts: those of the baseline; default: there is none.
    :param before: earlier runs to compare with; as *paths*.
    :raises: OSError, ValueError: as by ``read``, and OSError if the file
        cannot be written.
    """
    earlier = results.read(before) if before else None
    log = compose(results.read(paths, debts), earlier)
    files.write_whole(file, f'{json.dumps(log, indent=1)}\n'.encode())


def compose(
    found: results.Results, before: results.Results | None = None
) -> dict[str, Any]:
    """Return the violations as SARIF: a log with one run.

    Each result says whether it is new: it is what a baseline does not cover,
    else what earlier runs did not do. Without both, it does not say so.

    :param found: what is in the records.
    :param before: what is in those of earlier runs; default: there are none.
    """
    driver = catalogue.driver()
    codes = [rule['id'] for rule in driver['rules']]
    fingerprints = _Fingerprints()
    is_new = _newness(found, before)
    listed = []
    for violation, count in found.found.listed():
        code = texts.short(violation.code, _NAME)
        if code not in codes:
            # Of a release that has more rules.
            codes.append(code)
            driver['rules'].append({'id': code})
        fingerprint = fingerprints.of(violation)
        result = {
            'ruleId': code,
            'ruleIndex': codes.index(code),
            **_result(violation, count, found.pattern(violation)),
            # GitHub looks at the second one only.
            'partialFingerprints': {
                'safeFixtures/v1': fingerprint,
                'primaryLocationLineHash': fingerprint,
            },
        }
        if is_new is not None:
            new = is_new(violation, fingerprint)
            result['baselineState'] = 'new' if new else 'unchanged'
        listed.append(result)
    run = {
        'tool': {'driver': driver},
        'taxonomies': [catalogue.taxonomy()],
        'automationDetails': {'id': 'safe_fixtures/'},
        'columnKind': 'unicodeCodePoints',
        'originalUriBaseIds': {
            _ROOT: {'uri': f'{places.uri(os.getcwd()).rstrip("/")}/'}
        },
        'invocations': _invocations(found),
        'results': listed,
    }
    return {'$schema': _SCHEMA, 'version': '2.1.0', 'runs': [run]}


def _newness(
    found: results.Results, before: results.Results | None
) -> Callable[[violations.Violation, str], bool] | None:
    """Return what says whether a violation is new; None if nothing does."""
    if found.total.new is not None:
        new = {violation for violation, _ in found.total.new.listed()}
        return lambda violation, fingerprint: violation in new
    if before is None:
        return None
    fingerprints = _Fingerprints()
    known = {fingerprints.of(each) for each, _ in before.found.listed()}
    return lambda _, fingerprint: fingerprint not in known


def _result(
    violation: violations.Violation, count: int, pattern: str | None
) -> dict[str, Any]:
    text = f'{violation.message or "Unknown"}. {violation.remedy}'.strip()
    result: dict[str, Any] = {
        'kind': 'fail',
        'level': _LEVELS.get(violation.outcome, 'note'),
        # A name could be taken for a link.
        'message': {'text': texts.short(text.replace('](', '] ('), _MESSAGE)},
        'locations': [_location(violation)],
        'suppressions': _suppressions(violation, pattern),
        'properties': {
            'outcome': violation.outcome,
            'mode': texts.short(violation.mode, _NAME),
            'test': texts.short(violation.test, _NAME),
        },
    }
    if count:
        result['occurrenceCount'] = count
    return result


def _location(violation: violations.Violation) -> dict[str, Any]:
    test = texts.short(violation.test, _NAME)
    location: dict[str, Any] = {
        'logicalLocations': [{'fullyQualifiedName': test, 'kind': 'function'}]
    }
    # No file has a longer name.
    known = violation.file if len(violation.file) < _PATH else ''
    file = known or places.file_of(violation.test)
    if file:
        path = places.relative(file)
        artifact = {'uri': places.uri(path)}
        if not path.startswith('/'):
            artifact['uriBaseId'] = _ROOT
        location['physicalLocation'] = {'artifactLocation': artifact}
        # Of what has no place, the file is that of the test.
        line = violation.line if known else 1
        if line:
            location['physicalLocation']['region'] = {'startLine': line}
    return location


def _suppressions(
    violation: violations.Violation, pattern: str | None
) -> list[dict[str, Any]]:
    if violation.outcome == 'expected':
        why = 'The test expects it: expect_violation().'
    elif violation.outcome == 'waived':
        why = texts.short(violation.reason, _MESSAGE)
    else:
        return []
    return [
        {
            'kind': 'inSource' if pattern is None else 'external',
            'status': 'accepted',
            'justification': why,
        }
    ]


class _Fingerprints:
    """Says which violation is the same as one of an earlier run.

    It is the same rule, test, file and act, whatever the line. Of several
    equal ones, the first in a file is the first again.
    """

    def __init__(self) -> None:
        self._seen: collections.Counter[str] = collections.Counter()

    def of(self, violation: violations.Violation) -> str:
        """Return the fingerprint; ask once for each violation."""
        act = dataclasses.replace(
            violation, message=_portable(violation.message)
        )
        file = places.relative(violation.file) if violation.file else ''
        parts = violation.code, violation.test, _portable(file), act.shape
        text = '\0'.join(map(printable.line, parts))
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._seen[digest] += 1
        return f'{digest}:{self._seen[digest]}'


def _portable(text: str) -> str:
    text = text.replace(f'{os.getcwd().rstrip("/")}/', '')
    words = (word.rpartition(_PACKAGES)[2] for word in _SPACE.split(text))
    return _TEMPORARY.sub('*', ''.join(words))


def _invocations(found: results.Results) -> list[dict[str, Any]]:
    total = found.total
    notes = [
        {
            'level': 'warning',
            'message': {'text': texts.short(f'Not read: {each}', _MESSAGE)},
        }
        for each in (*total.skipped, *total.truncated)
    ]
    invocations = []
    for run in found.runs():
        invocation: dict[str, Any] = {
            'executionSuccessful': not (run.interrupted or run.not_run)
        }
        for name, time in (
            ('startTimeUtc', run.began),
            ('endTimeUtc', run.ended),
        ):
            if match := _TIME.fullmatch(time):
                invocation[name] = f'{match[1]}Z'
        invocations.append(invocation)
    if notes:
        if not invocations:
            invocations.append({'executionSuccessful': True})
        invocations[0]['toolExecutionNotifications'] = notes
    return invocations
