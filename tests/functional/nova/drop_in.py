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

"""Nova's own tests that must also pass when they are hardened.

By module of ``nova.tests.functional``: the classes that run, and after a
colon the methods, if not all of them run. All pass unhardened on every
release that is tested here, but for those that NOT_ON leaves out.
"""

from nova import version

MODULES = {
    # nova.test.NoDBTestCase, some with databases that they set up themselves
    'compute.test_host_api': ['ComputeHostAPIMultiCellTestCase'],
    'db.test_cell_mapping': ['CellMappingTestCase'],
    'db.test_flavor': ['FlavorObjectTestCase'],
    'db.test_host_mapping': ['HostMappingTestCase'],
    # nova.test.TestCase
    'compute.test_cache_image': ['ImageCacheTest'],
    'compute.test_instance_list': [
        'InstanceListTestCase:test_get_sorted_with_limit,'
        'test_get_paginated_with_uuid_filter',
    ],
    'db.test_compute_node': ['ComputeNodeTestCase'],
    'db.test_keypair': ['KeyPairObjectTestCase'],
    'regressions.test_bug_1679750': ['TestLocalDeleteAllocations'],
    'regressions.test_bug_1702454': ['SchedulerOnlyChecksTargetTest'],
    'regressions.test_bug_1764883': [
        'TestEvacuationWithSourceReturningDuringRebuild'
    ],
    'test_middleware': ['TestCORSMiddleware:test_valid_cors_get_request'],
    'test_report_client': [
        'SchedulerReportClientTests:test_client_report_smoke,'
        'test_update_from_provider_tree',
    ],
    # _IntegratedTestBase
    'test_aggregates': ['AggregatesTest'],
    'test_flavor_extraspecs': ['FlavorExtraSpecsTest:test_create'],
    'test_instance_actions': [
        'InstanceActionsTestV221:test_get_instance_actions_deleted'
    ],
    'test_legacy_v2_compatible_wrapper': [
        'LegacyV2CompatibleTestBase:test_request_with_microversion_headers'
    ],
    'test_policy': [
        'HostStatusPolicyTestCase:test_get_server_host_status_unknown_only'
    ],
    'test_servers': [
        'ServersTest:test_create_server_with_error,'
        'test_create_and_rebuild_server',
        'ServerMovingTests:test_evacuate_with_no_compute',
    ],
    'wsgi.test_servers': [
        'ServersPreSchedulingTestCase:'
        'test_bfv_delete_build_request_pre_scheduling,'
        'test_instance_from_buildrequest_old_service'
    ],
    # ProviderUsageBaseTestCase
    'regressions.test_bug_1794996': [
        'TestEvacuateDeleteServerRestartOriginalCompute'
    ],
    'wsgi.test_services': [
        'TestServicesAPI:test_compute_service_delete_ensure_related_cleanup,'
        'test_evacuate_then_delete_compute_service',
        'ComputeStatusFilterTest',
    ],
    'test_servers_provider_tree': [
        'TraitsTrackingTests:test_driver_removing_trait_via_upt,'
        'test_resource_provider_traits'
    ],
    # the libvirt base
    'libvirt.test_migration_addr': [
        'LibvirtMigrationAddrTest:test_evacuate_with_ip'
    ],
    'libvirt.test_power_manage': ['PowerManagementTestsGovernor'],
    'libvirt.test_rt_servers': ['RealTimeServersTest:test_success'],
    'libvirt.test_vif_model': [
        'LibvirtVifModelTest:test_boot_with_vif_model_igb_old_qemu'
    ],
    # several cells
    'regressions.test_bug_1823370': ['MultiCellEvacuateTestCase'],
}

# By release, what fails there unhardened, too. In this class the scheduler of
# Nova 32 reads instances in a second greenlet with the context with which
# its service is created: "Can't upgrade a READER transaction to a WRITER".
NOT_ON = {'32': ['test_middleware']}

for _module in NOT_ON.get(version.version_string().partition('.')[0], ()):
    del MODULES[_module]
