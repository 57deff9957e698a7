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

"""What the operating system offers, whatever a test does to ``os``.

A record must not be lost because the test that it is about has replaced
``os.open`` or ``os.getpid``.
"""

import os as _os
import types
from typing import Any

__all__ = ['os']

#: The names of the module ``os`` as they were at import.
os: Any = types.SimpleNamespace(**vars(_os))
