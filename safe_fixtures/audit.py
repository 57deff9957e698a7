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

"""The record of every act of a guard, as CADF events."""

from collections.abc import Mapping
import contextlib
import fcntl
import json
import os
from typing import Any
import uuid

import fixtures
from oslo_utils import uuidutils
from pycadf import attachment
from pycadf import cadftaxonomy
from pycadf import event
from pycadf import reason
from pycadf import resource

from safe_fixtures import conf
from safe_fixtures import redaction

__all__ = ['AuditTrail', 'current', 'details']

_TEST = 'service/test'
_OBSERVER = 'service/security/audit/safe_fixtures'

_active: list['AuditTrail'] = []


class AuditTrail(fixtures.Fixture):
    """Collects the events of the guards that are used while it is active.

    Guards record to the trail they are given, else to the innermost active
    one, else to one of their own. Every event is a CADF event
    (``pycadf``), masked by a :class:`Redactor` and kept in :attr:`events`;
    with ``[safe_fixtures] audit_file`` set it is also appended to that file
    as one line of JSON, at once, whole, whatever other processes append.

    Example::

        trail = self.useFixture(AuditTrail())
        self.useFixture(SafeServiceToggle()).disable('host1')
        self.assertEqual('disable', trail.events[-1]['action'])

    :param test_id: the test that initiates the events (str); default: the
        name of this process.
    :param redactor: masks each event before it is stored.
    :raises: ConfigurationError at set-up if the configuration makes no
        sense.
    """

    def __init__(
        self,
        test_id: str | None = None,
        redactor: redaction.Redactor | None = None,
    ) -> None:
        super().__init__()
        self.test_id = test_id
        self.redactor = redactor or redaction.Redactor()
        #: The events so far, as dictionaries.
        self.events: list[dict[str, Any]] = []

    def setUp(self) -> None:
        # Read before anything is installed, and outside _setUp, which would
        # wrap the error.
        self._file: str | None = conf.load().audit_file
        super().setUp()

    @classmethod
    def apart(cls, test_id: str | None) -> 'AuditTrail':
        """Return a trail that can be recorded to, and is nobody else's.

        :param test_id: as of the class.
        """
        trail = cls(test_id)
        trail._file = conf.load().audit_file
        trail._begin()
        return trail

    def _setUp(self) -> None:
        self._begin()
        self.addCleanup(_deactivate, self)
        _active.append(self)

    def _begin(self) -> None:
        self.events = []
        self._initiator = resource.Resource(
            typeURI=_TEST,
            name=self.redactor.redact(
                self.test_id or f'process {os.getpid()}'
            ),
        )
        self._observer = resource.Resource(
            typeURI=_OBSERVER, name='safe_fixtures'
        )

    def record(
        self,
        action: str,
        target: str,
        *,
        target_type: str = 'service/compute',
        target_id: str | None = None,
        outcome: str = cadftaxonomy.OUTCOME_SUCCESS,
        code: str | None = None,
        event_type: str = 'activity',
        **content: Any,
    ) -> dict[str, Any]:
        """Record one event.

        :param action: of the CADF taxonomy, such as ``disable`` or
            ``restore/service``.
        :param target: the name of what was acted on.
        :param target_type: its CADF type.
        :param target_id: its uuid, or another id that a uuid is made from.
        :param outcome: ``success``, ``failure`` or ``unknown``.
        :param code: the rule the event is about, such as ``SF201``.
        :param event_type: ``activity``, ``control`` or ``monitor``.
        :param content: what else there is to say; must be representable in
            JSON once redacted.
        :returns: the event as it was stored.
        """
        if target_id is not None and not uuidutils.is_uuid_like(target_id):
            # CADF wants uuids; the same one each time for the same thing.
            target_id = str(uuid.uuid5(uuid.NAMESPACE_OID, target_id))
        cadf = event.Event(
            eventType=event_type,
            action=action,
            outcome=outcome,
            initiator=self._initiator,
            target=resource.Resource(
                typeURI=target_type,
                name=self.redactor.redact(target),
                id=target_id,
            ),
            observer=self._observer,
        )
        if code is not None:
            cadf.reason = reason.Reason(
                reasonType='safe_fixtures', reasonCode=code
            )
        if content:
            cadf.add_attachment(
                attachment.Attachment(
                    typeURI='application/json',
                    name='details',
                    content=self.redactor.redact(content),
                )
            )
        stored: dict[str, Any] = cadf.as_dict()
        self.events.append(stored)
        if self._file is not None:
            _append_line(self._file, json.dumps(stored, sort_keys=True))
        return stored


def _deactivate(trail: AuditTrail) -> None:
    # By identity, and even if it was not activated.
    _active[:] = [other for other in _active if other is not trail]


def current() -> AuditTrail | None:
    """Return the innermost active trail, or None."""
    return _active[-1] if _active else None


def details(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said about an event besides its CADF fields.

    :param stored: an event of :attr:`safe_fixtures.AuditTrail.events` or of
        a file.
    """
    for item in stored.get('attachments', ()):
        if item.get('name') == 'details':
            content: dict[str, Any] = item['content']
            return content
    return {}


def _append_line(path: str, line: str) -> None:
    data = line.encode() + b'\n'
    descriptor = os.open(
        path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    with contextlib.closing(os.fdopen(descriptor, 'wb', buffering=0)) as out:
        # O_APPEND alone keeps lines whole only if each write is.
        fcntl.flock(out, fcntl.LOCK_EX)
        while data:
            data = data[out.write(data) :]
