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

"""What every client of a compute API can do, and how it fails."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from safe_fixtures.guards.services import model
from safe_fixtures import redaction
from safe_fixtures.runtime import printable

__all__ = ['Api', 'ApiError', 'ApiUnreachable', 'Listed', 'shown']

# An answer can be a page of HTML, or a traceback.
_LONGEST = 300
_REDACTOR = redaction.Redactor()


class Listed(NamedTuple):
    """A service as the API lists it.

    :ivar ref: which service. Its ``uuid`` is empty if its cell does not
        answer.
    :ivar state: its state; None if its cell does not answer.
    """

    ref: model.ServiceRef
    state: model.ServiceState | None


class ApiError(Exception):
    """The API answered with an error.

    :ivar status: the HTTP status (int).
    :ivar message: what the API says (str).
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = shown(message)

    def __str__(self) -> str:
        return f'the API answered {self.status}: {self.message}'


class ApiUnreachable(ConnectionError):
    """There is no connection to the API, or it broke."""


def shown(text: str) -> str:
    """Return what an API or a library says, for a message.

    It is one line, is not long, and has no password of a URL.
    """
    line = ' '.join(text[: 10 * _LONGEST].split())
    return printable.line(_REDACTOR.redact(line)[:_LONGEST])


class Api(Protocol):
    """A compute API, through whatever client a project has.

    Each request asks for a microversion of its own, whatever the client is
    set to, and is not sent again if it fails. Only a new token is asked for
    once, where a client does that.

    What takes a *timeout* (seconds) raises ApiError, ApiUnreachable or
    TimeoutError.

    :ivar kind: what the client is: ``openstacksdk``, ``keystoneauth``,
        ``python-novaclient``, ``tempest`` or ``client``.
    """

    kind: str

    def endpoint(self) -> str | None:
        """Return the URL of the compute API, as it is now.

        It has no project and no slash at the end, so that it is the same
        for all clients of a cloud.
        """

    def region(self) -> str | None:
        """Return the region of the client; None if it has none."""

    def list_services(
        self,
        timeout: float,
        host: str | None = None,
        binary: str | None = None,
    ) -> list[Listed]:
        """List the services, or those of one host or binary."""

    def put_service(
        self, service_id: Any, body: Mapping[str, Any], timeout: float
    ) -> None:
        """Change a service, as ``PUT /os-services/{uuid}`` does from 2.53."""

    def servers_on(
        self, host: str, timeout: float
    ) -> list[model.HostedServer] | None:
        """Return the servers on a host; None if that cannot be known."""

    def renews(self) -> bool:
        """Whether it can get a new token when the one it has expires."""

    def renew(self) -> None:
        """Forget the token, so that the next request gets a new one."""

    def traits(self, host: str, timeout: float) -> set[str] | None:
        """Return the traits of the resource providers of a compute.

        :returns: None if there is no Placement API, or no such provider.
        """
