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

"""The servers and the policy of the Nova in this process."""

from collections.abc import Iterator, Sequence
import contextlib
import json
from typing import Any

from nova.api.openstack import api_version_request
from nova.compute import vm_states
from nova import context as nova_context
from nova import exception
from nova import objects
from oslo_context import context as oslo_context

from safe_fixtures.guards import permissions
from safe_fixtures.nova.permissions import defaults as permissions_defaults
from safe_fixtures.nova.permissions import prober as permissions_prober
from safe_fixtures.nova.permissions import table
from safe_fixtures.nova import pins

__all__ = ['NovaPermissions']


class NovaPermissions:
    """Nova's servers and policy; see ``permissions.PermissionSource``."""

    operations = table.OPERATIONS
    # The stub of nova.tests.fixtures.OSAPIFixture goes by this name.
    admin_user = 'admin'
    expected = staticmethod(permissions_defaults.expected)
    watching_policy = staticmethod(permissions_defaults.watching)

    @staticmethod
    def microversion(pin: str | None) -> str:
        wanted = api_version_request.APIVersionRequest(
            pin or pins.vetted_microversion()
        )
        # Tests stub this function.
        return min(wanted, api_version_request.max_api_version()).get_string()

    @staticmethod
    def personas() -> Sequence[permissions.Persona]:
        rules = permissions_defaults.defaults().registered_rules
        if table.MANAGER_RULE in rules:
            return table.PERSONAS
        return [each for each in table.PERSONAS if 'manager' not in each.roles]

    @staticmethod
    def server(server_id: str) -> permissions.ServerRecord | None:
        found = _instance(server_id)
        if found is None:
            return None
        instance, moves = found
        text = json.dumps(instance.obj_to_primitive(), default=str)
        pairs = instance.keypairs.objects if instance.keypairs else ()
        hosts = {instance.host, instance.node, instance.launched_on}
        for move in moves:
            hosts |= {move.source_compute, move.source_node}
            hosts |= {move.dest_compute, move.dest_node}
        return permissions.ServerRecord(
            server_id,
            instance.project_id,
            instance.user_id,
            frozenset(filter(None, hosts)),
            tuple((pair.name, pair.user_id) for pair in pairs),
            json.loads(text)['nova_object.data'],
            is_busy=instance.task_state is not None,
            is_listed=instance.vm_state != vm_states.SOFT_DELETED,
            reservation=instance.reservation_id,
        )

    @contextlib.contextmanager
    def probing(
        self,
        server: permissions.ServerRecord,
        endpoint: str,
        microversion: str,
        watched: Any,
    ) -> Iterator[permissions_prober.Prober]:
        prober = permissions_prober.Prober(server, endpoint, microversion)
        with contextlib.ExitStack() as undo:
            undo.enter_context(_keeping_context())
            undo.callback(permissions_prober.patches())
            prober.set_aside = permissions_defaults.set_aside(undo, watched)
            undo.callback(prober.close)
            yield prober


@contextlib.contextmanager
def _keeping_context() -> Iterator[None]:
    """Restore the current context of this thread."""
    previous = oslo_context.get_current()
    try:
        yield
    finally:
        if previous is not None:
            previous.update_store()
        elif oslo_context.get_current() is not None:
            del oslo_context._request_store.context


@_keeping_context()
def _instance(server_id: str) -> tuple[Any, Any] | None:
    """Return a server, and its migrations."""
    context = nova_context.RequestContext(is_admin=True, overwrite=False)
    try:
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            context, server_id
        )
        if mapping.cell_mapping is None:
            return None
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            instance = objects.Instance.get_by_uuid(
                cell,
                server_id,
                ['metadata', 'system_metadata', 'tags', 'keypairs'],
            )
            moves = objects.MigrationList.get_by_filters(
                cell, {'instance_uuid': server_id}
            )
            return instance, moves
    except (exception.InstanceMappingNotFound, exception.InstanceNotFound):
        return None
