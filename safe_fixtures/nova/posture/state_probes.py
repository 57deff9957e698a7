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

"""What tests of Nova leave in its modules."""

from collections.abc import Iterator
import sys
from typing import Any, ClassVar, Final

from safe_fixtures.guards.posture import modules_probe
from safe_fixtures.guards.posture import probe

__all__ = [
    'NovaCellProbe',
    'NovaClientProbe',
    'NovaModulesProbe',
    'NovaProbe',
]

# What decides what later tests may do, or what they get.
_SETTINGS: Final = (
    'nova.objects.base:NovaObject.indirection_api',
    'nova.privsep:sys_admin_pctxt.client_mode',
    'nova.rpc.ALLOWED_EXMODS',
    'nova.rpc.EXTRA_EXMODS',
)
# Connections to the cells that Nova keeps for the next request.
_CELLS: Final = ('nova.context.CELLS', 'nova.context.CELL_CACHE')
# Clients and credentials that it keeps.
_CLIENTS: Final = (
    'nova.crypto._KEYMGR',
    'nova.limit.utils.IDENTITY_CLIENT',
    'nova.scheduler.client.report.PLACEMENTCLIENT',
    'nova.service_auth._AUTHS',
    'nova.service_auth._SESSIONS',
)
_CODE: Final = (
    'nova.api.openstack.auth', 'nova.api.openstack.wsgi',
    'nova.compute.rpcapi', 'nova.context', 'nova.context:RequestContext',
    'nova.crypto', 'nova.db.api.api', 'nova.db.main.api', 'nova.exception',
    'nova.limit.utils', 'nova.objects.base:NovaObject',
    'nova.objects.service:Service', 'nova.policy', 'nova.privsep',
    'nova.quota', 'nova.rpc', 'nova.service', 'nova.service:Service',
    'nova.service_auth', 'nova.utils', 'oslo_context.context:RequestContext',
    'oslo_policy.policy', 'oslo_policy.policy:Enforcer',
    'placement.handler', 'placement.policy',
)  # fmt: skip


class NovaProbe(probe.ObjectProbe):
    """Settings that are no options of Nova."""

    name = 'nova'
    owners: ClassVar[tuple[str, ...]] = _SETTINGS

    def snapshot(self) -> dict[str, Any]:
        found = {}
        for key in self.owners:
            value = _value_of(key)
            if isinstance(value, dict):
                # Each entry has a key of its own.
                found.update({f'{key} {k}': v for k, v in value.items()})
            else:
                found[key] = value
        return found

    def describe(self, key: str, value: Any) -> str:
        if isinstance(value, tuple):
            return str([self.describe(key, each) for each in value])
        return super().describe(key, value)


class NovaCellProbe(NovaProbe):
    """Connections to cells that Nova keeps.

    What it has forgotten it finds out again, so that is no change.
    """

    name = 'nova cells'
    remedy = 'Reset it in a cleanup.'
    owners: ClassVar[tuple[str, ...]] = _CELLS

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key, old, new in super().changes(before, after):
            if new is not probe.ABSENT and new not in (None, ()):
                yield key, old, new


class NovaClientProbe(NovaCellProbe):
    """Clients and credentials that Nova keeps; its own tests leave some."""

    name = 'nova clients'
    rule = 'SF503'
    owners = _CLIENTS


class NovaModulesProbe(modules_probe.ModulesProbe):
    """Functions and classes of Nova that decide who may do what."""

    name = 'nova modules'
    owners = _CODE
    closed = ()
    code_only = True


def _value_of(key: str) -> Any:
    """Return a value that does not change later."""
    module, colon, path = key.partition(':')
    if not colon:
        module, _, path = key.rpartition('.')
    value: Any = sys.modules.get(module)
    for name in path.split('.'):
        value = getattr(value, name, None)
    return tuple(value) if isinstance(value, (list, set)) else value
