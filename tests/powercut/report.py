# SPDX-License-Identifier: MIT
"""What is said of a variant that was judged, and of all of them at the end."""

import collections
import os
import re

import session

HERE = os.path.dirname(os.path.realpath(__file__))
DEFAULT_BUILD = os.path.realpath(os.path.join(HERE, "../../build"))
FAILURES_SHOWN = 5


def classes_of(outcomes):
    words = collections.Counter(outcome.word if outcome.verdict == "good" else
                                f"{outcome.verdict} {outcome.word}" for outcome in outcomes)
    return ", ".join(f"{word} {count:,}" for word, count in sorted(words.items()))


def report(one, outcomes, total, seconds):
    """Returns whether it failed."""
    verdicts = collections.Counter(outcome.verdict for outcome in outcomes)
    failed = not verdicts["good"] or bool(verdicts["bad"]) != one.is_control
    print(f"{'FAIL' if failed else 'ok':4} {one.title}: {len(outcomes)} of {total} states, "
          f"{seconds:.1f} s: {classes_of(outcomes)}", flush=True)
    if failed and one.is_control:
        print("     a control that should fail did not: the power cuts prove nothing")
    elif failed:
        show_failures(one, [outcome for outcome in outcomes if outcome.verdict == "bad"])
    return failed


def show_failures(one, bad):
    build = one.settings.build
    command = os.path.join(os.path.relpath(HERE), "run") + (f" --build={build}" if build != DEFAULT_BUILD else "")
    for outcome in bad[:FAILURES_SHOWN]:
        print(f"     seed {one.settings.seed}, {outcome.kind}, {outcome.word}:\n"
              f"       {command} --state={outcome.name} {one.scenario}/{one.variant}")


def kind_of(variant):
    """A line of the table has all variants of a kind: what stands before the first dot or number."""
    return re.sub(r"-[0-9]+$", "", variant.split(".")[0])


def print_table(variants, settings):
    """Of all results that there are of these variants, in the form of README.md."""
    rows = {}
    for scenario, variant in variants:
        folder = session.folder_of(scenario, variant, settings)
        row = rows.setdefault(f"{scenario}/{kind_of(variant)}", {"variants": 0, "total": 0, "outcomes": []})
        row["variants"] += 1
        row["total"] += session.read_total(folder)
        row["outcomes"] += session.read_results(os.path.join(folder, "results"))
    print("| scenario | variants | states, of | seconds | classes |\n| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        print_row(name, row, classes_of(row["outcomes"]))
    rows = [row for name, row in rows.items() if "/control-" not in name]
    every = {key: sum((row[key] for row in rows), [] if key == "outcomes" else 0)
             for key in ("variants", "total", "outcomes")}
    bad = sum(outcome.verdict == "bad" for outcome in every["outcomes"])
    print_row("all but the controls", every, f"bad {bad}")


def print_row(name, row, classes):
    outcomes = row["outcomes"]
    print(f"| {name} | {row['variants']} | {len(outcomes):,} of {row['total']:,} | "
          f"{sum(outcome.seconds for outcome in outcomes):.0f} | {classes} |")
