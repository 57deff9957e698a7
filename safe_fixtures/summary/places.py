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


"""Where the files of tests are, seen from the current directory."""

import os
import urllib.parse

from safe_fixtures.summary import violations

__all__ = ['file_of', 'place', 'relative', 'uri']

_DEPTH = 20  # of packages
_PACKAGES = '/site-packages/'


def relative(path: str) -> str:
    """Return a path below the current directory as a relative one.

    :param path: an absolute or a relative path; any other stays absolute.
    """
    here = os.getcwd()
    path = os.path.normpath(os.path.join(here, path))
    return path[len(here) :].lstrip('/') if _is_below(path, here) else path


def place(violation: violations.Violation) -> str:
    """Return the file and line of a violation, to be read.

    :returns: from the current directory, or from where packages are
        installed; empty if the file is unknown.
    """
    if not violation.file:
        return ''
    *_, file = relative(violation.file).rpartition(_PACKAGES)
    return f'{file}:{violation.line}'


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(f'{directory.rstrip("/")}/')


def uri(path: str) -> str:
    """Return the URI of a path; a relative path has a relative one."""
    quoted = urllib.parse.quote(path.encode('utf-8', 'surrogatepass'))
    return f'file://{quoted}' if path.startswith('/') else quoted


def file_of(test: str) -> str:
    """Return the file that holds a test, below the current directory.

    :param test: its id.
    :returns: a relative path; empty if there is no such file.
    """
    names = test.partition('(')[0].split('.')[:_DEPTH]
    for end in range(len(names), 0, -1):
        path = '/'.join(names[:end]) + '.py'
        if all(map(str.isidentifier, names[:end])) and os.path.isfile(path):
            return path
    return ''
