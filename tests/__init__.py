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

"""All tests: their journals and locks are not those of the user."""

import atexit
import os
import shutil
import tempfile

_STATE = os.path.join(
    tempfile.gettempdir(), f'safe-fixtures-tests-{os.getpid()}'
)
# It is made where a test needs it.
os.environ['XDG_STATE_HOME'] = _STATE
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)
