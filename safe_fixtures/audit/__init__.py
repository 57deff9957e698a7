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

"""The audit trail: CADF events, their sinks, and alerts on them."""

from safe_fixtures.audit.alert_rules import AlertRule
from safe_fixtures.audit.alerts import Alerts
from safe_fixtures.audit.alerts import LIMITS
from safe_fixtures.audit.board import Alert
from safe_fixtures.audit.delivery import AuditFailed
from safe_fixtures.audit.delivery import Sink
from safe_fixtures.audit.delivery import watch
from safe_fixtures.audit.events import details
from safe_fixtures.audit.events import Event
from safe_fixtures.audit.plugin_events import load_plugins
from safe_fixtures.audit.trail import AuditTrail
from safe_fixtures.audit.trail import current

__all__ = [
    'Alert',
    'AlertRule',
    'Alerts',
    'AuditFailed',
    'AuditTrail',
    'Event',
    'LIMITS',
    'Sink',
    'current',
    'details',
    'load_plugins',
    'watch',
]
