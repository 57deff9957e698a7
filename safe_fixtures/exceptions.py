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

"""The exceptions that guards raise."""

from typing import Any

from safe_fixtures import rules
from safe_fixtures.runtime import printable

__all__ = [
    'ConfigurationError',
    'RestoreFailed',
    'SafetyViolation',
    'ServiceHeld',
    'WaitCutShort',
    'WrongOrder',
]


class SafetyViolation(AssertionError):
    """A test did what a rule forbids.

    It is an ``AssertionError``, so it fails the test. It can be pickled, so
    it crosses from a worker to its runner. Its text says what happened,
    where, and what to do, in this order. The arguments are its attributes.

    :param code: the rule, such as ``SF301`` (str).
    :param message: what happened (str).
    :param remedy: what to do about it (str); default: the rule's remedy.
    :param where: the call site, ``file:line`` (str); default: unknown.
    :ivar cwe: the weakness, such as ``CWE-531`` (str or None).
    :ivar times: how often the test did the same and swallowed the violation
        (int).
    :raises: ValueError for an unknown rule.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        remedy: str | None = None,
        where: str | None = None,
    ) -> None:
        rule = rules.get(code)
        self.code = code
        self.message = message
        self.remedy = remedy or rule.remedy
        self.cwe = rule.cwe
        self.where = where
        self.times = 1
        super().__init__(code, message)

    def __str__(self) -> str:
        cwe = f' ({self.cwe})' if self.cwe else ''
        where = f' at {self.where}' if self.where else ''
        times = f' ({self.times} times)' if self.times > 1 else ''
        return printable.block(
            f'{self.code}{cwe}: {self.message}{where}{times}. {self.remedy}'
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, unpickling would call __init__ with self.args alone.
        state = self.__dict__.copy()
        return AssertionError.__new__, (type(self), *self.args), state


class RestoreFailed(SafetyViolation):
    """A service could not be restored to its prior state (SF201).

    :ivar service: the service, as ``binary on host`` (str).
    :ivar wanted: the prior state (ServiceState).
    :ivar actual: the state it has (ServiceState, or None if unknown).
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        wanted: Any,
        actual: Any,
        where: str | None = None,
    ) -> None:
        super().__init__('SF201', message, where=where)
        self.service = service
        self.wanted = wanted
        self.actual = actual


class WrongOrder(SafetyViolation):
    """A compute would go out of service with servers on it (SF203).

    :ivar service: the service, as ``binary on host`` (str).
    :ivar how: how it would go, such as ``forced down`` (str).
    :ivar servers: the servers on it or in flight to it (tuple of
        HostedServer).
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        how: str,
        servers: tuple[Any, ...],
        remedy: str | None = None,
    ) -> None:
        super().__init__('SF203', message, remedy=remedy)
        self.service = service
        self.how = how
        self.servers = servers


class ServiceHeld(SafetyViolation):
    """Another run holds a service that would be changed (SF206).

    :ivar service: the service, as ``binary on host`` (str).
    :ivar holder: who holds it, as the lock says (Holder, or None if that is
        unknown).
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        holder: Any,
        where: str | None = None,
    ) -> None:
        super().__init__('SF206', message, where=where)
        self.service = service
        self.holder = holder


class WaitCutShort(AssertionError):
    """What Nova waited for came, but the wait had been cut short.

    The test went on as if it had never come, so its result means nothing.

    :ivar awaited: what was waited for (str).
    """

    def __init__(self, awaited: str) -> None:
        super().__init__(awaited)
        self.awaited = awaited

    def __str__(self) -> str:
        return printable.block(
            f'This came after the wait for it was cut short: {self.awaited}. '
            'Run the test with [safe_fixtures] wait_for_change = false'
        )


class ConfigurationError(ValueError):
    """A setting makes no sense.

    It is raised before anything is patched or changed.

    :ivar option: the option or argument (str).
    :ivar value: its value.
    :ivar allowed: what to give instead (str).
    """

    def __init__(self, option: str, value: Any, allowed: str) -> None:
        super().__init__(option, value, allowed)
        self.option = option
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        return printable.block(
            f'{self.option} = {self.value!r} is refused: {self.allowed}'
        )
