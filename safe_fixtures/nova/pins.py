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

"""The vetted compute microversion of each Nova release, as data."""

import functools
from importlib import metadata

from nova.api.openstack import api_version_request

from safe_fixtures import exceptions

__all__ = ['NovaVersions', 'VETTED', 'vetted_microversion']

VETTED = {31: '2.100', 32: '2.100', 33: '2.103', 34: '2.104'}


def vetted_microversion(release: str | None = None) -> str:
    """Return the vetted pin of a Nova release.

    :param release: a version of Nova, such as ``'34.0.0'``; default: that
        of the installed one.
    :raises: ConfigurationError if no pin is vetted for the release.
    """
    if release is None:
        release = _installed()
    major = release.partition('.')[0]
    if major.isdigit() and int(major) in VETTED:
        return VETTED[int(major)]
    raise exceptions.ConfigurationError(
        '[safe_fixtures] pinned_microversion',
        None,
        f'no microversion is vetted for Nova {release} (only for '
        f'{", ".join(map(str, VETTED))}); set this option to one that you '
        'have vetted',
    )


class NovaVersions:
    """The microversions of the Nova in this process.

    See ``guards.microversion.ComputeVersions``.
    """

    vetted_microversion = staticmethod(vetted_microversion)

    def supported_microversions(self) -> tuple[str, str]:
        """Return the minimum and the maximum that the API supports."""
        # Tests stub these functions, so call them each time.
        return (
            api_version_request.min_api_version().get_string(),
            api_version_request.max_api_version().get_string(),
        )


@functools.cache
def _installed() -> str:
    try:
        return metadata.version('nova')
    except metadata.PackageNotFoundError:
        return '(a source tree that is not installed)'
