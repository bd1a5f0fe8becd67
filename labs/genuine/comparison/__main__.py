"""Compare both engines. Exit status 1 for any difference that is not deliberate."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from labs.genuine.comparison.difference import Demonstrated, OnPurpose, demonstrate
from labs.genuine.comparison.differences import DIFFERENCES
from labs.genuine.comparison.repertoire import applications
from labs.genuine.comparison.report import (
    as_json,
    describe_difference,
    describe_result,
    describe_tests,
)
from labs.genuine.comparison.result import Result, compare_application
from labs.genuine.comparison.stage import Stage
from labs.genuine.comparison.tested import NAME as TESTED
from labs.genuine.comparison.tested import Tested, run_tests
from labs.harness.command import BAD, GOOD, add_files, make_parser, run_command
from labs.harness.registry import require_known
from labs.harness.report import say, write_json

T = TypeVar("T")

#: Random conversations per application, and applications compared concurrently.
EXAMPLES, AT_ONCE = 12, 3


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    only = f"an application, a deliberate difference, or the tests of consumers ({TESTED})"
    parser = make_parser("labs/genuine/compare", __doc__, only)
    parser.add_argument(
        "--examples",
        type=int,
        default=EXAMPLES,
        metavar="N",
        help=f"random conversations per application (default: {EXAMPLES})",
    )
    parser.add_argument(
        "--http",
        choices=("interface", "workers"),
        default="interface",
        help="who answers the pages of ours (default: interface; workers in pages)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="try other ones than the default run")
    add_files(parser, "json")
    return parser.parse_args()


def run(
    names: Sequence[str],
    differences: Sequence[OnPurpose],
    stage: Stage,
    options: argparse.Namespace,
) -> tuple[list[Result], list[Demonstrated]]:
    """Compare and demonstrate, several at once. Prints each result as soon as it is known.

    Each application has its own process, because Hypothesis does not support threads well.
    """
    arguments = stage, options.examples, options.seed
    with (
        ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as processes,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        compared = [processes.submit(compare_application, name, *arguments) for name in names]
        shown = [threads.submit(demonstrate, difference, stage) for difference in differences]
        results = [tell(describe_result, future) for future in compared]
        if shown:
            say("\nDeliberate differences:")
        return results, [tell(describe_difference, future) for future in shown]


def tell(describe: Callable[[T], str], future: Future[T]) -> T:
    """Wait for a result, print it, and return it."""
    result = future.result()
    say(describe(result))
    return result


def is_the_same(tested: Sequence[Tested]) -> bool:
    """Return whether all tests passed on both engines."""
    return not any(one.trouble for one in tested) and len({one.passed for one in tested}) <= 1


def known_names() -> list[str]:
    """Return the names for `--only`: applications, differences, and the tests of consumers."""
    return [*(one.name for one in applications()), *(one.name for one in DIFFERENCES), TESTED]


def compare(options: argparse.Namespace, folder: Path) -> int:
    """Compare what was requested. Returns the exit status."""
    require_known(options.only, known_names(), "an application or a difference")
    wanted = set(options.only or known_names())
    if options.list:
        say("\n".join(name for name in known_names() if name in wanted))
        return GOOD
    since = time.monotonic()
    is_right = compare_all(wanted, options, folder)
    say(f"in {time.monotonic() - since:.0f} s")
    if not is_right:
        say("Not as in Channels 1.1.8.")
    return GOOD if is_right else BAD


def compare_all(wanted: set[str], options: argparse.Namespace, folder: Path) -> bool:
    """Compare what is *wanted*. Returns whether all differences are deliberate."""
    stage = Stage(folder, options.http)
    stage.prepare()
    chosen = [one.name for one in applications() if one.name in wanted]
    differences = [one for one in DIFFERENCES if one.name in wanted]
    results, shown = run(chosen, differences, stage, options)
    tested = run_tests(stage) if TESTED in wanted else []
    say(describe_tests(tested))
    if options.json:
        write_json(options.json, as_json(results, shown, tested))
    say(f"\n{len(results)} applications, {len(shown)} deliberate differences")
    return (
        all(one.is_equal for one in results)
        and all(one.is_as_expected for one in shown)
        and is_the_same(tested)
    )


def main() -> int:
    """Compare, and return the exit status."""
    return run_command("genuine", partial(compare, parse()))


if __name__ == "__main__":
    sys.exit(main())
