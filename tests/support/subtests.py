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

"""Name the case of a loop that failed."""

import contextlib

from testtools import content

__all__ = ['SubTests']


class SubTests:
    """Makes ``subTest`` name the case that failed.

    The one that testtools inherits from unittest does nothing.
    """

    @contextlib.contextmanager
    def subTest(self, msg=None, **case):
        try:
            yield
        except Exception:
            named = ', '.join(f'{name}={case[name]!r}' for name in case)
            self.addDetail(
                'case', content.text_content(f'{msg or ""} {named}'.strip())
            )
            raise
