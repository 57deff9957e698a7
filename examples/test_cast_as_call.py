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

"""A cast that fails is seen by the test, and its secret is not."""

from safe_fixtures.nova import SafeCastAsCall  # isort: skip
from safe_fixtures.nova import SafeIntegratedTestBase  # isort: skip

import fixtures
from nova import context
from nova import exception
from nova.scheduler.client import query


class TestFailingCast(SafeIntegratedTestBase):
    """CAST_AS_CALL, which is the default, is SafeCastAsCall here."""

    def test_an_error_of_a_service(self):
        """What the scheduler raises comes back, without the password."""
        casting = self.useFixture(SafeCastAsCall())
        scheduler = self.scheduler.manager
        error = exception.Invalid('the password=correct-horse is refused')
        self.useFixture(
            fixtures.MockPatchObject(
                scheduler, 'update_aggregates', side_effect=error
            )
        )

        seen = self.assertRaises(
            exception.Invalid,
            query.SchedulerQueryClient().update_aggregates,
            context.get_admin_context(),
            [],
        )

        self.assertEqual('the password=*** is refused', str(seen))
        (cast,) = casting.casts
        self.assertEqual('update_aggregates', cast.method)
        self.assertEqual('Invalid', cast.error)
