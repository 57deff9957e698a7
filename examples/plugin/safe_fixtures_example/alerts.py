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

"""What somebody should look at besides."""

from safe_fixtures import audit


class NamelessToggle(audit.AlertRule):
    """A service was disabled without a reason."""

    def message(self, event):
        if event.action == 'disable' and event.outcome == 'success':
            if event.details.get('after') == 'disabled':
                return f'{event.target} was disabled without a reason'
        return None
