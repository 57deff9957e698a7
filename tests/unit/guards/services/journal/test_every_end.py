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

"""Whatever ends a run, and wherever: no service is left changed.

A state machine changes services of a cloud as a toggle does: it reads the
state, writes the journal, acts, and settles. It ends at any point in between,
in the middle of a write too, and the power may fail with it: then what was
not synced is lost, at any byte. A replay follows, which may end at any point
as well, and another one.

The cloud is a dictionary, and ``fsync`` is a note of what is on the disk.
"""

import collections
import os
import shutil
import tempfile

from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from safe_fixtures.guards import services
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import storage
from tests.unit.guards.services.journal import cases

SERVICES = st.sampled_from([cases.service(n) for n in (1, 2, 3)])
STATES = st.sampled_from(
    [cases.ENABLED, cases.DISABLED, cases.DOWN, services.ServiceState(True)]
)
# At which point a process ends; most of them do not.
POINTS = st.one_of(st.just(0), st.integers(1, 40))
_write, _unlink = storage.posix.write, storage._unlink


class Ended(BaseException):
    """The process ends here."""


class Disk:
    """Ends a process at a point, and knows what is on the disk then."""

    def __init__(self, directory):
        self.directory = directory
        self.left = 0  # points
        self.part = 0  # bytes of the write that is in progress
        # The size of each file that is on the disk for certain.
        self.synced = {}
        self.names = set()
        self.removed = {}
        self.snapshot = None

    def __enter__(self):
        self.originals = storage.posix, storage._fsync, storage.sync
        storage.posix = self
        storage._fsync, storage.sync = self.fsync, self.sync
        storage._unlink = self.unlink
        return self

    def __exit__(self, *exc_info):
        storage.posix, storage._fsync, storage.sync = self.originals
        storage._unlink = _unlink

    open, close = staticmethod(os.open), staticmethod(os.close)

    def point(self):
        """Be at a point where the process may end."""
        if self.left:
            self.left -= 1
            if not self.left:
                self.snapshot = self.files()
                raise Ended

    def files(self):
        found = {}
        folder = os.path.join(self.directory, 'journals')
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name), 'rb') as file:
                found[name] = file.read()
        return found

    def write(self, descriptor, data):
        if self.left == 1:
            _write(descriptor, data[: self.part % (len(data) + 1)])
        self.point()
        written = _write(descriptor, data)
        self.point()
        return written

    def fsync(self, descriptor):
        self.point()
        name = os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))
        self.synced[name] = os.fstat(descriptor).st_size
        self.point()

    def sync(self, directory):
        self.point()
        self.names = set(self.files())
        self.removed.clear()
        self.point()

    def unlink(self, path):
        self.point()
        name = os.path.basename(path)
        self.removed[name] = self.files().get(name, b'')
        _unlink(path)
        self.point()

    def recover(self, draw):
        """Have what is there after the end of the process.

        :param draw: draws what the loss of power takes; None without one.
        """
        files = self.snapshot or self.files()
        if draw is not None:
            files.update(
                (name, data)
                for name, data in self.removed.items()
                if draw(st.booleans())
            )
            for name, data in list(files.items()):
                if name not in self.names and draw(st.booleans()):
                    del files[name]
                    continue
                least = min(self.synced.get(name, 0), len(data))
                files[name] = data[: draw(st.integers(least, len(data)))]
        folder = os.path.join(self.directory, 'journals')
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder, 0o700)
        for name, data in files.items():
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(data)
        self.snapshot, self.names = None, set(files)
        self.synced = {name: len(data) for name, data in files.items()}
        self.removed.clear()
        self.left = 0


class Cloud(cases.Cloud):
    """A cloud whose answers may be the last thing before the end."""

    def __init__(self, disk):
        super().__init__(1, 2, 3)
        self.disk = disk

    def put_service(self, *args):
        self.disk.point()
        super().put_service(*args)
        self.disk.point()


