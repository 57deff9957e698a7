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


"""Tell a result about a test in masked text only."""

from collections.abc import Callable, Iterable, Mapping
import collections
import functools
from typing import Any

import fixtures
from testtools import content
import wrapt

from safe_fixtures import redaction

__all__ = ['MaskedResult', 'Masker']

_OUTCOMES = frozenset({
    'addSuccess', 'addError', 'addFailure', 'addSkip', 'addExpectedFailure',
    'addUnexpectedSuccess',
})  # fmt: skip
_NAMES = 'names of details'
# UTF-8 is masked as bytes, and so is what has the same letters.
_AS_BYTES = frozenset({'utf8', 'utf-8', 'ascii', 'us-ascii', 'iso-8859-1'})


class Masker:
    """Masks what a test puts out, and counts what it masks.

    :param redactor: knows the secrets.
    :param counts: whether to count. What is not counted is masked once it
        is read, and never if nobody reads it.
    :param again: whether to mask a detail that another one has masked.
    """

    def __init__(
        self,
        redactor: redaction.Redactor,
        *,
        counts: bool,
        again: bool = True,
    ) -> None:
        self.redactor = redactor
        self._counts = counts
        self._again = again
        self._found: dict[str, collections.Counter[str]] = {}
        # What is looked at before it is reported is neither masked nor
        # counted again then.
        self._seen: dict[tuple[str, bytes], bytes] = {}

    def take(self) -> dict[str, collections.Counter[str]]:
        """Return what was masked since this was called before.

        :returns: how many secrets of which kind, by the name of the output
            that they were in.
        """
        found, self._found = self._found, {}
        return found

    def look_at(self, details: Mapping[str, content.Content]) -> None:
        """Count what is in details before they are told."""
        for name, given in list(details.items()):
            try:
                self.details({name: given})
            except fixtures.TimeoutException:
                raise
            except Exception:
                # Whoever is told will come upon it too.
                continue

    def text(self, sink: str, text: str) -> str:
        """Mask what goes to an output."""
        masked: str = self._mask(sink, text)
        return masked

    def detail(self, sink: str, given: content.Content) -> content.Content:
        """Return a detail masked, its type kept."""
        if isinstance(given, _MaskedContent) and not self._again:
            return given

        def read() -> Iterable[bytes]:
            # Joined, as a secret can be in two chunks.
            data = b''.join(given.iter_bytes())
            charset = given.content_type.parameters.get('charset', 'utf8')
            return [self._data(sink, data, charset.lower())]

        if self._counts:
            chunks = read()
            return _MaskedContent(given.content_type, lambda: chunks)
        return _MaskedContent(given.content_type, read)

    def details(
        self, details: Mapping[str, content.Content]
    ) -> dict[str, content.Content]:
        """Return the details of a test masked, their names too."""
        masked: dict[str, content.Content] = {}
        for name, given in details.items():
            data = self._data(_NAMES, name.encode(errors='replace'), 'utf8')
            shown = unique = data.decode(errors='replace')
            while unique in masked:
                unique = f'{shown}-{len(masked)}'
            masked[unique] = self.detail(shown, given)
        return masked

    def _data(self, sink: str, data: bytes, charset: str) -> bytes:
        key = sink, data
        if key in self._seen:
            return self._seen[key]
        masked: bytes
        try:
            if charset in _AS_BYTES:
                masked = self._mask(sink, data)
            else:
                text = data.decode(charset)
                shown = self._mask(sink, text)
                masked = data if shown == text else shown.encode(charset)
        except (LookupError, UnicodeError):
            masked = self._mask(sink, data)
        if self._counts:
            self._seen[key] = masked
        return masked

    def _mask(self, sink: str, value: Any) -> Any:
        try:
            masked, kinds = self.redactor.redact_and_count(value)
        except fixtures.TimeoutException:
            # Of the test, and no fault of the redactor.
            raise
        except Exception as error:
            # Nobody knows what is in it.
            masked = f'(masking this failed: {type(error).__name__})\n'
            if isinstance(value, bytes):
                masked = masked.encode()
            kinds = collections.Counter(unknown=1)
        if self._counts and kinds:
            self._found.setdefault(sink, collections.Counter()).update(kinds)
        return masked


class _MaskedContent(content.Content):
    """A detail that was masked."""


class MaskedResult(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A result that is told all there is to a test masked.

    Errors are passed on as details, in text: what reads a live exception
    would see what it says.

    :param result: a result that takes details.
    :param masker: masks them.
    :param object_to: is called once all of an outcome is masked, and
        returns what there is to say against it, which makes it a failure.
    """

    def __init__(
        self,
        result: Any,
        masker: Masker,
        object_to: Callable[[], list[str]] = list,
    ) -> None:
        super().__init__(result)
        self._self_masker = masker
        self._self_object_to = object_to

    @property
    def masker(self) -> Masker:
        """What masks."""
        masker: Masker = self._self_masker
        return masker

    def __getattr__(self, name: str) -> Any:
        # What the result does not have stays absent.
        value = getattr(self.__wrapped__, name)
        if name in _OUTCOMES:
            return functools.partial(self._self_tell, name)
        if name == 'addSubTest':
            return functools.partial(self._self_tell_of_part, value)
        if name == 'tags':
            return functools.partial(self._self_tag, value)
        return value

    def _self_tell(
        self, outcome: str, test: Any, *given: Any, **named: Any
    ) -> Any:
        details: dict[str, content.Content] = {}
        for value in (*given, *named.values()):
            if isinstance(value, Mapping):
                details.update(value)
            elif isinstance(value, tuple):
                details['traceback'] = self._self_traceback(test, value)
            elif value is not None:
                details['reason'] = content.text_content(str(value))
        details = self._self_masker.details(details)
        objections = self._self_object_to()
        if objections:
            if outcome != 'addError':
                outcome = 'addFailure'
            name = 'traceback'
            if name in details:
                name = 'safe_fixtures.output'
            details[name] = content.text_content('\n'.join(objections))
        return getattr(self.__wrapped__, outcome)(test, details=details)

    def _self_tell_of_part(
        self, tell: Any, test: Any, part: Any, error: Any
    ) -> Any:
        if error is not None:
            text = self._self_masker.detail(
                'traceback', self._self_traceback(part, error)
            ).as_text()
            failed = issubclass(error[0], AssertionError)
            kind = _MaskedFailure if failed else _MaskedError
            error = kind, kind(text), None
        return tell(test, _MaskedPart(part, self._self_masker), error)

    def _self_tag(self, tag: Any, *tags: Any) -> Any:
        mask = functools.partial(self._self_masker.text, 'tags')
        return tag(*(set(map(mask, each)) for each in tags))

    def _self_traceback(self, test: Any, error: Any) -> content.Content:
        return content.TracebackContent(
            error,
            test,
            capture_locals=getattr(self.__wrapped__, 'tb_locals', False),
        )


class _MaskedPart(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A subtest whose description, by which it is told, is masked."""

    def __init__(self, part: Any, masker: Masker) -> None:
        super().__init__(part)
        self._self_masker = masker

    def _subDescription(self) -> str:
        description = self.__wrapped__._subDescription()
        return self._self_masker.text('subtests', description)


class _MaskedError(Exception):
    """The masked text of an error."""


class _MaskedFailure(AssertionError):
    """The masked text of a failure."""
