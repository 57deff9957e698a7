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

"""The probes that are used by default, besides the one for options.

A probe looks only at modules that are imported already; it imports none.
"""

import sys
from typing import Any

from safe_fixtures.guards.posture import interpreter_probes
from safe_fixtures.guards.posture import logging_probe
from safe_fixtures.guards.posture import modules_probe
from safe_fixtures.guards.posture import probe
from safe_fixtures.guards.posture import process_probes
from safe_fixtures.guards.posture import resource_probes
from safe_fixtures.guards.posture import stub_probes
from safe_fixtures.guards.posture import tls_probe

__all__ = ['DEFAULT']


class WsgiInterceptProbe(probe.Probe):
    """The addresses that ``wsgi_intercept`` serves in this process."""

    name = 'wsgi_intercept'

    def snapshot(self) -> dict[str, Any]:
        module: Any = sys.modules.get('wsgi_intercept')
        served = dict(module._wsgi_intercept) if module is not None else {}
        return {
            f'{host}:{port}': probe.Thing(app)
            for (host, port), (app, *_) in served.items()
        }


DEFAULT: tuple[type[probe.Probe], ...] = (
    process_probes.EnvironProbe,
    process_probes.ProcessProbe,
    process_probes.SignalProbe,
    interpreter_probes.InterpreterProbe,
    interpreter_probes.WarningsProbe,
    modules_probe.ModulesProbe,
    tls_probe.TlsProbe,
    logging_probe.LoggingProbe,
    WsgiInterceptProbe,
    resource_probes.ThreadProbe,
    resource_probes.DaemonProbe,
    resource_probes.DescriptorProbe,
    resource_probes.ChildProbe,
    stub_probes.PatchProbe,
    stub_probes.StubProbe,
)
