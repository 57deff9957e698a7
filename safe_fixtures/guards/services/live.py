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

"""The services of a real endpoint, which others may change as well."""

from collections.abc import Callable, Collection, Iterator, Mapping
import contextlib
import contextvars
import functools
import logging
from types import CodeType
from typing import Any
from urllib import parse
import weakref

from safe_fixtures.boundary import endpoints
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import changes
from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services import holds
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services import lookup
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import puts
from safe_fixtures.guards.services import remote
from safe_fixtures.guards.services import watching

__all__ = ['LiveServices', 'of_client']

LOG = logging.getLogger(__name__)

# Whether a put_service is under way, whose request is counted already.
_putting = contextvars.ContextVar('safe_fixtures_putting', default=False)
# The requests whose order of operations is checked: one toggle does it.
_checked: weakref.WeakSet[gate.ApiCall] = weakref.WeakSet()


class LiveServices(remote.RemoteServices):
    """The services behind a client, at an endpoint that others use too.

    Each is locked before the first change and read afresh. What is intended
    is in the journal before it is done. A restore undoes only what is still
    as it was made, and keeps trying while the API is away.

    :param client: what the test uses.
    :param api: the compute API behind it.
    :param endpoint: the URL that it talks to.
    :param books: the journal of this process.
    :param settings: those of the guard.
    :param refuse: refuses an endpoint that is no test endpoint.
    :param report: reports a violation, as ``Guard`` does.
    :param test_id: the test, for the journal and for whoever waits.
    """

    torn_down_by_test = False
    restarts: Collection[CodeType] = ()

    def __init__(
        self,
        client: Any,
        api: clients.Api,
        endpoint: str,
        books: journal.Journal,
        settings: conf.Settings,
        refuse: Callable[[], None],
        report: Callable[..., Any],
        test_id: str | None,
    ) -> None:
        super().__init__(api, settings, refuse)
        self._client = client
        self._endpoint = journal.canonical(endpoint)
        self._journal = books
        self._holds = holds.Holds(
            books, endpoint, api.region(), settings, report, test_id
        )
        self._test_id = test_id
        self._process = watching.Watcher()
        # What is told to the watcher once a request is answered.
        self._pending: weakref.WeakKeyDictionary[
            gate.ApiCall, Callable[[], None]
        ] = weakref.WeakKeyDictionary()

    # See ``Services``.

    def watch(self, watcher: model.Watcher) -> Callable[[], None]:
        """Show *watcher* what is sent to the endpoint."""
        self._watcher = watcher
        undo = contextlib.ExitStack()
        undo.callback(self._process.stop)
        undo.callback(self._holds.release_all)
        if self._api.kind == 'client':
            # It may not send it through the gate.
            undo.callback(puts.watch(self._client, self))
        return undo.close

    def snapshot(self) -> Mapping[model.ServiceRef, model.ServiceState]:
        """Return nothing: what others change is not the test's."""
        return {}

    def hold(self, ref: model.ServiceRef) -> None:
        """Keep other runs from a service until it is as before again.

        :raises: SafetyViolation (SF206) if another run holds it.
        """
        self._holds.hold(ref, self.read)

    def marked(self, reason: str | None) -> str:
        """Return a reason as it is written, with the marker of this run."""
        return self._holds.marked(reason)

    def write(
        self, ref: model.ServiceRef, state: model.ServiceState, timeout: float
    ) -> str:
        """Put what differs; a restore keeps trying."""
        if actor.current().restoring:
            return self._restore(ref, state, timeout)
        self._put(ref, self._known[ref], state, timeout)
        self._holds.check_own(ref, self.read(ref))
        return remote.HOW

    # What others share with the test.

    def left_alone(
        self, ref: model.ServiceRef, found: model.ServiceState
    ) -> str | None:
        """Return why a service is not restored; see ``Shared``."""
        if found in self._own_states(ref):
            return None
        return 'somebody else has changed it meanwhile, so it is left alone'

    def concluded(
        self, ref: model.ServiceRef, actual: model.ServiceState | Exception
    ) -> None:
        """Settle what was owed, and let others use the service."""
        key = self._holds.key(ref)
        if isinstance(actual, model.ServiceGone):
            self._journal.forget(key)
        elif isinstance(actual, model.ServiceState):
            self._journal.saw(key, actual)
        self._holds.release(ref)

    # What passes the gate.

    def sending(self, call: gate.ApiCall) -> None:
        """See a request before it is sent.

        :raises: SafetyViolation (SF203, SF206); JournalError.
        """
        if _putting.get() or not self._is_here(call):
            return
        asked = changes.parse_change(call.path, call.method, call.body)
        change = None if asked is None else self._planned(asked)
        if change is None:
            return
        with contextlib.ExitStack() as stack:
            if actor.current().name is None:
                stack.enter_context(actor.acting(str(call)))
            if call not in _checked:
                _checked.add(call)
                self._check_order(change)
            self._pending[call] = self._announce(change)

    # What a client puts that may not send it through the gate.

    def refuse(self) -> None:
        """See ``puts.Watcher``."""
        self._refuse()

    def planned(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> changes.Planned | None:
        """Return what a put would change; see ``puts.Watcher``."""
        return self._planned(changes.of_put(service_id, body))

    @contextlib.contextmanager
    def checking(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> Iterator[None]:
        """Check the order of a put; see ``puts.Watcher``."""
        change = self.planned(service_id, body)
        if change is not None:
            self._check_order(change)
        token = _putting.set(True)
        try:
            yield
        finally:
            _putting.reset(token)

    def changing(self, change: changes.Planned | None) -> Callable[[], None]:
        """Write a put to the journal; see ``puts.Watcher``."""
        return (lambda: None) if change is None else self._announce(change)

    def answered(self, call: gate.ApiCall) -> None:
        """See the answer to a request."""
        changed = self._pending.pop(call, None)
        if changed is not None and call.response.status_code < 300:
            changed()

    def _planned(self, asked: changes.Change) -> changes.Planned | None:
        """Return what a request would change; None if that is nothing."""
        try:
            known = lookup.identify(asked.service)
            if actor.current().restoring:
                # Another listing for each service would take too long.
                matches = list(filter(known.fits, self._known))
                ref = lookup.pick_one(asked.service, matches, ())
                before = self._known[ref]
            else:
                # Not by host: it may have a new record.
                ref = self._known_as(known.uuid) or self.find(asked.service)
                held = self._holds.hold(ref, self.read)
                before = self.read(ref) if held is None else held
        except LookupError:
            # The API answers with an error.
            return None
        after = asked.applied(before)
        return None if after == before else changes.Planned(ref, before, after)

    def _check_order(self, change: changes.Planned) -> None:
        how = model.taken_out(change.before, change.after)
        if how:
            self._watcher.leaving(change.ref, how, 'put_service')

    def _announce(self, change: changes.Planned) -> Callable[[], None]:
        """Write a change to the journal, and tell the watcher.

        :returns: to be called after the change.
        """
        ref, before, after = change
        if not actor.current().restoring:
            self._refuse_others(ref, before)
            key = self._holds.key(ref)
            self._journal.intend(key, before, after, self._test_id)
            path = self._journal.path
            if self._settings.watcher and path is not None:
                self._process.start(functools.partial(self._replay, path))
        noted = self._watcher.changing(ref, before)

        def changed() -> None:
            self._known[ref] = after
            noted(after)

        return changed

    def _refuse_others(
        self, ref: model.ServiceRef, before: model.ServiceState
    ) -> None:
        """Refuse to build upon what somebody else changed meanwhile."""
        first = self._journal.first(self._holds.key(ref))
        if first is not None and before not in self._own_states(ref):
            self._holds.violate(
                ref, f'was changed by somebody else: it is {before}'
            )

    def _replay(self, path: str) -> None:
        """Restore what this process has left; called in another one."""
        # No request is the test's any more.
        _putting.set(True)

        def replay() -> None:
            try:
                record = journal.read(path)
            except FileNotFoundError:
                # There was nothing left to restore.
                return
            rows = journal.replay(
                record,
                self._api,
                timeout=self._settings.restore_timeout,
                directory=self._settings.journals,
                lock_timeout=self._settings.lock_timeout,
            )
            failed = [row for row in rows if row.outcome == 'failed']
            if failed:
                raise OSError(f'{failed[0].service}: {failed[0].why}')

        with remote.asking():
            self._new_patience().keep_trying('restoring services', replay)

    def _own_states(
        self, ref: model.ServiceRef
    ) -> frozenset[model.ServiceState]:
        """Return the first state of a service, and what we made of it."""
        key = self._holds.key(ref)
        first = self._journal.first(key)
        made: frozenset[model.ServiceState] = self._journal.made(key)
        return made if first is None else made | {first}

    def _is_here(self, call: gate.ApiCall) -> bool:
        try:
            # As Nova reads it.
            api = parse.unquote(call.url).partition('/os-services/')[0]
            return journal.canonical(api) == self._endpoint
        except ValueError:
            return False


def of_client(
    client: Any,
    api: clients.Api,
    endpoint: str,
    settings: conf.Settings,
    refuse: Callable[[], None],
    report: Callable[..., Any],
    test_id: str | None,
) -> LiveServices:
    """Return the services behind a client, after a look at what others left.

    The arguments are those of :class:`LiveServices`.

    :raises: ConfigurationError if the client cannot be used, or the journal
        is switched off where it is needed.
    """
    directory = settings.journals
    is_needed = settings.watcher or not endpoints.is_loopback_url(endpoint)
    if directory is None and is_needed:
        raise exceptions.ConfigurationError(
            '[safe_fixtures] journal_dir',
            settings.journal_dir,
            f'the watcher, and an endpoint that is not on loopback, need a '
            f'journal; give a directory (the endpoint is {endpoint})',
        )
    listed = clients.check(api, settings.restore_timeout)
    if not api.renews():
        LOG.warning(
            'The token of the client for %s cannot be renewed: if it expires '
            'before a service is restored, the service stays changed',
            endpoint,
        )
    if directory is not None:
        for record in journal.left_by_dead(directory, endpoint):
            _deal_with(record, api, settings)
    services = LiveServices(
        client,
        api,
        endpoint,
        journal.of(directory),
        settings,
        refuse,
        report,
        test_id,
    )
    services.know(listed)
    return services


def _deal_with(
    record: journal.Record, api: clients.Api, settings: conf.Settings
) -> None:
    """Restore what a run that has ended left changed, or name it."""
    left = [debt.service for debt in record.debts]
    if settings.dead_journals == 'restore':
        rows = journal.replay(
            record,
            api,
            timeout=settings.restore_timeout,
            directory=settings.journals,
        )
        left = [
            row.service
            for row in rows
            if row.outcome not in ('done', 'restored')
        ]
    if left:
        LOG.warning(
            '%s was left changed by %s, which has ended; run "safe-fixtures '
            'restore %s"',
            ', '.join(map(str, left)),
            record.owner,
            record.path,
        )
