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

"""What environment and file say: read once in a process.

A test may change both. So nothing of it counts that comes later. A forked
child keeps what its parent has read.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import os
from typing import Any

from oslo_config import cfg
from oslo_config import iniparser

from safe_fixtures.conf import options

__all__ = ['WORKER', 'Given', 'forget', 'read']

#: The environment variable that names the worker, if there are several.
WORKER = 'SAFE_FIXTURES_WORKER'

_FILE = 'SAFE_FIXTURES_CONFIG'
_PREFIX = f'OS_{options.GROUP.name.upper()}__'


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """What was read.

    :ivar values: the text of each option that somebody set, by its name.
    :ivar directory: the current directory of then.
    :ivar home: the home directory of then.
    :ivar worker: the name of the worker, or None.
    :ivar environ: the environment of then.
    :ivar fault: the arguments of the ConfigurationError that refuses it all,
        or None.
    """

    values: dict[str, str]
    directory: str
    home: str
    worker: str | None
    environ: Mapping[str, str] = dataclasses.field(repr=False)
    fault: tuple[str, Any, str] | None

    @property
    def state(self) -> str:
        """The directory of this user for what outlives a run."""
        state = self.environ.get('XDG_STATE_HOME', '')
        # The specification of XDG lets nobody use a relative one.
        if not os.path.isabs(state):
            state = os.path.join(self.home, '.local', 'state')
        return os.path.join(state, 'safe-fixtures')

    def absolute(self, path: str) -> str:
        """Return a path as it was meant when the settings were read.

        :param path: may be relative, or begin with ``~``.
        """
        if path == '~' or path.startswith('~/'):
            path = self.home + path[1:]
        return os.path.normpath(
            os.path.join(self.directory, os.path.expanduser(path))
        )


_read: Given | None = None


def read() -> Given:
    """Return what environment and file said when they were first read."""
    global _read
    if _read is None:
        _read = _now()
    return _read


def forget() -> None:
    """Read anew at the next use: for this package's own tests."""
    global _read
    _read = None


def _now() -> Given:
    path = os.environ.get(_FILE) or None
    values: dict[str, str] = {}
    fault: tuple[str, Any, str] | None = None
    try:
        values.update(_in_file(path))
    except (iniparser.ParseError, OSError, UnicodeError) as error:
        fault = _FILE, path, str(error)
    if path is not None and not os.path.isfile(path):
        fault = _FILE, path, 'it must name a readable file'
    for name, value in os.environ.items():
        if name.startswith(_PREFIX):
            values[name.removeprefix(_PREFIX).lower()] = value
    known = sorted(opt.name for opt in options.OPTS)
    for name in values:
        # A misspelt option would leave its guard at the default.
        if fault is None and name not in known:
            fault = (
                f'[{options.GROUP.name}] {name}',
                values[name],
                f'there is no such option; there are {", ".join(known)}',
            )
    try:
        directory = os.getcwd()
    except OSError:
        # It is gone, and nothing can be below it.
        directory = os.sep
    return Given(
        values,
        directory,
        os.path.expanduser('~'),
        os.environ.get(WORKER) or None,
        dict(os.environ),
        fault,
    )


def _in_file(path: str | None) -> Iterator[tuple[str, str]]:
    if path is None:
        return
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(path, sections).parse()
    for group, section in sections.items():
        # oslo.config accepts the name of a group in any case.
        if group.lower() == options.GROUP.name:
            for name, values in section.items():
                yield name, values[-1]
