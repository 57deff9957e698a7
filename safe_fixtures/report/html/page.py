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

"""Write a page: the records of some runs, in one file."""

import base64
from collections.abc import Iterator, Sequence
import functools
import hashlib
from importlib import resources
import os
import re
from typing import Any, NamedTuple

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.baseline import compare
from safe_fixtures.core import debts as core_debts
from safe_fixtures.report.html import data
from safe_fixtures.report.html import overview
from safe_fixtures.report.html import results
from safe_fixtures.report import model
from safe_fixtures.report import pictures
from safe_fixtures.runtime import files
from safe_fixtures.summary import reader

__all__ = ['NeedsJinja', 'write']

_SCRIPTS = ('base.js', 'model.js', 'test.js', 'list.js', 'main.js')
_SHOWN = 20  # of a list in the first view
_PLACE = 3  # names at the end of the path of a file
_PERMISSIONS = 500  # checks of a server that are shown
# What the first view shows in its own way.
_OWN = frozenset({
    'Run', 'Tests', 'Violations', 'Services', 'Slowest restores', 'Waiting',
})  # fmt: skip
_BREAKS = re.compile(r'(?<=[._])(?=[^._])')
_CLASS = re.compile(r'(?:\w+\.)+(?=\w+\.\w)')


class NeedsJinja(ValueError):
    """A page cannot be written, since Jinja2 is not installed."""

    def __init__(self) -> None:
        super().__init__(
            'an HTML report needs Jinja2; install safe_fixtures[cli]'
        )


class _Outcome(NamedTuple):
    """The first lines of a page.

    :ivar line: how the run went.
    :ivar kind: ``good``, ``bad`` or ``plain``.
    :ivar runs: how each run was made.
    """

    line: str
    kind: str
    runs: list[str]


def write(
    paths: Sequence[str],
    file: str,
    alerts: audit.Alerts | None = None,
    debts: Sequence[core_debts.Debt] | None = None,
    before: Sequence[str] = (),
    mode: int = 0o666,
) -> None:
    """Write what a person reads of some runs, as one HTML file.

    Example::

        write(['safe-fixtures-report'], 'report.html')

    :param paths: report directories or files of events.
    :param file: the name of the file.
    :param alerts: raises alerts over the events; default: those with the
        default limits.
    :param debts: those of the baseline; default: there is none.
    :param before: earlier runs to compare with; as *paths*.
    :param mode: the permissions of a new file, as of ``os.open``.
    :raises: NeedsJinja without Jinja2; OSError for a path that does not
        exist, and for a file that cannot be written.
    """
    environment = _environment()
    read = _Read(paths, alerts, debts)
    if before:
        read.total.compared = compare.compare(before, paths)
    text = environment.get_template('page.html').render(**_context(read))
    files.write_whole(file, text.encode(errors='replace'), mode)


class _Read:
    """What the records say.

    :ivar tests: the tests, in the order in which they began.
    :ivar total: the counts of the first view.
    :ivar results: what the streams have of the tests.
    :ivar permissions: the checks of the permissions of servers.
    """

    def __init__(
        self,
        paths: Sequence[str],
        alerts: audit.Alerts | None,
        debts: Sequence[core_debts.Debt] | None,
    ) -> None:
        self.total = overview.Overview(alerts, debts)
        self.permissions: list[events.Event] = []
        collected = model.Model()
        summary = self.total.summary
        try:
            for event in reader.views(
                paths, summary.truncated, summary.skipped
            ):
                collected.add(event)
                self.total.add(event)
                if event.action == events.PERMISSIONS:
                    if len(self.permissions) < _PERMISSIONS:
                        self.permissions.append(event)
        except (OSError, ValueError) as error:
            if not all(map(os.path.exists, paths)):
                raise
            # Such as a directory whose records a test has removed.
            summary.skipped.append(str(error))
        self.tests = collected.tests()
        for test in self.tests:
            is_refused = test.outcome == 'failed' and test.by_violations
            if is_refused and summary.owes(test.name):
                test.outcome = 'owed'
        directories = dict.fromkeys(filter(os.path.isdir, paths))
        self.results = results.read(directories, self.tests, summary.skipped)


def _environment() -> Any:
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise NeedsJinja from error
    return _made(jinja2)


@functools.cache
def _made(jinja2: Any) -> Any:
    """Return the environment, which compiles each template once."""
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        breakable=_breakable,
        grouped=_grouped,
        plural=_plural,
        short_name=_short_name,
        short_place=_short_place,
    )
    return environment


def _source(name: str) -> str:
    return (resources.files(__package__) / 'files' / name).read_text('utf-8')


def _of_pictures(suffix: str) -> list[str]:
    """Return the files of the pictures with this suffix, ordered by name."""
    found = [
        each
        for each in resources.files(pictures).iterdir()
        if each.name.endswith(suffix)
    ]
    return [
        each.read_text('utf-8')
        for each in sorted(found, key=lambda each: each.name)
    ]


