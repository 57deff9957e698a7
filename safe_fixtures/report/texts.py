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


"""What tests said when they failed, and texts that fit into a file."""

from collections.abc import Container
import contextlib
import re

from safe_fixtures.redaction import redactor
from safe_fixtures.report import streams
from safe_fixtures.runtime import printable

__all__ = ['clipped', 'headline', 'of_tests', 'short']

_TELLING = ('traceback', 'reason')
_LARGEST = 1 << 16  # characters of a text
_FRAME = '  File "'
_ERROR = re.compile(r'[\w.]+(: |$)')


def of_tests(directory: str, tests: Container[str]) -> dict[str, str]:
    """Return the tracebacks and reasons in the results of a run.

    Secrets are masked, even of a run that hardened nothing.

    :param directory: its report directory.
    :param tests: the ids of the tests to look for.
    :returns: a text for each of them that has one.
    """
    found: dict[str, list[str]] = {}

    def on_outcome(test: str, details: dict[str, streams.Detail]) -> None:
        test = printable.line(test)
        telling = [name for name in details if name.startswith(_TELLING)]
        if telling and test in tests:
            said = found.setdefault(test, [])
            said += [details[name].text() for name in telling]

    # subunit raises Exception itself, too; what was read so far is good.
    with contextlib.suppress(Exception):
        streams.read(directory, on_outcome)
    mask = redactor.Redactor().redact
    return {
        test: '\n'.join(clipped(mask(text)) for text in said)
        for test, said in found.items()
    }


def clipped(text: str, largest: int = _LARGEST) -> str:
    """Return the start and the end of a text, safe to print.

    :param largest: how many characters are kept of a longer one.
    """
    if len(text) > largest:
        half = largest // 2
        text = f'{text[:half]}\n... cut ...\n{text[-half:]}'
    return printable.block(text)


def short(text: str, largest: int) -> str:
    """Return a text on one line, safe to print.

    :param largest: how many characters it may have.
    """
    text = printable.line(' '.join(text[: 2 * largest].split()))
    return text if len(text) <= largest else f'{text[: largest - 3]}...'


def headline(text: str) -> str:
    """Return the line of a failure that says most: the last error.

    :param text: such as a traceback.
    """
    lines = text.splitlines()
    frames = [n for n, line in enumerate(lines) if line.startswith(_FRAME)]
    after = lines[frames[-1] :] if frames else []
    for line in after:
        if _ERROR.match(line):
            return line
    return next((line for line in lines if line.strip()), '')
