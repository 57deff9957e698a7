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

"""What the summary says besides."""

import collections

from safe_fixtures import summary


class BusiestServices(summary.Section):
    """The services that were disabled most often."""

    title = 'Busiest services'

    def __init__(self):
        self._counts = collections.Counter()

    def add(self, event):
        if event.action == 'disable':
            self._counts[event.target] += 1

    def rows(self):
        for service, count in self._counts.most_common(3):
            yield service, count, 'times disabled'
