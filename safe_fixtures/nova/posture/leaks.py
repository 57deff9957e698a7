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

"""What Nova's own test bases leave behind, as data."""

from safe_fixtures.guards import posture

__all__ = ['LEAKS']

_Leak = posture.Leak
_LOG_DEFAULTS = (
    'nova.config.parse_args(), which ConfFixture calls, sets this once for '
    'the process'
)
_PLACEMENT = (
    'PlacementFixture sets this default on the option itself, which all '
    'configurations of the process share; from then on Nova, too, grants '
    'what its deprecated rules grant'
)
_SERVER_SHARES = (
    'three tests of libvirt.test_server_shares set it for a fixture that has '
    'read it by then, and leave it to all tests after them'
)
_LOGGING_FIXTURE = (
    'StandardLogging, which every test uses, sets this level and does not '
    'restore it'
)
_POOLS = (
    'services leave the threads of their pools, which wait for work till the '
    'process ends'
)
_CELLS = (
    'Nova keeps the cells that it has found; its TestCase forgets them when '
    'it sets up the next test'
)

LEAKS: tuple[posture.Leak, ...] = (
    _Leak(
        'config',
        '[DEFAULT] default_log_levels',
        "['amqp=WARN', *, 'glanceclient=WARN', 'oslo.privsep.daemon=INFO']",
        _LOG_DEFAULTS,
    ),
    _Leak('config', '[oslo_policy] enforce_new_defaults', 'False', _PLACEMENT),
    # Until Nova 33; from oslo.policy 6 on there is no such option.
    _Leak('config', '[oslo_policy] enforce_scope', 'False', _PLACEMENT),
    _Leak('daemons', 'futurist._thread.ThreadWorker *', "'alive'", _POOLS),
    _Leak('environ', 'OS_DEBUG', "'true'", _SERVER_SHARES),
    _Leak(
        'logging',
        'oslo.messaging._drivers.impl_rabbit filters',
        "['nova.config.rabbit_heartbeat_filter']",
        _LOG_DEFAULTS,
    ),
    _Leak('logging', 'root level', 'DEBUG', _LOGGING_FIXTURE),
    *(
        _Leak('logging', f'{name} level', 'WARNING', _LOGGING_FIXTURE)
        for name in ('alembic', 'migrate.versioning.api', 'oslo_db.sqlalchemy')
    ),
    _Leak(
        'nova cells',
        'nova.context.CELLS',
        '<CellMappingList object>*',
        _CELLS,
    ),
    _Leak(
        'nova cells',
        'nova.context.CELL_CACHE *',
        "['<_TransactionContextManager object>'*",
        _CELLS,
    ),
    _Leak(
        'nova clients',
        'nova.scheduler.client.report.PLACEMENTCLIENT',
        '<SchedulerReportClient object>*',
        'Nova makes it once for the process',
    ),
)
