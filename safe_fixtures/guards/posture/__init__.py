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

"""Report process state that a test leaves changed."""

from safe_fixtures.guards.posture.guard import PostureGuard
from safe_fixtures.guards.posture.probe import Probe
from safe_fixtures.guards.posture.source import Leak
from safe_fixtures.guards.posture.source import PostureSource

__all__ = ['Leak', 'PostureGuard', 'PostureSource', 'Probe']
