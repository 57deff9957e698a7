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
import functools
import json
from typing import Any
from urllib import parse

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
from safe_fixtures.nova.permissions import table
from safe_fixtures.runtime import patching

__all__ = [
    'DOES',
    'Prober',
    'stop',
    'watch_contexts',
]


_OTHER_PROJECT = 'c0ffee00c0ffee00c0ffee00c0ffee00'

# Where the API does, or has done, what policy has let past.
DOES = (
    (
        compute_api.API,
        (
            'delete',
            'force_delete',
            'get_console_output',
            'get_diagnostics',
            'get_instance_diagnostics',
            'resize',
            'soft_delete',
            'update_instance',
            'update_instance_metadata',
        ),
    ),
    # Below that, in case the API has found another way.
    (objects.Tag, ('create',)),
    (objects.Instance, ('destroy', 'save')),
    # The consoles hold on to what they call.
    (rpc.ClientRouter, ('client',)),
)

# What evaluates the rules, as it was imported.
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


class Prober:
    """See ``permissions.Prober``."""

    def __init__(
        self,
        server: permissions.ServerRecord,
        endpoint: str,
        microversion: str,
    ) -> None:
        self._server = server
        self._endpoint = endpoint
        self._microversion = microversion
        self._session = requests.Session()
        # It would ask the environment for proxies, each time.
        self._session.trust_env = False
        self.requests = 0
        self.set_aside: Sequence[str] = ()
        #: The context of the last request, and what it came to.
        self.context: Any = None
        self.stopped_at: str | None = None
        # By the name of the persona.
        self._contexts: dict[str, Any] = {}
        self._shown: dict[str, str] = {}
        # By the name of the operation.
        self._first: dict[str, permissions.Persona] = {}

    def close(self) -> None:
        self._session.close()

    def attempt(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        if operation.sparing:
            if self._allows(persona, operation) and not self._is_first(
                persona, operation
            ):
                return permissions.Attempt('allowed', 'the policy engine')
        if operation.kind == 'list':
            return self._list(persona, operation)
        attempt = self._request(persona, operation)
        if operation.name == 'show':
            self._contexts[persona.name] = self.context
            self._shown[persona.name] = attempt.got
        return attempt

    def _is_first(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> bool:
        """Whether a persona shows for the others how the API does it."""
        if operation.kind == 'destroy' or persona.is_admin:
            return False
        return self._first.setdefault(operation.name, persona) is persona

    def _allows(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> bool:
        """Whether policy, as it is in force, lets a persona do something."""
        context = self._contexts.get(persona.name)
        if context is None or self._shown[persona.name] == 'hidden':
            return False
        target = None
        if operation.kind == 'list':
            if not (operation.everywhere or persona.in_project):
                # That there is a list does not say that it is in it.
                return False
        else:
            target = {
                'project_id': self._server.project_id,
                'user_id': self._server.user_id,
            }
        try:
            return all(
                context.can(rule, target, fatal=False)
                for rule in operation.rules
            )
        except Exception:
            # The request will show what is wrong with it.
            return False

    def _send(
        self,
        persona: permissions.Persona,
        method: str,
        url: str,
        body: Any,
    ) -> requests.Response:
        server = self._server
        user = server.user_id if persona.user is None else persona.user
        project = server.project_id if persona.in_project else _OTHER_PROJECT
        self.context = self.stopped_at = None
        self.requests += 1
        token = _serving.set(self)
        try:
            return self._session.request(
                method,
                url,
                data=None if body is None else json.dumps(body),
                headers={
                    'Content-Type': 'application/json',
                    'OpenStack-API-Version': f'compute {self._microversion}',
                    'X-OpenStack-Nova-API-Version': self._microversion,
                    'X-Auth-User': user,
                    'X-User-Id': user,
                    'X-Auth-Project-Id': project,
                    'X-Roles': ','.join(persona.roles),
                },
            )
        finally:
            _serving.reset(token)

    def _request(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        method, path, body = table.REQUESTS[operation.name]
        path = path.format(id=self._server.server_id)
        url = f'{self._endpoint}/v2.1/servers{path}'
        response = self._send(persona, method, url, body)
        status = response.status_code
        if self.stopped_at is not None:
            return permissions.Attempt(
                'allowed', f'it came as far as {self.stopped_at}'
            )
        shown = None
        if operation.name == 'show' and status == 200:
            shown = response.json()['server']
        got = _outcome(status)
        if (
            got == 'error'
            and operation.kind == 'write'
            and status == 400
            and self._allows(persona, operation)
        ):
            # A server has so many tags, for one, and no more.
            got = 'allowed'
        return permissions.Attempt(got, f'HTTP {status}', shown, response.text)

    def _list(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        method, path, body = table.REQUESTS[operation.name]
        start = f'{self._endpoint}/v2.1/servers{path}'
        url: str | None = start
        while url is not None:
            response = self._send(persona, method, url, body)
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
            # The address of a link may be another one, as configured.
            url = next(
                (
                    parse.urljoin(
                        start, f'?{parse.urlsplit(each["href"]).query}'
                    )
                    for each in links
                    if each['rel'] == 'next'
                ),
                None,
            )
        return permissions.Attempt('hidden', 'it is not in the list')

    def cause(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> tuple[str, str]:
        faults = dict(_rule_faults(operation))
        blamed = next(
            (rule for rule in operation.rules if rule in faults),
            operation.rules[-1],
        )
        causes = [*faults.values(), *_engine_faults()]
        causes += _context_faults(self._contexts.get(persona.name), persona)
        return blamed, ', '.join(causes) or (
            'the rule is as by default, and so is the context: the API is not'
        )


def _outcome(status: int) -> str:
    if status == 403:
        return 'forbidden'
    if status == 404:
        return 'hidden'
    # What Nova cannot do, or not now, it says once policy has let it past.
    if status < 400 or status in (409, 501):
        return 'allowed'
    return 'error'


def _context_faults(
    context: Any, persona: permissions.Persona
) -> Iterator[str]:
    if context is None:
        yield 'the request did not come as far as a controller'
        return
    if bool(context.is_admin) != persona.is_admin:
        yield f'is_admin of the context is {context.is_admin}'
    if set(context.roles) != set(persona.roles):
        yield f'the roles of the context are {",".join(context.roles)}'


def _engine_faults() -> Iterator[str]:
    """Yield how what evaluates the rules is not what it should be."""
    enforcer = nova_policy._ENFORCER
    if type(enforcer) is not oslo_policy.Enforcer:
        yield f'the policy engine is a {type(enforcer).__name__}'
    elif vars(enforcer).keys() & {'authorize', 'enforce'}:
        yield 'the policy engine is patched'
    for owner, name, original in _EVALUATORS:
        if vars(owner)[name] is not original:
            yield f'{owner.__name__}.{name} is patched'


def _rule_faults(
    operation: permissions.Operation,
) -> Iterator[tuple[str, str]]:
    """Yield rules in force, and how they differ from the defaults."""
    rules = getattr(nova_policy._ENFORCER, 'rules', None)
    if not isinstance(rules, Mapping):
        return
    defaults = permissions_defaults.defaults().rules
    for name in permissions_defaults.closure(operation.rules, rules):
        default, now = defaults.get(name), rules.get(name)
        if str(default) != str(now):
            yield (
                name,
                f'{name} is {_quoted(now)} and by default {_quoted(default)}',
            )


def _quoted(check: Any) -> str:
    return 'gone' if check is None else f'"{check}"'


def stop(owner: Any, name: str) -> Callable[[], None]:
    """Stop what the requests of a prober would do there."""
    raw = vars(owner).get(name, getattr(owner, name))
    label = f'{owner.__name__}.{name}'

    @functools.wraps(getattr(owner, name))
    def stopping(self: Any, *args: Any, **kwargs: Any) -> Any:
        prober = _serving.get()
        if prober is None:
            if hasattr(type(raw), '__get__'):
                return raw.__get__(self, owner)(*args, **kwargs)
            return raw(*args, **kwargs)
        prober.stopped_at = prober.stopped_at or label
        # All of these operations may answer so.
        raise webob.exc.HTTPConflict(explanation=f'stopped at {label}')

    return patching.patch_attribute(owner, name, stopping)


def watch_contexts() -> Callable[[], None]:
    """Tell a prober of the context that its request was given."""
    original = wsgi.Resource.dispatch

    @functools.wraps(original)
    def dispatch(
        self: Any, method: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        prober = _serving.get()
        if prober is not None:
            prober.context = request.environ.get('nova.context')
        return original(self, method, request, *args, **kwargs)

    return patching.patch_attribute(wsgi.Resource, 'dispatch', dispatch)
