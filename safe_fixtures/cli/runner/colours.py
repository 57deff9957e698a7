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

"""Colour the outcome of a test in what a run prints."""

from collections.abc import Mapping
import os
import re
import sys
from typing import TextIO

from safe_fixtures.runtime import printable

__all__ = ['painted', 'say', 'wanted']

_RED, _YELLOW = '31', '33'
_OUTCOMES = {
    'fail': _RED,
    'uxsuccess': _RED,
    'timeout': _RED,
    'died': _RED,
    'lost': _RED,
    'flaky': _YELLOW,
    'interrupted': _YELLOW,
    'stopped': _YELLOW,
    'warning': _YELLOW,
}
_OUTCOME = re.compile(rf'\A(\n*)({"|".join(_OUTCOMES)})(?=:)')


def wanted(
    stream: TextIO, environment: Mapping[str, str] = os.environ
) -> bool:
    """Whether text for a stream may be coloured.

    It may on a terminal that obeys colours. ``NO_COLOR`` switches them off,
    else ``FORCE_COLOR`` switches them on.

    :param stream: such as standard error.
    :param environment: the variables.
    """
    if environment.get('NO_COLOR'):
        return False
    if environment.get('FORCE_COLOR'):
        return True
    return environment.get('TERM') != 'dumb' and stream.isatty()


def say(text: str) -> None:
    """Print text to standard error.

    What cannot be printed is escaped. An outcome at the start, such as
    ``fail:``, is coloured if that is wanted.
    """
    print(painted(text), file=sys.stderr, flush=True)


def painted(text: str) -> str:
    """Return the text as :func:`say` prints it."""
    text = printable.block(text)
    return _OUTCOME.sub(_paint, text) if wanted(sys.stderr) else text


def _paint(found: re.Match[str]) -> str:
    return f'{found[1]}\x1b[{_OUTCOMES[found[2]]}m{found[2]}\x1b[0m'
