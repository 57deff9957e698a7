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

"""Record the plugins that are active, and those that fail."""

import contextlib

from safe_fixtures.audit import events
from safe_fixtures.audit import trail
from safe_fixtures import conf
from safe_fixtures import extensions

__all__ = ['load_plugins']

# By the audit file. Not the trail of a test: a test may count its events.
_trails: dict[str | None, trail.AuditTrail] = {}


def load_plugins(*groups: str) -> None:
    """Load plugins, and record which there are.

    The first trail of a process loads those that act while tests run.

    :param groups: such as ``sinks`` (str); default: all.
    """
    extensions.load(*groups)


def _record(plugin: extensions.Plugin) -> None:
    # The trail of a test tells of an audit file that cannot be written.
    with contextlib.suppress(Exception):
        path = conf.of_process().audit_file
        if path not in _trails:
            _trails[path] = trail.AuditTrail.standalone(None, path)
        _trails[path].record(
            events.PLUGIN,
            plugin.name,
            target_type='service/plugin',
            outcome='failure' if plugin.fault else 'success',
            event_type='control',
            group=plugin.group,
            package=plugin.package,
            fault=plugin.fault,
        )


extensions.listen(_record)
