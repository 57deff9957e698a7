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

"""Pass the outcome of a test on to its result, masked."""

from collections.abc import Callable, Iterable, Mapping
import codecs
import collections
import functools
from typing import Any

import fixtures
from testtools import content
from testtools import content_type
import wrapt

from safe_fixtures import redaction

__all__ = ['MaskedResult', 'Masker']

_OUTCOMES = frozenset({
    'addSuccess', 'addError', 'addFailure', 'addSkip', 'addExpectedFailure',
    'addUnexpectedSuccess',
})  # fmt: skip
_NAMES = 'names of details'
# UTF-8 is masked as bytes, and so is any charset with the same letters.
_AS_BYTES = frozenset({'utf8', 'utf-8', 'ascii', 'us-ascii', 'iso-8859-1'})


class Masker:
    """Masks the output of a test, and counts what it masks.

    :param redactor: knows the secrets; default: a new one.
    :param counts: whether to count. If not, a detail is masked when it is
        read, and never if nobody reads it.
    :param again: whether to mask a detail that another masker has masked.
    """

    def __init__(
        self,
        redactor: redaction.Redactor | None = None,
        *,
        counts: bool = False,
        again: bool = False,
    ) -> None:
        self.redactor = redactor or redaction.Redactor()
        self._counts = counts
        self._again = again
        self._found: dict[str, collections.Counter[str]] = {}
        # By output and data. A detail that is counted early is neither masked
        # nor counted again when it is reported.
        self._seen: dict[tuple[str, bytes], bytes] = {}

    def take(self) -> dict[str, collections.Counter[str]]:
        """Return what was masked since the last call.

        :returns: how many secrets of which kind, by the name of the output.
        """
        found, self._found = self._found, {}
        return found

    def count_early(self, details: Mapping[str, content.Content]) -> None:
        """Count the secrets in details before they are reported."""
        for name, detail in list(details.items()):
            try:
                self.details({name: detail})
            except fixtures.TimeoutException:
                raise
            except Exception:
                # It will fail for the result too, if it still does then.
                continue

    def text(self, sink: str, text: str) -> str:
        """Mask the text that goes to an output."""
        masked: str = self._mask(sink, text)
        return masked

    def detail(self, sink: str, detail: content.Content) -> content.Content:
        """Return a detail masked, with the same content type."""
        if isinstance(detail, _MaskedContent) and not self._again:
            return detail

        def read() -> Iterable[bytes]:
            data = _bytes_of(detail)
            charset = _usable(detail.content_type).parameters.get(
                'charset', 'utf8'
            )
            return [self._data(sink, data, charset.lower())]

        kind = self._content_type(sink, _usable(detail.content_type))
        if self._counts:
            chunks = read()
            return _MaskedContent(kind, lambda: chunks)
        return _MaskedContent(kind, read)

    def _content_type(
        self, sink: str, kind: content_type.ContentType
    ) -> content_type.ContentType:
        """Return the type of a detail with its parameters masked."""
        plain = {'charset', 'language'}
        if plain.issuperset(kind.parameters):
            return kind
        masked = self._mask(sink, dict(kind.parameters))
        if not isinstance(masked, dict):
            # Masking failed. The charset is needed to read the detail.
            parameters = kind.parameters.items()
            masked = {key: each for key, each in parameters if key in plain}
        if masked == kind.parameters:
            return kind
        return content_type.ContentType(kind.type, kind.subtype, masked)

    def details(
        self, details: Mapping[str, content.Content]
    ) -> dict[str, content.Content]:
        """Return the details of a test masked, and their names."""
        masked: dict[str, content.Content] = {}
        for name, detail in details.items():
            data = self._data(_NAMES, name.encode(errors='replace'), 'utf8')
            shown = unique = data.decode(errors='replace')
            while unique in masked:
                unique = f'{shown}-{len(masked)}'
            masked[unique] = self.detail(shown, detail)
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
            # The test's time is over; the redactor did nothing wrong.
            raise
        except Exception as error:
            # It may hold a secret, so nothing of it is shown.
            masked = f'(masking this failed: {type(error).__name__})\n'
            if isinstance(value, bytes):
                masked = masked.encode()
            kinds = collections.Counter(unknown=1)
        if self._counts and kinds:
            self._found.setdefault(sink, collections.Counter()).update(kinds)
        return masked


