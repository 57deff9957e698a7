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

"""Mask what is written to the streams of the process."""

from collections.abc import Callable
import contextlib
import sys
import threading
from typing import Any

import fixtures

from safe_fixtures.guards.output import result
from safe_fixtures.runtime import patching

__all__ = ['MaskedStreams']


class MaskedStreams(fixtures.Fixture):
    """Masks standard output and error while it is active.

    The streams stay the same objects; only their ``write`` and ``flush`` are
    replaced, so that a logging handler that holds a stream is masked too. A
    line is written when it is complete, as a secret can come in parts, or
    when the stream is flushed. A stream that takes their place later, to
    capture output, is not masked.

    Any number can be active, and end in any order.

    :param masker: masks the lines, as outputs ``stdout`` and ``stderr``.
    """

    def __init__(self, masker: result.Masker) -> None:
        super().__init__()
        self.masker = masker

    def _setUp(self) -> None:
        streams = {
            id(stream): (name, stream)
            for name, stream in (
                ('stdout', sys.__stdout__),
                ('stderr', sys.__stderr__),
                # Those of a runner that captures output, and shows it later.
                ('stdout', sys.stdout),
                ('stderr', sys.stderr),
            )
            # Without one, a stream has no place for another write.
            if hasattr(stream, '__dict__')
        }
        for number, (name, stream) in streams.items():
            lines = _masked.get(number) or _Lines(name, stream)
            lines.add(self.masker, self.addCleanup)
            self.addCleanup(lines.write_pending)


class _Lines(patching.SharedPatch[result.Masker]):
    """The lines that are written to one stream, for any number of maskers."""

    def __init__(self, name: str, stream: Any) -> None:
        super().__init__(self._replace_methods)
        self._name = name
        self._stream = stream
        # By thread: those that write at the same time do not mix.
        self._pending: dict[int, str] = {}
        self._write = stream.write
        self._flush = stream.flush

    def _replace_methods(self) -> Callable[[], None]:
        with contextlib.ExitStack() as restores:
            _masked[id(self._stream)] = self
            restores.callback(_masked.pop, id(self._stream))
            for method in (self.write, self.flush):
                restores.callback(
                    patching.patch_attribute(
                        self._stream, method.__name__, method
                    )
                )
            return restores.pop_all().close

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            return self._write(text)
        thread = threading.get_ident()
        pending = self._pending.pop(thread, '') + text
        # Only a line break at the end counts: one before can be a part of a
        # secret.
        if pending.endswith('\n'):
            self._put(pending)
        elif pending:
            self._pending[thread] = pending
        return len(text)

    def flush(self) -> None:
        self._put(self._pending.pop(threading.get_ident(), ''))
        self._flush()

    def write_pending(self) -> None:
        """Write the incomplete lines of all threads."""
        # The stream may have been closed meanwhile.
        with contextlib.suppress(ValueError, OSError):
            for thread in list(self._pending):
                self._put(self._pending.pop(thread, ''))

    def _put(self, text: str) -> None:
        if text:
            # The latest first: it counts for the test that runs, an earlier
            # one for what belongs to no test.
            for masker in reversed(list(self.users)):
                text = masker.text(self._name, text)
            self._write(text)


# The streams that are masked now, by id.
_masked: dict[int, _Lines] = {}
