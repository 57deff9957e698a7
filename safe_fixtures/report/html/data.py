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

"""The data of a page, as JSON that a script element can hold."""

from collections.abc import Iterable, Mapping, Sequence
import json
from typing import Any

from safe_fixtures.report.html import results
from safe_fixtures.report import model

__all__ = ['CHUNK', 'chunks', 'index', 'safe_json']

#: Tests in a chunk, which is read when one of them is opened.
CHUNK = 50

# What would end the script element, or begin a comment in it. JSON has all
# that is not ASCII escaped already.
_ESCAPES = {'<': '\\u003c', '>': '\\u003e', '&': '\\u0026'}


class _Table:
    """Numbers values by their first use.

    :ivar values: the values, in the order of their numbers.
    """

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def __call__(self, value: str) -> int:
        return self.values.setdefault(value, len(self.values))


def safe_json(value: Any) -> str:
    """Return JSON that no HTML parser takes for anything but text.

    :param value: what JSON can hold.
    """
    text = json.dumps(value, separators=(',', ':'), allow_nan=False)
    return _escaped(text)


def _escaped(text: str) -> str:
    # Faster than str.translate() on megabytes.
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def index(tests: Sequence[model.Test]) -> dict[str, Any]:
    """Return what the list of tests needs.

    Each test is ``[name, outcome, seconds, start, worker, rules, hardened,
    lacks, directory]``; outcome, hardened, lacks and directory are places in
    ``texts``, and each rule is ``[code, kind, count]``.
    """
    texts = _Table()
    listed = [
        [
            test.name,
            texts(test.outcome),
            round(test.seconds, 3),
            test.start,
            test.worker,
            _rules(test),
            texts(test.hardened),
            texts(test.lacks),
            texts(model.shortened(test.directory)),
        ]
        for test in tests
    ]
    return {'chunk': CHUNK, 'texts': list(texts.values), 'tests': listed}


def _rules(test: model.Test) -> list[tuple[str, str, int]]:
    return [(*key, count) for key, count in sorted(test.rules.items())]


def chunks(
    tests: Sequence[model.Test],
    found: Mapping[model.Test, results.Result],
) -> Iterable[str]:
    """Yield the data of each :data:`CHUNK` tests, as JSON.

    A chunk has ``texts``, ``details`` and, by the place of the test,
    ``tests``: the events of each, seven numbers for one event, as
    milliseconds since the first event of the test and the places of its
    texts.

    :param tests: the tests, in the order of the index.
    :param found: what the streams have of some of them.
    """
    for start in range(0, len(tests), CHUNK):
        yield _chunk(tests[start : start + CHUNK], found)


def _chunk(
    tests: Sequence[model.Test],
    found: Mapping[model.Test, results.Result],
) -> str:
    texts, details = _Table(), _Table()
    listed = []
    for test in tests:
        each: dict[str, Any] = {'events': _events(test, texts, details)}
        if test.left_out:
            each['left_out'] = test.left_out
        result = found.get(test)
        if result is not None:
            each.update(result.content())
        listed.append(each)
    # The details are JSON already.
    return (
        f'{{"texts":{safe_json(list(texts.values))},'
        f'"details":[{_escaped(",".join(details.values))}],'
        f'"tests":{safe_json(listed)}}}'
    )


def _events(test: model.Test, texts: _Table, details: _Table) -> list[int]:
    numbers: list[int] = []
    first = next((row.at for row in test.rows if row.at is not None), 0.0)
    at = 0
    for row in test.rows:
        if row.at is not None:
            at = max(0, round((row.at - first) * 1000))
        numbers += (
            at, texts(row.action), texts(row.outcome), texts(row.code),
            texts(row.target), texts(row.text), details(row.details),
        )  # fmt: skip
    return numbers