def _bytes_of(detail: content.Content) -> bytes:
    """Return what a detail holds, joined, as a secret can be in two chunks.

    A message with a surrogate has no encoding. Its line alone is left then.
    What cannot be read says so, and costs no other detail, nor the outcome.
    """
    try:
        return b''.join(detail.iter_bytes())
    except UnicodeEncodeError as error:
        return error.object.encode(errors='backslashreplace')
    except fixtures.TimeoutException:
        raise
    except Exception as error:
        text = f'(this detail cannot be read: {type(error).__name__})'
        return text.encode(errors='backslashreplace')


def _usable(kind: content_type.ContentType) -> content_type.ContentType:
    """Return a content type that a result can send and decode.

    One with line breaks becomes bytes, and an unknown charset Latin-1, which
    decodes anything.
    """
    if not repr(kind).isprintable():
        return content_type.ContentType('application', 'octet-stream')
    try:
        codecs.lookup(kind.parameters.get('charset', 'utf8'))
    except (LookupError, TypeError, ValueError):
        return content_type.ContentType(
            kind.type,
            kind.subtype,
            {**kind.parameters, 'charset': 'iso-8859-1'},
        )
    return kind


class _MaskedContent(content.Content):
    """A detail that was masked."""


class MaskedResult(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A result that gets the outcome of a test masked.

    It passes errors on as details, in text: a live exception would show the
    secrets in its message.

    :param result: a result that takes details.
    :param masker: masks them.
    :param objections: called once an outcome is masked; returns messages
        that turn it into a failure (list of str).
    """

    def __init__(
        self,
        result: Any,
        masker: Masker,
        objections: Callable[[], list[str]] = list,
    ) -> None:
        super().__init__(result)
        self._self_masker = masker
        self._self_objections = objections

    @property
    def masker(self) -> Masker:
        """Masks what this result gets (Masker)."""
        masker: Masker = self._self_masker
        return masker

    def __getattr__(self, name: str) -> Any:
        # An attribute that the result does not have stays absent.
        value = getattr(self.__wrapped__, name)
        if name in _OUTCOMES:
            return functools.partial(self._self_report, name)
        if name == 'addSubTest':
            return functools.partial(self._self_report_subtest, value)
        if name == 'tags':
            return functools.partial(self._self_tag, value)
        return value

    def _self_report(
        self, outcome: str, test: Any, *args: Any, **kwargs: Any
    ) -> Any:
        # An error, a reason or details, by position or by name.
        details: dict[str, content.Content] = {}
        for value in (*args, *kwargs.values()):
            if isinstance(value, Mapping):
                details.update(value)
            elif isinstance(value, tuple):
                details['traceback'] = self._self_traceback(test, value)
            elif value is not None:
                details['reason'] = content.text_content(str(value))
        details = self._self_masker.details(details)
        objections = self._self_objections()
        if objections:
            if outcome != 'addError':
                outcome = 'addFailure'
            name = 'traceback'
            if name in details:
                name = 'safe_fixtures.output'
            details[name] = content.text_content('\n'.join(objections))
        return getattr(self.__wrapped__, outcome)(test, details=details)

    def _self_report_subtest(
        self, report: Any, test: Any, subtest: Any, error: Any
    ) -> Any:
        if error is not None:
            text = self._self_masker.detail(
                'traceback', self._self_traceback(subtest, error)
            ).as_text()
            error = _error_of(text, error[0])
        return report(test, _MaskedSubtest(subtest, self._self_masker), error)

    def _self_tag(self, tag: Any, *tags: Any) -> Any:
        mask = functools.partial(self._self_masker.text, 'tags')
        return tag(*(set(map(mask, each)) for each in tags))

    def _self_traceback(self, test: Any, error: Any) -> content.Content:
        return content.TracebackContent(
            error,
            test,
            capture_locals=getattr(self.__wrapped__, 'tb_locals', False),
        )


class _MaskedSubtest(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A subtest whose description is masked; results name it by that."""

    def __init__(self, subtest: Any, masker: Masker) -> None:
        super().__init__(subtest)
        self._self_masker = masker

    def _subDescription(self) -> str:
        description = self.__wrapped__._subDescription()
        return self._self_masker.text('subtests', description)


def _error_of(text: str, kind: type[BaseException]) -> Any:
    """Return an error whose traceback is a text, and nothing else.

    :param kind: what was raised: results tell failures from errors by it.
    """
    failed = issubclass(kind, AssertionError)
    # A traceback without frames is the name of the class. So nothing of ours
    # comes before the text, however often it is masked.
    names = {'__module__': 'builtins', '__qualname__': text.rstrip('\n')}
    base = AssertionError if failed else Exception
    masked = type('Masked', (base,), names)
    return masked, masked(), None
