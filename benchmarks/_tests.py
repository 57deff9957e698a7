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

"""The Nova tests that are measured, of every base family."""

import importlib

PREFIX = 'nova.tests.functional.'
TESTS = (
    'compute.test_instance_list.InstanceListTestCase'
    '.test_get_paginated_with_uuid_filter',
    'db.test_compute_node.ComputeNodeTestCase.test_get_all_by_uuids',
    'db.test_flavor.FlavorObjectTestCase.test_create',
    'db.test_host_mapping.HostMappingTestCase.test_get_by_host',
    'libvirt.test_power_manage.PowerManagementTestsGovernor'
    '.test_changing_strategy_fails',
    'libvirt.test_rt_servers.RealTimeServersTest.test_success',
    'libvirt.test_vif_model.LibvirtVifModelTest.test_boot_with_vif_model_igb',
    'regressions.test_bug_1404867.DeleteWithReservedVolumes'
    '.test_delete_with_reserved_volumes_new',
    'regressions.test_bug_1679750.TestLocalDeleteAllocations'
    '.test_local_delete_removes_allocations_after_compute_restart',
    'regressions.test_bug_1679750.TestLocalDeleteAllocations'
    '.test_local_delete_removes_allocations_from_api',
    'regressions.test_bug_1702454.SchedulerOnlyChecksTargetTest'
    '.test_evacuate_server',
    'regressions.test_bug_1713783.FailedEvacuateStateTests'
    '.test_evacuate_no_valid_host',
    'regressions.test_bug_1794996'
    '.TestEvacuateDeleteServerRestartOriginalCompute'
    '.test_evacuate_delete_server_restart_original_compute',
    'regressions.test_bug_1823370.MultiCellEvacuateTestCase'
    '.test_evacuate_multi_cell',
    'test_aggregates.AggregatesTest.test_add_hosts',
    'test_boot_from_volume.BootFromVolumeTest.test_reboot_bfv_instance',
    'test_cold_migrate.ColdMigrationAllowSameHost'
    '.test_cold_migrate_same_host_supported',
    'test_flavor_extraspecs.FlavorExtraSpecsTest.test_create',
    'test_instance_actions.InstanceActionsTestV221.test_get_instance_actions',
    'test_policy.HostStatusPolicyTestCase'
    '.test_get_server_host_status_unknown_only',
    'test_servers.CreateServerConstraintsTest'
    '.test_create_server_locked_memory_conflict',
    'test_servers.ServersTest.test_create_server_with_error',
    'test_servers_provider_tree.TraitsTrackingTests'
    '.test_resource_provider_traits',
    'wsgi.test_services.ComputeStatusFilterTest.test_compute_status_filter',
)


def cases():
    """Yield the class and the method of each test."""
    for name in TESTS:
        module, cls, method = name.rsplit('.', 2)
        found = getattr(importlib.import_module(PREFIX + module), cls)
        yield found, method
