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

    The streams stay the same objects; only their ``write`` and ``flush``
    are replaced, so that a logging handler that holds one is masked too. A
    line is written once it is complete, as its secrets can come in parts;
    an incomplete one is when the stream is flushed. What takes a stream's
    place meanwhile, to capture output, is not masked.

    Any number can be active, and end in any order.

    :param masker: masks the lines, as outputs ``stdout`` and ``stderr``.
    """

    def __init__(self, masker: result.Masker) -> None:
        super().__init__()
        self.masker = masker

    def _setUp(self) -> None:
        found = {
            id(stream): (name, stream)
            for name, stream in (
                ('stdout', sys.__stdout__),
                ('stderr', sys.__stderr__),
                # Those of a runner that captures, and shows it afterwards.
                ('stdout', sys.stdout),
                ('stderr', sys.stderr),
            )
            # Some have no place for another write.
            if hasattr(stream, '__dict__')
        }
        for name, stream in found.values():
            lines = _masked.get(id(stream))
            if lines is None:
                lines = _masked[id(stream)] = _Lines(name, stream)
            self.addCleanup(lines.remove, self.masker)
            lines.add(self.masker)


class _Lines:
    """What is written to one stream."""

    def __init__(self, name: str, stream: Any) -> None:
        self._name = name
        self._stream = stream
        self._maskers: tuple[result.Masker, ...] = ()
        # By thread: those that write at the same time do not mix.
        self._pending: dict[int, str] = {}
        self._write = stream.write
        self._flush = stream.flush
        self._restores: list[Any] = []

    def add(self, masker: result.Masker) -> None:
        self._maskers = (*self._maskers, masker)
        if not self._restores:
            for name in ('write', 'flush'):
                self._restores.append(
                    patching.patch_attribute(
                        self._stream, name, getattr(self, name)
                    )
                )

    def remove(self, masker: result.Masker) -> None:
        # A stream that is closed meanwhile has nobody to tell.
        with contextlib.suppress(ValueError, OSError):
            for thread in list(self._pending):
                self._put(self._pending.pop(thread, ''))
        maskers = list(self._maskers)
        maskers.remove(masker)
        self._maskers = tuple(maskers)
        if not maskers:
            _masked.pop(id(self._stream), None)
            while self._restores:
                self._restores.pop()()

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            return self._write(text)
        thread = threading.get_ident()
        pending = self._pending.pop(thread, '') + text
        # Not up to the last line break in it, which can be within a secret.
        if pending.endswith('\n'):
            self._put(pending)
        elif pending:
            self._pending[thread] = pending
        return len(text)

    def flush(self) -> None:
        self._put(self._pending.pop(threading.get_ident(), ''))
        self._flush()

    def _put(self, text: str) -> None:
        if not text:
            return
        for masker in self._maskers:
            text = masker.text(self._name, text)
        self._write(text)


# Those of the streams that are masked, by the id of the stream.
_masked: dict[int, _Lines] = {}
