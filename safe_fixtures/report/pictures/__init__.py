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

"""Pictures of a run: of a test, of the suite, and of permissions.

The script ``timeline.js`` draws a test in the browser. The styles and scripts
in this folder are in every page, ordered by name.
"""

from collections.abc import Sequence

from safe_fixtures.audit import events
from safe_fixtures.report import model

__all__ = ['permissions_tables', 'suite_svg']


def suite_svg(tests: Sequence[model.Test]) -> str:
    """Return the timeline of a suite; empty if there is nothing to show.

    Example::

        suite_svg(model.tests())

    :param tests: the tests, in the order in which the page has them.
    :returns: markup (markupsafe.Markup).
    """
    # markupsafe comes with Jinja2, which only an HTML report requires.
    from safe_fixtures.report.pictures import suite

    return suite.draw(tests)


def permissions_tables(checks: Sequence[events.Event]) -> str:
    """Return who may do what to the servers that were checked.

    :param checks: the events ``evaluate/permissions``.
    :returns: markup (markupsafe.Markup), a table for each result; empty
        without a check.
    """
    from safe_fixtures.report.pictures import permissions

    return permissions.tables(checks)
