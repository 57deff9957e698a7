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

"""Try an operation on a server as one persona."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextvars
import dataclasses
import itertools
import json
from typing import Any
from urllib import parse

import microversion_parse
from nova.api.openstack import wsgi
from nova.compute import api as compute_api
from nova import context as nova_context
from nova import objects
from nova import policy as nova_policy
from nova import rpc
from oslo_policy import policy as oslo_policy
import requests
import webob.exc

from safe_fixtures.guards import permissions
from safe_fixtures.nova.permissions import defaults as permissions_defaults
from safe_fixtures.runtime import patching

__all__ = ['Prober', 'STOPS', 'patches']

_OTHER_PROJECT = 'c0ffee00c0ffee00c0ffee00c0ffee00'

# Where the requests of a prober are stopped.
STOPS = (
    *(
        (compute_api.API, name)
        for name in (
            'delete',
            'force_delete',
            'get_console_output',
            'get_diagnostics',
            'get_instance_diagnostics',
            'resize',
            'soft_delete',
            'update_instance',
            'update_instance_metadata',
        )
    ),
    # Below the API, in case it takes another way.
    (objects.Tag, 'create'),
    (objects.Instance, 'destroy'),
    (objects.Instance, 'save'),
    # Not the RPC methods: the consoles keep references to them.
    (rpc.ClientRouter, 'client'),
)

# The functions that evaluate rules, as they were imported.
_EVALUATORS = tuple(
    (owner, name, vars(owner)[name])
    for owner, name in (
        (nova_policy, 'authorize'),
        (nova_context.RequestContext, 'can'),
        (oslo_policy.Enforcer, 'authorize'),
        (oslo_policy.Enforcer, 'enforce'),
    )
)

# The prober whose request this thread serves.
_serving: contextvars.ContextVar['Prober | None'] = contextvars.ContextVar(
    'safe_fixtures_permission_prober', default=None
)


@dataclasses.dataclass(eq=False)
class Prober:
    """Tries operations on one server; see ``permissions.Prober``.

    :ivar context: the context of the last request.
    :ivar stopped_at: where the last request was stopped, if it was.
    """

    _server: permissions.ServerRecord
    _endpoint: str
    _microversion: str
    requests: int = 0
    set_aside: Sequence[str] = ()
    context: Any = None
    stopped_at: str | None = None

    def __post_init__(self) -> None:
        self._session = requests.Session()
        # It would look for proxies in the environment each time.
        self._session.trust_env = False
        # What `show` came to, and its context, by the name of the persona.
        self._shown: dict[str, tuple[str, Any]] = {}
        # The persona that makes a sampled request, by operation.
        self._samples: dict[str, permissions.Persona] = {}

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def attempt(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        """See ``permissions.Prober``."""
        if self._is_spared(persona, operation):
            return permissions.Attempt('allowed', 'the policy engine')
        if operation.kind == 'list':
            return self._list(persona, operation)
        attempt = self._request(persona, operation)
        if operation.name == 'show':
            self._shown[persona.name] = attempt.got, self.context
        return attempt

    def _is_spared(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> bool:
        """Whether the policy engine answers instead of a request."""
        if not (operation.sampled and self._allows(persona, operation)):
            return False
        if operation.kind == 'destroy' or persona.is_admin:
            return True
        sample = self._samples.setdefault(operation.name, persona)
        return sample is not persona

    def _allows(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> bool:
        """Whether the policy in force allows a persona an operation."""
        shown, context = self._shown.get(persona.name, ('hidden', None))
        if context is None or shown == 'hidden':
            return False
        target: dict[str, str] | None = {
            'project_id': self._server.project_id,
            'user_id': self._server.user_id,
        }
        if operation.kind == 'list':
            if not (operation.everywhere or persona.in_project):
                # Policy does not decide which servers are in the list.
                return False
            target = None
        try:
            return all(
                context.can(rule, target, fatal=False)
                for rule in operation.rules
            )
        except Exception:
            # A real request will show what is wrong.
            return False

    def _send(
        self,
        persona: permissions.Persona,
        operation: permissions.Operation,
        url: str | None = None,
    ) -> Any:
        """Send the request of an operation.

        :param url: where to; default: as the operation says.
        """
        server = self._server
        user = server.user_id if persona.user is None else persona.user
        method, _, path = operation.request.partition(' ')
        path = path.format(id=server.server_id)
        body = operation.body
        self.context = self.stopped_at = None
        self.requests += 1
        token = _serving.set(self)
        try:
            return self._session.request(
                method,
                url or f'{self._endpoint}/v2.1{path}',
                data=None if body is None else json.dumps(body),
                headers={
                    'Content-Type': 'application/json',
                    microversion_parse.STANDARD_HEADER: (
                        f'compute {self._microversion}'
                    ),
                    'X-Auth-User': user,
                    'X-User-Id': user,
                    'X-Auth-Project-Id': (
                        server.project_id
                        if persona.in_project
                        else _OTHER_PROJECT
                    ),
                    'X-Roles': ','.join(persona.roles),
                },
            )
        finally:
            _serving.reset(token)

    def _request(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        response = self._send(persona, operation)
        status = response.status_code
        if self.stopped_at is not None:
            return permissions.Attempt(
                'allowed', f'it came as far as {self.stopped_at}'
            )
        shown = None
        if operation.name == 'show' and status == 200:
            shown = response.json()['server']
        got = _outcome(status)
        is_write = operation.kind == 'write'
        if status == 400 and is_write and self._allows(persona, operation):
            # Nova cannot do it: a server has no more than so many tags.
            got = 'allowed'
        return permissions.Attempt(got, f'HTTP {status}', shown, response.text)

    def _list(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        url: str | None = None
        while True:
            response = self._send(persona, operation, url)
            status = response.status_code
            if status != 200:
                return permissions.Attempt(_outcome(status), f'HTTP {status}')
            listed = response.json()
            for server in listed['servers']:
                if server['id'] == self._server.server_id:
                    return permissions.Attempt(
                        'allowed', 'it is in the list', server, response.text
                    )
            links = listed.get('servers_links', ())
            pages = [each['href'] for each in links if each['rel'] == 'next']
            if not pages:
                return permissions.Attempt('hidden', 'it is not in the list')
            # Only the query: links may have a configured prefix.
            query = parse.urlsplit(pages[0]).query
            url = parse.urljoin(response.url, f'?{query}')

    def cause(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> tuple[str, str]:
        """See ``permissions.Prober``."""
        faults = dict(_rule_faults(operation))
        blamed = next(filter(faults.get, operation.rules), operation.rules[-1])
        causes = [
            *faults.values(),
            *_engine_faults(),
            *_context_faults(self._shown.get(persona.name), persona),
        ]
        return blamed, ', '.join(causes) or (
            'rule and context are as by default: the cause is in the API'
        )


def _outcome(status: int) -> str:
    if status == 403:
        return 'forbidden'
    if status == 404:
        return 'hidden'
    # Nova answers 409 and 501 only to a request that got past policy.
    if status < 400 or status in (409, 501):
        return 'allowed'
    return 'error'


def _context_faults(
    shown: tuple[str, Any] | None, persona: permissions.Persona
) -> Iterator[str]:
    context = shown and shown[1]
    if context is None:
        yield 'the request did not reach a controller'
        return
    if bool(context.is_admin) != persona.is_admin:
        yield f'is_admin of the context is {context.is_admin}'
    if set(context.roles) != set(persona.roles):
        yield f'the roles of the context are {",".join(context.roles)}'


def _engine_faults() -> Iterator[str]:
    """Yield how the policy engine was replaced or patched."""
    enforcer = nova_policy._ENFORCER
    if type(enforcer) is not oslo_policy.Enforcer:
        yield f'the policy engine is a {type(enforcer).__name__}'
    elif vars(enforcer).keys() & {'authorize', 'enforce'}:
        yield 'the policy engine is patched'
    for owner, name, original in _EVALUATORS:
        if vars(owner)[name] is not original:
            yield f'{owner.__name__}.{name} is patched'


def _rule_faults(act: permissions.Operation) -> Iterator[tuple[str, str]]:
    """Yield the rules in force that differ from the defaults, and how."""
    rules = getattr(nova_policy._ENFORCER, 'rules', None)
    if not isinstance(rules, Mapping):
        return
    defaults = permissions_defaults.defaults().rules
    for name in permissions_defaults.closure(act.rules, rules):
        default, now = defaults.get(name), rules.get(name)
        if str(default) != str(now):
            yield (
                name,
                f'{name} is {_quoted(now)} and by default {_quoted(default)}',
            )


def _quoted(check: Any) -> str:
    return 'gone' if check is None else f'"{check}"'


def patches() -> Callable[[], None]:
    """Stop the requests of probers, and give probers their contexts.

    :returns: a callable that ends it.
    """
    return patching.patch_attributes(
        [
            *itertools.starmap(_stop, STOPS),
            patching.wrapped_attribute(wsgi.Resource, 'dispatch', _note),
        ]
    )


def _stop(owner: Any, name: str) -> tuple[Any, str, Any]:
    label = f'{owner.__name__}.{name}'

    def stopping(
        wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any
    ) -> Any:
        prober = _serving.get()
        if prober is None:
            return wrapped(*args, **kwargs)
        prober.stopped_at = prober.stopped_at or label
        # A response that the schema of each operation has.
        raise webob.exc.HTTPConflict(explanation=f'stopped at {label}')

    return patching.wrapped_attribute(owner, name, stopping)


def _note(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    prober = _serving.get()
    if prober is not None:
        _method, request, *_args = args
        prober.context = request.environ.get('nova.context')
    return wrapped(*args, **kwargs)
