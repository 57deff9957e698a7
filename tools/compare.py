#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Compare the outcomes of Nova's own functional tests with and without us.

The tests are those of the installed Nova that run from a wheel, or a sample
of them. "safe-fixtures run" runs them. Each test whose outcome differs is run
again, alone, unhardened and hardened. This tells a flaky test from one whose
outcome hardening has changed. In mode "enforce", a test that fails because of
a rule is listed with the rule instead.

The report directory gets the outcomes as lines of id, outcome and seconds,
separated by tabs: unhardened.tsv, hardened.tsv and differences.tsv. A later
run can reuse the first with --unhardened.

Exits with 0 if no outcome was changed, 1 if one was or may have been, and 2
if nothing could be compared.
"""

import argparse
import collections
import dataclasses
import hashlib
import itertools
import os
import pathlib
import re
import sys
import tempfile

from safe_fixtures import audit
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import process
from safe_fixtures.cli.runner import supervisor
from safe_fixtures import summary

PACKAGE = 'nova.tests.functional'
# They read the doc folder of Nova's source tree.
NOT_IN_A_WHEEL = rf'^{re.escape(PACKAGE)}\.(api|notification)_sample_tests\.'
WORDS = {
    'success': 'ok',
    'xfail': 'ok',
    'skip': 'skipped',
    'fail': 'failed',
    'uxsuccess': 'failed',
}
MISSING = 'missing'
# They say nothing about a test, even if they are the same.
NOT_RUN = {MISSING, 'lost'}
RERUNS = 3
# More tests than this are not flaky by chance, and would take hours.
RERUN_AT_MOST = 50

SAME = 'same when rerun'
FLAKY = 'flaky unhardened'
CHANGED = 'changed'
NOT_RERUN = 'changed, not rerun'
NOT_COMPARED = 'not compared'
VIOLATION = 'true violation?'


class Unusable(Exception):
    """Nothing can be compared."""


def sample(test_ids, number, seed):
    """Draw tests; no module comes twice before each came once.

    The same ids and seed give the same draw, whatever the order of the ids.
    A new or removed test does not change the draw of other modules.
    """

    def rank(name):
        return hashlib.sha256(f'{seed} {name}'.encode()).digest()

    modules = collections.defaultdict(list)
    for test_id in sorted(set(test_ids), key=rank):
        modules[module_of(test_id)].append(test_id)
    rounds = itertools.zip_longest(
        *(modules[name] for name in sorted(modules, key=rank))
    )
    drawn = (each for each in itertools.chain(*rounds) if each is not None)
    return list(itertools.islice(drawn, number))


def module_of(test_id):
    return without_scenario(test_id).rsplit('.', 2)[0]


def without_scenario(test_id):
    return test_id.partition('(')[0]


def listed_as(test_id, listed):
    """Return the id that a test was listed with, or None.

    Some tests are multiplied by scenarios only when they are run.
    """
    for name in (test_id, without_scenario(test_id)):
        if name in listed:
            return name
    return None


def read_outcomes(path):
    """Return the word and the seconds of each test in a file.

    :raises: ValueError for a line that has another form.
    """
    outcomes = {}
    for number, line in enumerate(path.read_text('utf-8').splitlines(), 1):
        try:
            test_id, word, seconds = line.split('\t')
            outcomes[test_id] = (word.lower(), float(seconds))
        except ValueError:
            raise ValueError(
                f'{path}:{number} is not an id, an outcome and seconds, '
                'separated by tabs'
            ) from None
    return outcomes


def write_outcomes(path, outcomes):
    write_rows(
        path,
        (
            (test_id, word, f'{seconds:.2f}')
            for test_id, (word, seconds) in sorted(outcomes.items())
        ),
    )


def write_rows(path, rows):
    path.write_text(''.join('\t'.join(row) + '\n' for row in rows), 'utf-8')


def word_of(outcomes, test_id):
    return outcomes[test_id][0] if test_id in outcomes else MISSING


def differing(unhardened, hardened):
    """Return the tests whose outcome differs, or is unknown in both."""
    found = []
    for test_id in sorted(unhardened.keys() | hardened.keys()):
        words = {word_of(unhardened, test_id), word_of(hardened, test_id)}
        if len(words) > 1 or words & NOT_RUN:
            found.append(test_id)
    return found


def verdict(first, unhardened, hardened):
    """Return why the outcome of a test differed.

    :param first: its outcome unhardened, where it differed.
    :param unhardened: its outcomes when it was run again, alone.
    :param hardened: those when it was run hardened.
    """
    if {*unhardened, *hardened} <= NOT_RUN:
        return NOT_COMPARED
    if set(unhardened) == set(hardened) and len(set(unhardened)) == 1:
        return SAME
    seen = {first, *unhardened}
    # The first run may have failed because of the tests around it. So an
    # outcome counts as flaky only if both ways have it when rerun.
    if (
        len(seen) > 1
        and set(hardened) <= seen
        and set(hardened) & set(unhardened)
    ):
        return FLAKY
    return CHANGED


def violations(directory):
    """Return the rules that were enforced on each test of a run."""
    codes = collections.defaultdict(set)
    for stored in summary.read(map(str, directory.glob('events-*.jsonl'))):
        event = audit.Event(stored)
        if event.is_refusal and event.counts:
            codes[event.test].add(event.code)
    return codes


@dataclasses.dataclass
class Runner:
    """Runs tests one way: unhardened, or hardened."""

    options: argparse.Namespace
    harden: bool

    def find(self, arguments, ids=None):
        """Find the tests."""
        self.found = discovery.find(
            arguments, ids, NOT_IN_A_WHEEL, self._setup()
        )
        return self.found

    def run(self, ids, directory, concurrency):
        """Run tests; return the word and seconds of each that ran."""
        ids = [test_id for test_id in ids if test_id in self.found.tests]
        if not ids:
            return {}
        directory.mkdir(parents=True)
        report = supervisor.run(
            dataclasses.replace(
                self.found,
                tests={each: self.found.tests[each] for each in ids},
                errors={},
                skipped={},
            ),
            str(directory),
            self._setup(),
            concurrency=concurrency,
            test_timeout=self.options.test_timeout,
            mode=self.options.mode,
        )
        if report.interrupted:
            raise KeyboardInterrupt
        return {
            test_id: (
                WORDS.get(outcome.status, outcome.status),
                outcome.seconds,
            )
            for test_id, outcome in report.outcomes.items()
            if listed_as(test_id, ids)
        }

    def _setup(self):
        # Unhardened tests look for the files of an installed Nova in the
        # wrong place. Hardened ones find them.
        environment = {}
        name = 'OS_DEFAULT__STATE_PATH'
        paste = os.path.join(sys.prefix, 'etc', 'nova', 'api-paste.ini')
        if not (self.harden or name in os.environ) and os.path.isfile(paste):
            environment[name] = sys.prefix
        return process.Setup(self.harden, environment=environment)


class Comparison:
    """Unhardened and hardened runs of the same tests, and what differed."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.runners = {
            'unhardened': Runner(options, harden=False),
            'hardened': Runner(options, harden=True),
        }
        self.outcomes = {}

    def choose(self):
        """Return the tests to compare."""
        unhardened = self.runners['unhardened']
        if self.options.load_list is None:
            found = unhardened.find([PACKAGE])
        else:
            lines = self.options.load_list.read_text('utf-8').splitlines()
            wanted = [line.split('\t')[0] for line in lines if line.strip()]
            found = unhardened.find(
                [], wanted + list(map(without_scenario, wanted))
            )
            for test_id in wanted:
                if not listed_as(test_id, found.tests):
                    raise Unusable(f'there is no test {test_id}')
        for text in found.unknown.values():
            raise Unusable(text)
        for name in sorted(found.errors):
            say(f'left out, as it cannot be imported unhardened: {name}')
        chosen = [
            test_id
            for test_id in sorted(found.tests)
            if not self.options.include
            or any(each.search(test_id) for each in self.options.include)
        ]
        if self.options.sample is not None:
            chosen = sample(chosen, self.options.sample, self.options.seed)
        if not chosen:
            raise Unusable('there is no test to compare')
        found = self.runners['hardened'].find([], chosen)
        for name, text in sorted(found.errors.items()):
            say(f'cannot be imported when hardened: {name}\n{text}')
        return chosen

    def run(self, name, chosen, known):
        """Run what is not known yet; keep and print the outcomes."""
        known = {
            test_id: outcome
            for test_id, outcome in known.items()
            if listed_as(test_id, chosen)
        }
        have = {listed_as(test_id, chosen) for test_id in known}
        outcomes = known | self.runners[name].run(
            [test_id for test_id in chosen if test_id not in have],
            self.directory / name,
            self.options.concurrency,
        )
        write_outcomes(self.directory / f'{name}.tsv', outcomes)
        counts = collections.Counter(word for word, _ in outcomes.values())
        seconds = sum(seconds for _, seconds in outcomes.values())
        counted = ', '.join(
            f'{counts[word]} {word}' for word in sorted(counts)
        )
        say(f'{name}: {counted}; {seconds:.0f} s in tests')
        self.outcomes[name] = outcomes

    def compare(self):
        """Return a row for each test that differs: how, and why."""
        unhardened = self.outcomes['unhardened']
        hardened = self.outcomes['hardened']
        codes = {}
        if (self.directory / 'hardened').is_dir():
            codes = violations(self.directory / 'hardened')
        rows = []
        for test_id in differing(unhardened, hardened):
            words = word_of(unhardened, test_id), word_of(hardened, test_id)
            broken = sorted(codes.get(test_id, ()))
            if words[1] == 'failed' and broken:
                shown = f'failed ({", ".join(broken)})'
                if self.options.mode == 'enforce':
                    rows.append((test_id, words[0], shown, VIOLATION))
                    continue
                words = words[0], shown
            rows.append((test_id, *words, ''))
        rerun = [row for row in rows if not row[3]]
        why = {row[0]: NOT_RERUN for row in rerun}
        for number, (test_id, word, *_) in enumerate(rerun[:RERUN_AT_MOST], 1):
            say(f'again, alone ({number} of {len(rerun)}): {test_id}')
            why[test_id] = verdict(word, *self.rerun(test_id, number))
        return [(*row[:3], row[3] or why[row[0]]) for row in rows]

    def rerun(self, test_id, number):
        """Run a test alone; return its outcomes, unhardened and hardened."""
        words = {name: [] for name in self.runners}
        for turn in range(1, RERUNS + 1):
            for name, runner in self.runners.items():
                listed = listed_as(
                    test_id, self.runners['unhardened'].found.tests
                )
                directory = (
                    self.directory / 'again' / f'{number}-{name}-{turn}'
                )
                outcomes = runner.run([listed], directory, 1)
                words[name].append(word_of(outcomes, test_id))
        return words['unhardened'], words['hardened']


