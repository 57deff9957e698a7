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

"""Hardened fixtures for OpenStack Nova functional tests."""

from safe_fixtures.audit import Alert
from safe_fixtures.audit import Alerts
from safe_fixtures.audit import AuditTrail
from safe_fixtures.core.gate import ApiGate
from safe_fixtures.core.violations import expect_violation
from safe_fixtures.core.waivers import waive
from safe_fixtures.exceptions import ConfigurationError
from safe_fixtures.exceptions import RestoreFailed
from safe_fixtures.exceptions import SafetyViolation
from safe_fixtures.exceptions import ServiceHeld
from safe_fixtures.exceptions import WaitCutShort
from safe_fixtures.exceptions import WrongOrder
from safe_fixtures.guards.dummy_data import DummyDataGuard
from safe_fixtures.guards.dummy_data import IsDummyFlavor
from safe_fixtures.guards.dummy_data import IsDummyImage
from safe_fixtures.guards.isolation import IsolationGuard
from safe_fixtures.guards.microversion import MicroversionPin
from safe_fixtures.guards.output import RedactedOutput
from safe_fixtures.guards.payload import PayloadGuard
from safe_fixtures.guards.permissions import ServerPermissions
from safe_fixtures.guards.posture import PostureGuard
from safe_fixtures.guards.service_start import ServiceStartGuard
from safe_fixtures.guards.services import SafeServicesMixin
from safe_fixtures.guards.services import SafeServiceToggle
from safe_fixtures.hardening import hardened
from safe_fixtures.redaction import Redactor

__all__ = [
    'Alert',
    'Alerts',
    'ApiGate',
    'AuditTrail',
    'ConfigurationError',
    'DummyDataGuard',
    'IsDummyFlavor',
    'IsDummyImage',
    'IsolationGuard',
    'MicroversionPin',
    'PayloadGuard',
    'PostureGuard',
    'RedactedOutput',
    'Redactor',
    'RestoreFailed',
    'SafeServiceToggle',
    'SafeServicesMixin',
    'SafetyViolation',
    'ServerPermissions',
    'ServiceHeld',
    'ServiceStartGuard',
    'WaitCutShort',
    'WrongOrder',
    'expect_violation',
    'hardened',
    'waive',
]
