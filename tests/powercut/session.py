# SPDX-License-Identifier: MIT
"""One variant of a scenario: it is recorded once, and each of its crash states is judged."""

import collections
import os
import random
import shutil
import subprocess
import time

import crash_states
import devices

HERE = os.path.dirname(os.path.realpath(__file__))
STATE_SECONDS = 120
CONTROL_ENOUGH = 3
# What a superblock that is torn can lead to: a file system that nobody can use, never a wrong one.
BEYOND = ("unmountable", "refused")

Outcome = collections.namedtuple("Outcome", "name kind verdict word seconds")


class Session:
    """The folder keeps the recording and its results; work, in memory, what is made on the way."""

    def __init__(self, scenario, variant, work, settings):
        self.scenario, self.variant, self.work, self.settings = scenario, variant, work, settings
        self.folder = folder_of(scenario, variant, settings)
        self.title = f"{scenario}/{variant}"
        self.is_control = variant.startswith("control-")

    def call(self, function, **variables):
        """Runs a function of the scenario, and returns (status, last word, everything said)."""
        environment = {**os.environ, **variables, "RECORDING": self.folder, "VARIANT": self.variant}
        command = ["bash", f"{HERE}/scenario.sh", f"{HERE}/scenario-{self.scenario}.sh", function]
        done = subprocess.run(command, cwd=self.work, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=STATE_SECONDS)
        said = done.stdout.decode("utf-8", "replace")
        return done.returncode, (said.split() or ["nothing"])[-1], said

    def must(self, function, **variables):
        status, _, said = self.call(function, **variables)
        if status != 0:
            raise RuntimeError(f"{function}: {said.rstrip()}")

    # ---- recording ------------------------------------------------------------------------------

    def is_recorded(self):
        return os.path.exists(os.path.join(self.folder, "recorded"))

    def start_at_crash_of(self, variant):
        """base.img becomes one of the states in which a power cut left another variant."""
        work = os.path.join(self.work, "before")
        os.makedirs(work)
        before = Session(self.scenario, variant, work, self.settings)
        if not before.is_recorded():
            before.record()
            devices.unmount_below(work)
        recording = crash_states.Recording(before.folder)
        states = crash_states.states_of(recording, self.settings.seed)
        chosen = choose_start(states, self.settings.seed, self.variant)
        made = before._make_image(recording, recording.content_of(chosen[1], chosen[2]))
        os.rename(made, os.path.join(self.work, "base.img"))
        self.title += f" (after {variant} at {crash_states.name_of(chosen[1], chosen[2])})"

    def record(self, after=None):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        if after:
            self.start_at_crash_of(after)
        paths = {name: os.path.join(self.folder, name) for name in ("base.img", "log", "data")}
        image, mount_point = os.path.join(self.work, "image"), os.path.join(self.work, "recorder")
        self.must("prepare")
        base = os.open(os.path.join(self.work, "base.img"), os.O_RDONLY)
        os.close(devices.copy_sparse(base, paths["base.img"]))
        os.close(devices.copy_sparse(base, image))
        os.close(base)
        os.makedirs(mount_point, exist_ok=True)
        subprocess.run([f"{self.settings.build}/powercut-record", mount_point, image,
                        paths["log"], paths["data"]], check=True)
        with devices.attached(f"{mount_point}/image", direct=True) as device:
            devices.keep_requests_apart(device)
            self.must("act", DEVICE=device, MARK=f"{mount_point}/mark")
        devices.wait_until(lambda: self._unmounted(mount_point), 30, "the recorder is still in use")
        self._compare(image)
        # What --resume goes by: a recording that was cut off is none.
        with open(os.path.join(self.folder, "recorded"), "w", encoding="ascii"):
            pass

    @staticmethod
    def _unmounted(mount_point):
        return subprocess.run(["umount", mount_point], stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def _compare(self, image):
        """The log, replayed as a whole, gives what the disturbed device would have held."""
        recording = crash_states.Recording(self.folder)
        last = len(recording.epochs) - 1
        content = recording.content_of(last, crash_states.whole(recording.epochs[last]))
        replayed = self._make_image(recording, content)
        if subprocess.run(["cmp", "--", image, replayed], check=False).returncode != 0:
            raise RuntimeError("the log does not give the image that was written")
        os.unlink(replayed)
        os.unlink(image)

    # ---- replaying ------------------------------------------------------------------------------

    def _make_image(self, recording, content):
        path = os.path.join(self.work, "state.img")
        file = devices.copy_sparse(recording.base, path)
        for number, block in content.changes().items():
            os.pwrite(file, block, number * crash_states.BLOCK)
        os.close(file)
        return path

    def judge(self, recording, state):
        kind, epoch, parts, marks = state
        start = time.monotonic()
        path = self._make_image(recording, recording.content_of(epoch, parts))
        with devices.attached(path) as device:
            status, word, said = self.call("judge", DEVICE=device, MARKS=" ".join(marks))
            self._must_be_unmounted(device)
        verdict = verdict_of(status, word, recording.tears_superblock(epoch, parts))
        seconds = time.monotonic() - start
        return Outcome(crash_states.name_of(epoch, parts), kind, verdict, word, seconds), said

    def _must_be_unmounted(self, device):
        """The next state has the same fsid: btrfs would take it for what is still mounted."""
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            if any(f" {device} " in mount for mount in mounts):
                raise RuntimeError("a state is still mounted")

    def replay(self):
        """Judges the chosen states, and returns all outcomes, those of earlier runs included."""
        recording = crash_states.Recording(self.folder)
        states = crash_states.states_of(recording, self.settings.seed)
        with open(os.path.join(self.folder, "total"), "w", encoding="ascii") as total:
            print(len(states), file=total)
        chosen = choose(states, self.settings.limit)
        path = os.path.join(self.folder, "results")
        outcomes = read_results(path)
        done = {outcome.name for outcome in outcomes}
        with open(path, "a", encoding="ascii") as results:
            for state in chosen:
                if crash_states.name_of(state[1], state[2]) in done:
                    continue
                outcome, _ = self.judge(recording, state)
                outcomes.append(outcome)
                print(*outcome, sep="\t", file=results, flush=True)
                if self.is_control and self.settings.limit and enough(outcomes):
                    break
        return outcomes, len(states)

    def replay_one(self, name):
        recording = crash_states.Recording(self.folder)
        epoch, parts = crash_states.parse_name(name)
        kept = os.path.join(self.folder, "state.img")
        path = self._make_image(recording, recording.content_of(epoch, parts))
        with open(path, "rb") as made:
            os.close(devices.copy_sparse(made.fileno(), kept))
        outcome, said = self.judge(recording,
                                   ("one", epoch, parts, recording.epochs[epoch].marks))
        print(said, end="")
        print(f"{outcome.name}: {outcome.verdict}: {outcome.word}; not yet mounted it is {kept}")
        return outcome.verdict == "bad"


def folder_of(scenario, variant, settings):
    return os.path.join(settings.build, "powercut", scenario, variant)


def verdict_of(status, word, is_superblock_torn):
    if status == 0:
        return "good"
    return "beyond" if is_superblock_torn and word in BEYOND else "bad"


def enough(outcomes):
    """Of a control's: that it fails, and that a state of it need not fail."""
    verdicts = [outcome.verdict for outcome in outcomes]
    return verdicts.count("bad") >= CONTROL_ENOUGH and "good" in verdicts


def choose(states, limit):
    """At most limit of them, up to a third at the ends of epochs, evenly spread; 0 is all."""
    if not limit or limit >= len(states):
        return states
    ends = [index for index, state in enumerate(states) if state[0] == "boundary"]
    chosen = set(spread(ends, limit // 3))
    others = [index for index in range(len(states)) if index not in chosen]
    return [states[index] for index in sorted(chosen.union(spread(others, limit - len(chosen))))]


def spread(items, count):
    """The first, the last, and so on."""
    if count >= len(items):
        return items
    return [items[index * (len(items) - 1) // max(1, count - 1)] for index in range(count)]


def choose_start(states, seed, variant):
    return random.Random(f"{seed} {variant}").choice(states)


def read_total(folder):
    """Of how many states its results are."""
    path = os.path.join(folder, "total")
    if not os.path.exists(path):
        return 0
    with open(path, encoding="ascii") as total:
        return int(total.read())


def read_results(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as results:
        rows = [line.rstrip("\n").split("\t") for line in results if line.endswith("\n")]
    return [Outcome(*row[:4], float(row[4])) for row in rows]
