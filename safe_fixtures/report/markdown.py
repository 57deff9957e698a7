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


"""A summary of at most 60 lines, for a comment on a change."""

from collections.abc import Iterator, Sequence
import itertools
import re

from safe_fixtures.baseline import compare
from safe_fixtures.core import debts as core_debts
from safe_fixtures.report import results
from safe_fixtures.report import texts
from safe_fixtures import rules
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.summary import places
from safe_fixtures.summary import results as summary_results
from safe_fixtures.summary import sections
from safe_fixtures.summary import violations

__all__ = ['compose', 'write']

_NAME = 200  # characters
_MESSAGE = 200
_FAILURES = 10
_NEW = 6
_GROUPS = 10
# Together, all parts have at most 60 lines.
_FEW_GROUPS = 2
_CHANGES = 10
_FEW_CHANGES = 4
_ALWAYS_SHOWN = ('passed', 'failed', 'enforced', 'recorded')


def write(
    paths: Sequence[str],
    file: str,
    debts: Sequence[core_debts.Debt] | None = None,
    before: Sequence[str] = (),
) -> None:
    """Write a summary as Markdown.

    :param paths: as for :func:`safe_fixtures.summary.read`.
    :param file: the name of the file; it is replaced as a whole.
    :param debts: those of the baseline; default: there is none.
    :param before: earlier runs to compare with; as *paths*.
    :raises: OSError, ValueError: as by ``read``, and OSError if the file
        cannot be written.
    """
    found = results.read(paths, debts)
    new = None if found.total.new is None else found.total.new.folded()
    earlier = compare.compare(before, paths) if before else None
    files.write_whole(file, compose(found, new, earlier).encode())


def compose(
    found: results.Results,
    new: Sequence[violations.Group] | None = None,
    compared: compare.Comparison | None = None,
) -> str:
    """Return a summary as Markdown, of at most 60 lines.

    :param found: what is in the records.
    :param new: the violations that are new since a baseline, the most
        important first; default: there is no baseline.
    :param compared: what differs from earlier runs; default: there are none.
    """
    runs = list(found.runs())
    groups = found.found.folded()
    lines = itertools.chain(
        _outcome(found, runs, groups if new is None else new),
        _counts(runs, groups),
        _failures(runs),
        () if new is None else _new(new),
        () if compared is None else _compared(compared, new is None),
        _violations(groups, _GROUPS if compared is None else _FEW_GROUPS),
    )
    return '\n'.join(lines) + '\n'


def _outcome(
    found: results.Results,
    runs: Sequence[results.Run],
    groups: Sequence[violations.Group],
) -> Iterator[str]:
    tests = sum(len(run.tests) for run in runs)
    failed = sum(test.failed for run in runs for test in run.tests)
    not_run = sum(run.not_run for run in runs)
    enforced = sum(
        group.count for group in groups if group.first.outcome == 'enforced'
    )
    wrong = [
        text
        for count, text in (
            (failed, f'{failed} of {sections.plural(tests, "test")} failed'),
            (
                enforced,
                f'{sections.plural(enforced, "violation")} of enforced rules',
            ),
            (not_run, f'{sections.plural(not_run, "test")} not run'),
            (
                len(found.total.skipped),
                'a part of the records could not be read',
            ),
        )
        if count
    ]
    code = found.total.exit_code()
    if code == 3:
        wrong.append('no test was hardened')
    yield f'### safe_fixtures: {"failed" if code else "passed"}'
    yield ''
    owed = sum(test.status == 'owed' for run in runs for test in run.tests)
    good = f'{sections.plural(tests, "test")}, and none failed'
    if owed:
        good += f' of anything new; {owed} of what the baseline covers'
    yield f'{"; ".join(wrong) or good}.'
    yield ''


def _counts(
    runs: Sequence[results.Run], groups: Sequence[violations.Group]
) -> Iterator[str]:
    tests = dict.fromkeys(summary_results.STATUSES, 0)
    for test in itertools.chain.from_iterable(run.tests for run in runs):
        tests[test.status] += 1
    tests['not run'] = sum(run.not_run for run in runs)
    broken = dict.fromkeys(('enforced', 'recorded', 'waived', 'expected'), 0)
    for group in groups:
        broken[group.first.outcome] += group.count
    yield '| | Count |'
    yield '|---|---:|'
    for noun, counts in (('Tests', tests), ('Violations', broken)):
        for name, count in counts.items():
            if count or name in _ALWAYS_SHOWN:
                yield f'| {noun} {name} | {count} |'
    yield ''