class Runs(stateful.RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.disk = Disk(self.directory)
        self.cloud = Cloud(self.disk)
        self.operators = 0
        self.begin()

    def teardown(self):
        shutil.rmtree(self.directory)

    def begin(self):
        """Begin a run that owes nothing."""
        self.journal = journal.Journal(self.directory)
        # What each service was before it was changed.
        self.before = {}
        # What the run made of each, or was about to.
        self.made = collections.defaultdict(set)
        self.handles = []
        self.acts = 0

    def put(self, service, state):
        """Change a service as a toggle does."""
        found = self.cloud.states[service]
        self.journal.intend(service, found, state)
        if self.cloud.states[service] not in (
            self.before.get(service), *self.made[service]
        ):  # fmt: skip
            self.before[service] = found
            self.made[service].clear()
        self.made[service].add(state)
        self.disk.point()
        self.cloud.states[service] = state
        self.disk.point()

    def settle(self, service):
        found = self.cloud.states[service]
        settled = self.journal.saw(service, found)
        assert settled == (self.before.get(service, found) == found)
        if settled:
            self.before.pop(service, None)
            self.made.pop(service, None)

    @stateful.rule(service=SERVICES, state=STATES)
    def change(self, service, state):
        self.acts += 1
        self.handles.append((service, self.cloud.states[service]))
        with self.disk:
            self.put(service, state)

    @stateful.precondition(lambda self: self.handles)
    @stateful.rule()
    def restore_a_handle(self):
        self.acts += 1
        service, state = self.handles.pop()
        with self.disk:
            self.put(service, state)
            self.settle(service)

    @stateful.rule(service=SERVICES)
    def change_by_somebody_else(self, service):
        self.acts += 1
        self.operators += 1
        reason = f'operator {self.operators}'
        self.cloud.states[service] = services.ServiceState(True, reason)

    @stateful.rule()
    def restore_all(self):
        with self.disk:
            self.restore_what_is_as_it_was_made()
        assert not self.disk.files() or self.before

    def restore_what_is_as_it_was_made(self):
        for debt in reversed(self.journal.owed()):
            found = self.cloud.states[debt.service]
            if journal.plan(debt, found) == 'restore':
                self.disk.point()
                self.cloud.states[debt.service] = debt.before
                self.disk.point()
            self.settle(debt.service)

    # Otherwise most runs would end before they owe anything.
    @stateful.precondition(lambda self: self.acts > 3)
    @stateful.rule(
        data=st.data(),
        point=POINTS,
        part=st.integers(0, 400),
        service=SERVICES,
        state=STATES,
        power=st.booleans(),
        then=st.sampled_from(['change', 'restore', 'nothing']),
        replay=POINTS,
    )
    def end(self, data, point, part, service, state, power, then, replay):
        """End the run somewhere in what it does, and replay its journal."""
        self.disk.left, self.disk.part = point, part
        expected = None
        try:
            with self.disk:
                if then == 'change':
                    self.put(service, state)
                elif then == 'restore':
                    self.restore_what_is_as_it_was_made()
        except Ended:
            pass
        self.disk.recover(data.draw if power else None)
        found = dict(self.cloud.states)
        expected = {
            each: self.before[each]
            if each in self.before and found[each] in self.made[each]
            else found[each]
            for each in found
        }
        self.disk.left, self.disk.part = replay, part
        try:
            with self.disk:
                self.replay()
        except Ended:
            self.disk.recover(data.draw if power else None)
        self.disk.left = 0
        with self.disk:
            rows = self.replay()
        assert self.cloud.states == expected, (self.cloud.states, expected)
        conflicts = {row.service for row in rows if row.outcome == 'conflict'}
        assert conflicts <= self.before.keys()
        left = journal.left(self.directory)
        assert conflicts == {
            debt.service for record in left for debt in record.debts
        }
        assert not any(record.has_holes for record in left)
        # The last act may have been the first that its journal knows of.
        kept = self.before.keys() - {service}
        assert conflicts >= {
            each
            for each in kept
            if found[each] not in {self.before[each], *self.made[each]}
        }
        shutil.rmtree(os.path.join(self.directory, 'journals'))
        self.disk.recover(None)
        self.begin()

    def replay(self):
        """Replay all journals; return the rows."""
        rows = []
        for record in journal.left(self.directory):
            rows += journal.replay(
                record, self.cloud, directory=self.directory
            )
        return rows


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=200, stateful_step_count=25)