def say(text):
    print(text, file=sys.stderr, flush=True)


def print_table(rows):
    rows = [('test', 'unhardened', 'hardened', 'verdict'), *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        print('  '.join(cells).rstrip())


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be at least 1')
    return number


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--mode', choices=('audit', 'default', 'enforce'), default='audit'
    )
    parser.add_argument(
        '--sample',
        type=positive,
        metavar='N',
        help='draw so many tests, over all modules (default: all tests)',
    )
    parser.add_argument('--seed', type=int, default=0, metavar='S')
    parser.add_argument(
        '--unhardened',
        type=pathlib.Path,
        metavar='FILE',
        help='known outcomes of unhardened runs; the other tests are run',
    )
    parser.add_argument(
        '--concurrency',
        type=positive,
        default=os.cpu_count() or 1,
        metavar='N',
        help='how many processes run tests (default: one per CPU)',
    )
    parser.add_argument(
        '--test-timeout',
        type=positive,
        default=300,
        metavar='SECONDS',
        help='end a test from outside after so long (default: 300)',
    )
    parser.add_argument(
        '--report',
        type=pathlib.Path,
        metavar='DIR',
        help='an empty directory, or one to be made (default: a new one '
        'among the temporary files)',
    )
    parser.add_argument(
        '--load-list',
        type=pathlib.Path,
        metavar='FILE',
        help='compare these tests: an id on each line',
    )
    parser.add_argument(
        '--include',
        type=re.compile,
        action='append',
        metavar='REGEX',
        help='compare only tests whose ids it is found in, or another one '
        'that is given',
    )
    return parser.parse_args(argv)