def _failures(runs: Sequence[results.Run]) -> Iterator[str]:
    failed = [
        (run.directory, test)
        for run in runs
        for test in run.tests
        if test.failed or test.status in ('flaky', 'owed')
    ]
    if not failed:
        return
    yield '**Failed tests**'
    yield ''
    for directory, of_run in itertools.groupby(
        failed[:_FAILURES], key=lambda each: each[0]
    ):
        tests = [test for _, test in of_run]
        names = {printable.line(test.name) for test in tests}
        said = texts.of_tests(directory, names)
        for test in tests:
            name = printable.line(test.name)
            why = texts.headline(said.get(name, ''))
            more = f': {_code(why, _MESSAGE)}' if why else ''
            yield f'- {_code(name, _NAME)} {test.status}{more}'
    yield from _more(len(failed) - _FAILURES)
    yield ''


def _new(groups: Sequence[violations.Group]) -> Iterator[str]:
    count = sections.plural(len(groups), 'violation')
    yield f'**New since the baseline: {count if groups else "none"}**'
    yield ''
    yield from map(_line, groups[:_NEW])
    yield from _more(len(groups) - _NEW)
    yield ''


def _compared(found: compare.Comparison, is_alone: bool) -> Iterator[str]:
    counts = [
        f'{sections.plural(len(several), noun)} {what}'
        for several, noun, what in (
            (found.appeared, 'violation', 'appeared'),
            (found.gone, 'violation', 'gone'),
            (found.changed, 'outcome', 'changed'),
            (found.left, 'service', 'newly left changed'),
            (found.slower, 'test', 'slower'),
        )
        if several
    ]
    yield f'**Since the runs before: {", ".join(counts) or "no change"}**'
    yield ''
    lines = [
        *map(_line, found.appeared),
        *(
            f'- {_code(each.test, _NAME)}: {each.before}, now {each.after}'
            for each in found.changed
        ),
        *(
            f'- {_code(each.test, _NAME)} leaves '
            f'{_code(each.service, _NAME)} changed'
            for each in found.left
        ),
        *(
            f'- {_code(each.test, _NAME)} takes longer: {each.describe()}'
            for each in found.slower
        ),
    ]
    most = _CHANGES if is_alone else _FEW_CHANGES
    yield from lines[:most]
    yield from _more(len(lines) - most)
    yield ''


def _violations(
    groups: Sequence[violations.Group], most: int
) -> Iterator[str]:
    # What a test expects is nothing to look at.
    groups = [each for each in groups if each.first.outcome != 'expected']
    if not groups:
        return
    are_enforced = groups[0].first.outcome == 'enforced'
    yield f'<details{" open" if are_enforced else ""}>'
    count = sum(group.count for group in groups)
    title = f'{sections.plural(count, "violation")}, {len(groups)} different'
    yield f'<summary>{title}</summary>'
    yield ''
    yield from map(_line, groups[:most])
    yield from _more(len(groups) - most)
    yield ''
    yield '</details>'


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f'- ... and {count} more'


def _line(group: violations.Group) -> str:
    first = group.first
    code = first.code
    rule = f'**{code}**' if code in rules.RULES else _code(code, _NAME)
    times = sections.plural(group.count, 'time')
    (test, *others) = group.tests
    where = _code(places.place(first) or test, _NAME)
    tests = f' in {len(others) + 1} tests' if others else ''
    message = texts.short(first.act, _MESSAGE)
    said = _code(f'{message}. {first.remedy}', 2 * _MESSAGE)
    return f'- {rule} {first.outcome}, {times}{tests}, at {where}: {said}'


def _code(text: str, largest: int) -> str:
    """Return a text as code, in which nothing is a link, a tag or a name.

    :param largest: how many characters it may have.
    """
    text = texts.short(text, largest) or '?'
    runs = re.findall('`+', text)
    fence = '`' * (max(map(len, runs), default=0) + 1)
    return f'{fence} {text} {fence}' if runs else f'{fence}{text}{fence}'
