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

"""What libraries leave behind that many projects share, as data."""

import functools
from typing import Final

from safe_fixtures import conf
from safe_fixtures.core import tables
from safe_fixtures.guards.posture import source

__all__ = ['LEAKS', 'of_suite']

_OSLOTEST: Final = (
    'ConfigureLogging of oslotest, which its base class uses, calls '
    'logging.basicConfig() in the first test of a process'
)

LEAKS: Final[tuple[source.Leak, ...]] = (
    source.Leak(
        'config',
        '[*] *',
        '* (default)',
        'the fixture of oslo.config resets all options at its cleanup, '
        'whoever set them and when: imports do, and tests before they call '
        'the set-up of their base',
        module='oslo_config.fixture',
    ),
    source.Leak(
        'config',
        '[cors] *',
        '*',
        'the CORS middleware of oslo.middleware writes the values that it is '
        'given into the options of the process, when an application is made',
        module='oslo_middleware.cors',
    ),
    source.Leak(
        'logging',
        'root handlers',
        "['StreamHandler NOTSET']",
        _OSLOTEST,
        before='[]',
        module='oslotest.log',
    ),
    # With OS_DEBUG, DEBUG or INFO.
    *(
        source.Leak(
            'logging',
            'root level',
            level,
            _OSLOTEST,
            before='WARNING',
            module='oslotest.log',
        )
        for level in ('NOTSET', 'DEBUG', 'INFO')
    ),
    source.Leak(
        'logging',
        'sqlalchemy.engine level',
        'WARNING',
        'oslo.db sets it when it makes the first engine of the process',
        module='oslo_db.sqlalchemy.engines',
    ),
    source.Leak(
        'logging',
        'retrying propagate',
        'False',
        'the library retrying sets it when it is first used',
        module='retrying',
    ),
    source.Leak(
        'interpreter',
        "sys.path '.'",
        "'there'",
        'alembic puts the directory of prepend_sys_path there when it reads '
        'its configuration, each time',
        module='alembic.script.base',
    ),
    source.Leak(
        'interpreter',
        'sys.meta_path <ImportHookFinder object>',
        "'there'",
        'wrapt adds it at the first hook for an import',
        module='wrapt.importer',
    ),
)

_KEYS = ('probe', 'key', 'after', 'reason')


def of_suite() -> list[source.Leak]:
    """Return the leaks of the suite, from its file.

    :raises: ConfigurationError that names the file, the entry and what is
        allowed.
    """
    path = conf.load().posture_leaks_file
    return [] if path is None else _read(path)


@functools.cache
def _read(path: str) -> list[source.Leak]:
    def make(table: dict[str, str], others: object) -> source.Leak:
        return source.Leak(**table)

    return tables.read(
        path,
        '[safe_fixtures] posture_leaks_file',
        'leak',
        _KEYS,
        make,
        optional=('before', 'module'),
    )