def main(argv=None):
    options = parse(argv)
    try:
        known = (
            {}
            if options.unhardened is None
            else read_outcomes(options.unhardened)
        )
        if options.report is None:
            directory = pathlib.Path(tempfile.mkdtemp(prefix='compare-'))
        else:
            directory = options.report
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise Unusable(f'{directory} is not empty')
        comparison = Comparison(options, directory.absolute())
        chosen = comparison.choose()
        say(f'{len(chosen)} tests; report: {directory}')
        comparison.run('unhardened', chosen, known)
        comparison.run('hardened', chosen, {})
        rows = comparison.compare()
    except (OSError, ValueError, Unusable, discovery.Unusable) as error:
        say(f'compare: {error}')
        return 2
    except KeyboardInterrupt:
        say('compare: interrupted')
        return 2
    write_rows(directory / 'differences.tsv', rows)
    if rows:
        print_table(rows)
    verdicts = collections.Counter(row[3] for row in rows)
    found = ', '.join(f'{verdicts[name]} {name}' for name in sorted(verdicts))
    print(
        f'{len(chosen)} tests compared, {len(rows)} differ: {found or "none"}'
    )
    return 1 if verdicts.keys() & {CHANGED, NOT_RERUN, NOT_COMPARED} else 0


if __name__ == '__main__':
    sys.exit(main())
