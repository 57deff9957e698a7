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


"""The outcomes of tests as JUnit XML, which CI systems read."""

import collections
from collections.abc import Iterator, Sequence
import io
import re

import junitparser

from safe_fixtures.core import debts as core_debts
from safe_fixtures.report import results
from safe_fixtures.report import texts
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.summary import places
from safe_fixtures.summary import violations

__all__ = ['compose', 'write']

_NAME = 'safe_fixtures'
_TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d')
# Those whose failure fails no run, and why.
_EXCUSED = {
    'flaky': 'it passed when it ran again',
    'owed': 'the baseline covers all that failed it',
}
_MESSAGE = 1000  # characters of an attribute
# Those that did not get to say what failed them.
_ERRORS = ('timeout', 'died', 'lost')
_SKIPPED = ('skipped', 'xfail')

_OfTests = dict[str, list[tuple[violations.Violation, int]]]


def write(
    paths: Sequence[str],
    file: str,
    debts: Sequence[core_debts.Debt] | None = None,
) -> None:
    """Write the outcomes of tests as JUnit XML.

    :param paths: as for :func:`safe_fixtures.summary.read`.
    :param file: the name of the file; it is replaced as a whole.
    :param debts: those of the baseline; default: there is none.
    :raises: OSError, ValueError: as by ``read``, and OSError if the file
        cannot be written.
    """
    files.write_whole(file, compose(results.read(paths, debts)))


def compose(found: results.Results) -> bytes:
    """Return the outcomes of tests as JUnit XML: a suite for each run.

    :param found: what is in the records.
    """
    of_tests: _OfTests = collections.defaultdict(list)
    for violation, count in found.found.listed():
        of_tests[violation.test].append((violation, count))
    xml = junitparser.JUnitXml(_NAME)
    for run in found.runs():
        xml.append(_suite(run, of_tests))
    xml.update_statistics()
    data = io.BytesIO()
    xml.write(data)
    return data.getvalue()


def _suite(run: results.Run, of_tests: _OfTests) -> junitparser.TestSuite:
    suite = junitparser.TestSuite(_NAME)
    if began := _TIME.match(run.began):
        suite.timestamp = began[0]
    told = {
        printable.line(test.name)
        for test in run.tests
        if test.failed or test.status in _SKIPPED
    }
    said = texts.of_tests(run.directory, told) if told else {}
    suite.add_testcases(
        [
            *(_case(test, said, of_tests[test.name]) for test in run.tests),
            *_not_run(run),
        ]
    )
    return suite


def _case(
    test: results.Test,
    said: dict[str, str],
    broken: list[tuple[violations.Violation, int]],
) -> junitparser.TestCase:
    name = printable.line(test.name)
    # A scenario, in brackets, may have dots.
    dot = name.partition('(')[0].rfind('.')
    case = junitparser.TestCase(
        name[dot + 1 :], name[: max(dot, 0)] or name, round(test.seconds, 3)
    )
    why = _EXCUSED.get(test.status)
    if broken or why:
        properties = junitparser.Properties()
        if why:
            properties.add_property(junitparser.Property(test.status, why))
        for violation, count in broken:
            properties.add_property(
                junitparser.Property(
                    texts.short(violation.code, _MESSAGE),
                    f'{violation.outcome}: {_described(violation, count)}',
                )
            )
        case.append(properties)
    if test.failed or test.status in _SKIPPED:
        case.append(_result(test.status, said.get(name) or _own(broken)))
    return case


def _result(status: str, text: str) -> junitparser.Element:
    kind: type[junitparser.Element] = junitparser.Failure
    if status in _ERRORS:
        kind = junitparser.Error
    elif status in _SKIPPED:
        kind = junitparser.Skipped
    message = texts.short(texts.headline(text), _MESSAGE) or status
    result = kind(message, status)
    result.text = text
    return result


def _own(broken: list[tuple[violations.Violation, int]]) -> str:
    """Return what failed a test of which only the events are known."""
    return '\n'.join(
        f'{violation.code}: {_described(violation, count)}'
        for violation, count in broken
        if violation.outcome == 'enforced'
    )


def _described(violation: violations.Violation, count: int) -> str:
    where = f' at {places.place(violation)}' if violation.file else ''
    times = f' ({count} times)' if count > 1 else ''
    text = f'{violation.message}{where}{times}. {violation.remedy}'
    return texts.short(text, _MESSAGE)


def _not_run(run: results.Run) -> Iterator[junitparser.TestCase]:
    # Nobody should take such a run for one that passed.
    if run.interrupted or run.not_run:
        case = junitparser.TestCase('run', _NAME, 0.0)
        case.append(
            junitparser.Error(
                f'{run.not_run} tests were not run', 'interrupted'
            )
        )
        yield case
