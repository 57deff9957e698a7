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
import os
import re
import types
from typing import Any

import subunit

from safe_fixtures.redaction import redactor
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable

__all__ = ['clipped', 'headline', 'of_tests', 'short']

_STREAM = 'stream.subunit'
_TELLING = ('traceback', 'reason')
_LARGEST = 1 << 15  # of a text, at either end
_FRAME = '  File "'
_ERROR = re.compile(r'[\w.]+(: |$)')


def of_tests(directory: str, tests: Container[str]) -> dict[str, str]:
    """Return the tracebacks and reasons in the results of a run.

    Secrets are masked, even of a run that hardened nothing.

    :param directory: its report directory.
    :param tests: the ids of the tests to look for.
    :returns: a text for each of them that has one.
    """
    found: dict[str, dict[str, bytearray]] = {}

    def status(**packet: Any) -> None:
        detail, data = packet['file_name'], packet['file_bytes']
        if not (detail and data and detail.startswith(_TELLING)):
            return
        test = printable.line(packet['test_id'] or '')
        if test in tests:
            text = found.setdefault(test, {}).setdefault(detail, bytearray())
            text += data
            del text[_LARGEST : max(_LARGEST, len(text) - _LARGEST)]

    try:
        with files.open_regular(os.path.join(directory, _STREAM)) as stream:
            subunit.ByteStreamToStreamResult(stream).run(
                types.SimpleNamespace(status=status)
            )
    # subunit raises Exception itself, too; what was read so far is good.
    except Exception:
        pass
    mask = redactor.Redactor().redact
    return {
        test: '\n'.join(
            clipped(mask(bytes(text).decode(errors='replace')))
            for text in details.values()
        )
        for test, details in found.items()
    }


def clipped(text: str, largest: int = 2 * _LARGEST) -> str:
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