def _context(read: _Read) -> dict[str, Any]:
    # Jinja2 requires it.
    import markupsafe

    total, tests = read.total, read.tests
    places: dict[str, int] = {}
    for place, test in enumerate(tests):
        places.setdefault(test.name, place)
    style = '\n'.join([_source('page.css'), *_of_pictures('.css')])
    script = _script()
    rows, broken = total.rows(), total.rules()
    failures = [test for test in tests if test.outcome in model.BROKEN]
    chunks: Iterator[str] = iter(data.chunks(tests, read.results))
    services = total.services()
    return {
        'chunks': map(markupsafe.Markup, chunks),
        'drift': sorted(total.drift.items()),
        'failures': failures,
        'index': markupsafe.Markup(data.safe_json(data.index(tests))),
        'limit': _SHOWN,
        'lost': services.lost(),
        'masked': total.masked(),
        'outages': total.longest_outages(),
        'outcome': _outcome(
            total.summary.unexcused.count('enforced'), tests, rows
        ),
        'outcomes': overview.by_outcome(tests),
        'permissions': pictures.permissions_tables(read.permissions),
        'places': places,
        'policy': _policy(style, script),
        'reasons': {
            test: read.results[test].reason
            for test in failures
            if test in read.results
        },
        'restores': total.slow_restores(),
        'rules': broken,
        'script': markupsafe.Markup(script),
        'sections': {
            title: found for title, found in rows.items() if title not in _OWN
        },
        'secrets': total.secrets,
        'services': services,
        'slowest': overview.slowest(tests),
        'starts': total.slow_starts(),
        'style': markupsafe.Markup(style),
        'suite': pictures.suite_svg(tests),
        'times': _times(total, tests),
    }


def _script() -> str:
    """Return all scripts as one, which leaves no names to the page."""
    text = '\n'.join([*_of_pictures('.js'), *map(_source, _SCRIPTS)])
    return f"(function () {{\n'use strict';\n{text}}}());"


def _policy(style: str, script: str) -> str:
    """Return the policy: nothing but these two, and nothing is fetched."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; "
        f"style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _outcome(
    enforced: int,
    tests: Sequence[model.Test],
    rows: dict[str, list[tuple[str, int | float | str, str]]],
) -> _Outcome:
    counts = dict(overview.by_outcome(tests))
    failed = sum(counts.get(each, 0) for each in model.FAILED)
    not_run = sum(
        int(count) for item, count, _ in rows.get('Tests', ())
        if item == 'not run'
    )  # fmt: skip
    passed, skipped = counts.get('passed', 0), counts.get('skipped', 0)
    if not tests:
        line = 'No test was recorded'
    elif failed:
        line = f'{_grouped(failed)} of {_plural(len(tests), "test")} failed'
    elif passed == len(tests):
        every = 'All ' if passed > 1 else ''
        line = f'{every}{_plural(passed, "test")} passed'
    else:
        line = f'{_plural(passed, "test")} passed, none failed'
    if skipped and failed == 0:
        line += f', {_grouped(skipped)} skipped'
    for each in ('flaky', 'owed'):
        if counts.get(each):
            line += f', {_grouped(counts[each])} {each}'
    if not_run:
        line += f', {_grouped(not_run)} not run'
    if enforced:
        line += f'; enforced rules broken {_plural(enforced, "time")}'
    bad = bool(failed or not_run or enforced)
    kind = 'bad' if bad else 'good' if passed else 'plain'
    runs = [
        f'{_seconds(seconds)}: {details}'
        for item, seconds, details in rows.get('Run', ())
        if item == 'seconds'
    ]
    return _Outcome(line, kind, runs)


def _times(
    total: overview.Overview, tests: Sequence[model.Test]
) -> list[tuple[str, str]]:
    times = [(_seconds(sum(test.seconds for test in tests)), 'in all tests')]
    if total.waits:
        times += [
            (_seconds(total.waited), 'won by shorter waits'),
            (_grouped(int(total.cut_short)), 'waits cut short'),
        ]
    return times


def _seconds(value: int | float | str) -> str:
    seconds = float(value)
    if seconds < 120:
        return f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours:,} h {minutes} min'
    return f'{minutes} min {rest} s'


def _grouped(value: int | float | str) -> str:
    if isinstance(value, str):
        return value
    return f'{value:,}'


def _plural(count: int, noun: str) -> str:
    return f'{count:,} {noun}' if count == 1 else f'{count:,} {noun}s'


def _short_name(name: str) -> str:
    return _CLASS.sub('', name, count=1)


def _breakable(name: str) -> Any:
    """Return a name that breaks after a dot or an underscore."""
    import markupsafe

    return markupsafe.Markup('<wbr>').join(_BREAKS.split(name))


def _short_place(place: str) -> str:
    parts = place.split('/')
    return '/'.join(['…', *parts[-_PLACE:]] if len(parts) > 5 else parts)
