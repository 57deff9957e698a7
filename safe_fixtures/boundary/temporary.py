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

"""Which files and directories are the test's own.

A test has the temporary directory of its process, as it was when this module
was imported, and what ``tempfile`` makes elsewhere. Of nested temporary
directories, the outermost counts: what was made before the next one was
nested in it is there. A test can nest them, but not move them: to set
``tempfile.tempdir`` or ``TMPDIR`` to a directory of the host opens nothing.
"""

import tempfile
from typing import Any

from safe_fixtures.boundary import paths

__all__ = ['MAKING', 'is_made', 'is_own', 'note_made']

MAKING = ('tempfile.mkdtemp', 'tempfile.mkstemp')
_ROOT = paths.resolve(paths.absolute(tempfile.gettempdir()) or '/')
_made: set[str] = set()


def note_made(args: tuple[Any, ...]) -> None:
    """Note a directory or file that ``tempfile`` is about to make."""
    path = paths.absolute(args[0])
    # If it is there, tempfile tries another name.
    if path is not None and not paths.exists(path):
        path = paths.resolve(path)
        if not is_made(path):
            _made.add(path)


def is_made(path: str) -> bool:
    """Whether a resolved path is, or is below, what ``tempfile`` made."""
    below = ''
    while path != below:
        if path in _made:
            return True
        below, path = path, path.rpartition('/')[0]
    return False


def is_own(path: str) -> bool:
    """Whether a resolved path is the test's own."""
    return paths.is_below(path, _outermost()) or is_made(path)


def _outermost() -> str:
    """Return the outermost temporary directory of the test."""
    try:
        nested = paths.absolute(tempfile.tempdir)
    except TypeError:
        # None, if nobody has asked for it yet.
        nested = None
    if nested is None:
        return _ROOT
    nested = paths.resolve(nested)
    if nested == _ROOT or not paths.is_below(nested, _ROOT):
        return _ROOT
    name = nested.removeprefix(_ROOT).lstrip('/').partition('/')[0]
    return f'{_ROOT.rstrip("/")}/{name}'
