"""How often, and when, a task that raised runs again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import isfunction
from typing import Any, TypeVar

from channels_workers.layers.types import LONGEST_DELAY
from channels_workers.tasks.options import Options

__all__ = ["retry"]

#: The attribute of a function with its policy. A task has no place for one.
POLICY = "channels_workers_retry"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Policy:
    """A task that raised one of *errors* runs again up to so many *times*.

    The first *pause* is in seconds, and each further one twice as long, up to the *longest*.
    """

    times: int
    pause: float
    longest: float
    errors: tuple[type[BaseException], ...] = (Exception,)

    def pause_after(self, failures: int, error: BaseException) -> float | None:
        """Return the pause (s) before the next run, or None if *error* is final.

        *failures* is the number of earlier runs that raised.
        """
        if failures >= self.times or not isinstance(error, self.errors):
            return None
        return min(self.longest, self.pause * 2.0 ** min(failures, 60), LONGEST_DELAY)


def retry(
    times: int,
    *,
    pause: float = 1.0,
    longest: float = 3600.0,
    on: type[Exception] | tuple[type[Exception], ...] = Exception,
) -> Callable[[Function], Function]:
    """Let a task that raises run again, up to so many *times*. Write it below ``@task``.

    The first *pause* is in seconds, and each further one twice as long, up to the *longest*. Other
    exceptions than *on* are final. It takes the place of ``RETRIES`` in ``OPTIONS``.

    Raises ``ValueError`` for a negative number, and ``TypeError`` if it decorates no function.
    """
    if not all(number >= 0 for number in (times, pause, longest)):  # NaN is not, either
        raise ValueError(f"retry() takes numbers from 0 on, not {(times, pause, longest)}.")
    policy = Policy(times, pause, longest, on if isinstance(on, tuple) else (on,))

    def decorate(function: Function) -> Function:
        if not isfunction(function):
            raise TypeError(f"@retry decorates a function, not {function!r}. Write it below @task.")
        setattr(function, POLICY, policy)
        return function

    return decorate


def policy_of(function: object, options: Options) -> Policy:
    """Return the policy of the *function* of a task, or else that of *options*."""
    otherwise = Policy(options.RETRIES, options.RETRY_PAUSE, options.LONGEST_RETRY_PAUSE)
    policy: Policy = getattr(function, POLICY, otherwise)
    return policy
