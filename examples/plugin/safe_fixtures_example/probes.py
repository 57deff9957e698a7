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

"""What a test must not leave changed besides."""

import mimetypes

from safe_fixtures.guards import posture


class MimeTypesProbe(posture.Probe):
    """The types of files that this process knows, by extension."""

    remedy = 'Remove the type from mimetypes.types_map in a cleanup.'

    def __init__(self):
        # At its first use, the module reads the files of the system.
        if not mimetypes.inited:
            mimetypes.init()

    def snapshot(self):
        return dict(mimetypes.types_map)
