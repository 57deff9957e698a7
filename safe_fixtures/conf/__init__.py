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

"""The settings: group ``[safe_fixtures]`` of the package's own options."""

from safe_fixtures.conf.given import WORKER
from safe_fixtures.conf.options import check
from safe_fixtures.conf.options import is_microversion
from safe_fixtures.conf.options import list_opts
from safe_fixtures.conf.options import microversion_form
from safe_fixtures.conf.settings import loosened
from safe_fixtures.conf.settings import Settings
from safe_fixtures.conf.state import absolute
from safe_fixtures.conf.state import CONF
from safe_fixtures.conf.state import environ
from safe_fixtures.conf.state import forget
from safe_fixtures.conf.state import kept
from safe_fixtures.conf.state import load
from safe_fixtures.conf.state import now
from safe_fixtures.conf.state import of_process
from safe_fixtures.conf.state import override
from safe_fixtures.conf.state import read
from safe_fixtures.conf.state import watch
from safe_fixtures.conf.state import worker

__all__ = [
    'CONF',
    'WORKER',
    'Settings',
    'absolute',
    'check',
    'environ',
    'forget',
    'is_microversion',
    'kept',
    'list_opts',
    'load',
    'loosened',
    'microversion_form',
    'now',
    'of_process',
    'override',
    'read',
    'watch',
    'worker',
]
