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

"""Where events go besides."""

import json
import os


class TogglesFile:
    """Appends each change of a service to a file.

    ``TOGGLES_FILE`` in the environment names it.
    """

    def __init__(self):
        # In the constructor: tests may change the environment.
        self._path = os.path.abspath(os.environ['TOGGLES_FILE'])

    def __call__(self, event):
        if event['action'] in ('disable', 'enable', 'update/forced_down'):
            line = [event['initiator']['name'], event['action']]
            with open(self._path, 'a', encoding='utf-8') as file:
                file.write(json.dumps(line) + '\n')
