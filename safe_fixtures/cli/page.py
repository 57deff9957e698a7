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

"""The page that a run writes to its report directory."""

from collections.abc import Sequence
import os

from safe_fixtures import audit
from safe_fixtures.cli.runner import colours
from safe_fixtures.core import debts as core_debts
from safe_fixtures.report import html

__all__ = ['NAME', 'write']

#: The name of the page.
NAME = 'report.html'


def write(
    directory: str,
    alerts: audit.Alerts,
    debts: Sequence[core_debts.Debt] | None = None,
) -> None:
    """Write the page of a run and say where it is, or why there is none.

    Whatever goes wrong costs the page only.

    :param directory: the report directory of the run.
    :param alerts: raises the alerts of the page.
    :param debts: those of the baseline; default: there is none.
    """
    path = os.path.join(directory, NAME)
    try:
        # A test may have put something there, such as a link to elsewhere.
        if os.path.lexists(path):
            os.unlink(path)
        # As the rest of the report, it is for the owner only.
        html.write([directory], path, alerts, debts, mode=0o600)
    except Exception as error:
        colours.say(f'no {NAME}: {error or type(error).__name__}')
    else:
        colours.say(f'open in a browser: {path}')
