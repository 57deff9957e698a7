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

"""The one place that sees every API request of a test.

A file for what a call is, one for the fixture, and one for each library that
sends requests.
"""

from safe_fixtures.core.gate.call import ApiCall
from safe_fixtures.core.gate.call import current_call
from safe_fixtures.core.gate.fixture import ApiGate
from safe_fixtures.core.gate.fixture import OBSERVERS  # noqa: F401
from safe_fixtures.core.gate.observers import Observer

__all__ = ['ApiCall', 'ApiGate', 'Observer', 'current_call']
