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

"""Call a function, and do not wait for it forever."""

from collections.abc import Callable
import contextvars
import threading
from typing import Any

__all__ = ['call']


def call(timeout: float, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function, and give up on it after *timeout* seconds.

    It is called in a thread of its own, which goes on after that.

    :returns: what the function returns.
    :raises: TimeoutError, or what the function raises.
    """
    results: list[Any] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(function, *args))
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(timeout)
    if worker.is_alive():
        raise TimeoutError(f'no answer within {timeout} seconds')
    if errors:
        raise errors[0]
    return results[0]
