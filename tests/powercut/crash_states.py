# SPDX-License-Identifier: MIT
"""What a device can hold after a power cut, from a log of "record".

The writes between two flushes are an epoch. When the power goes in it, all earlier epochs are
on the device, and of this one whatever the device liked, in any order.
"""

import collections
import hashlib
import itertools
import os
import random
import re

import devices

BLOCK = 4096
TEAR_UNITS = (4096, 512)
SUBSET_LIMIT = 4
RANDOM_SUBSETS = 8
# What a file system needs all of at once: the superblocks of ext4 and btrfs, as offset, size, and
# the magic with its place in it.
SUPERBLOCKS = ((1 << 10, 1 << 10, b"\x53\xef", 56), (64 << 10, 4 << 10, b"_BHRfS_M", 64),
               (64 << 20, 4 << 10, b"_BHRfS_M", 64))

Operation = collections.namedtuple("Operation", "kind offset length place")
# marks: all that were written before the flush that ends it.
Epoch = collections.namedtuple("Epoch", "operations marks")
# Of an operation the bytes from first to last piece, in units; unit 0 is the whole.
Part = collections.namedtuple("Part", "index unit first last", defaults=(0, 0, 0))


def read_log(path):
    """The epochs, in order; one in which nothing happened is none."""
    epochs, operations, marks, place = [], [], [], 0

    def end_epoch():
        if operations or not epochs or epochs[-1].marks != tuple(marks):
            epochs.append(Epoch(tuple(operations), tuple(marks)))
            operations.clear()

    with open(path, encoding="ascii") as log:
        for line in log:
            kind, *fields = line.split()
            if kind == "mark":
                marks.append(fields[0])
            elif kind == "flush":
                end_epoch()
            else:
                offset, length = map(int, fields)
                operations.append(Operation(kind, offset, length, place))
                place += length if kind == "write" else 0
    end_epoch()
    return epochs


class Content:
    """The bytes of a device: which blocks differ from the base image, and how."""

    def __init__(self, base, lower=None):
        self.base = base
        self.lower = lower.blocks if lower else {}
        self.blocks = {}
        self.base_data = lower.base_data if lower else [
            (start // BLOCK, -(-end // BLOCK)) for start, end in devices.data_ranges(base)]

    def block(self, number):
        found = self.blocks.get(number) or self.lower.get(number)
        return found or os.pread(self.base, BLOCK, number * BLOCK)

    def write(self, offset, data):
        position = 0
        while position < len(data):
            number, start = divmod(offset + position, BLOCK)
            piece = data[position:position + BLOCK - start]
            if len(piece) < BLOCK:
                old = self.block(number)
                self.blocks[number] = old[:start] + piece + old[start + len(piece):]
            else:
                self.blocks[number] = piece
            position += len(piece)

    def clear(self, offset, length):
        """Zeros, where there is data: a device can be all holes."""
        first, end = -(-offset // BLOCK), (offset + length) // BLOCK
        if first >= end:
            self.write(offset, bytes(length))
            return
        self.write(offset, bytes(first * BLOCK - offset))
        self.write(end * BLOCK, bytes(offset + length - end * BLOCK))
        for number in self.with_data(first, end):
            self.blocks[number] = bytes(BLOCK)

    def with_data(self, first, end):
        numbers = {number for changed in (self.lower, self.blocks) for number in changed
                   if first <= number < end}
        for start, stop in self.base_data:
            numbers.update(range(max(first, start), min(end, stop)))
        return numbers

    def changes(self):
        return {**self.lower, **self.blocks}

    def absorb(self, upper):
        self.blocks.update(upper.blocks)


class Recording:
    """A base image and what was written to it."""

    def __init__(self, folder):
        self.folder = folder
        self.epochs = read_log(os.path.join(folder, "log"))
        self.base = os.open(os.path.join(folder, "base.img"), os.O_RDONLY)
        self.data = os.open(os.path.join(folder, "data"), os.O_RDONLY)
        self.reached, self.durable = 0, Content(self.base)

    def bytes_of(self, operation, start, end):
        if operation.kind != "write":
            return bytes(end - start)
        return os.pread(self.data, end - start, operation.place + start)

    @staticmethod
    def range_of(operation, part):
        if not part.unit:
            return 0, operation.length
        return part.first * part.unit, min(operation.length, (part.last + 1) * part.unit)

    def _apply(self, content, epoch, part):
        operation = self.epochs[epoch].operations[part.index]
        start, end = self.range_of(operation, part)
        if operation.kind == "write":
            content.write(operation.offset + start, self.bytes_of(operation, start, end))
        else:
            content.clear(operation.offset + start, end - start)

    def everything_before(self, epoch):
        if epoch < self.reached:
            self.reached, self.durable = 0, Content(self.base)
        while self.reached < epoch:
            self.durable.absorb(self.content_of(self.reached, whole(self.epochs[self.reached])))
            self.reached += 1
        return self.durable

    def content_of(self, epoch, parts):
        content = Content(self.base, self.everything_before(epoch))
        for part in parts:
            self._apply(content, epoch, part)
        return content

    def tears_superblock(self, epoch, parts):
        """Whether a part begins or ends within a superblock that is being written. Who overwrites
        one with zeros, or makes a file system under another magic, has to know what a tear leaves."""
        for part in parts:
            operation = self.epochs[epoch].operations[part.index]
            for edge in (part.first, part.last + 1) if part.unit else ():
                place = operation.offset + edge * part.unit
                if any(at < place < at + size and self._puts(operation, at + offset, magic)
                       for at, size, magic, offset in SUPERBLOCKS):
                    return True
        return False

    def _puts(self, operation, place, expected):
        start = place - operation.offset
        end = start + len(expected)
        return 0 <= start and end <= operation.length and self.bytes_of(operation, start, end) == expected


def whole(epoch):
    return tuple(map(Part, range(len(epoch.operations))))


def tears_of(pieces):
    """Ranges of pieces that arrived: a beginning, an end, or the middle."""
    ends = sorted({1, pieces // 2, pieces - 1} - {0, pieces})
    for end in ends:
        yield 0, end - 1
        yield end, pieces - 1
    if pieces > 3:
        yield pieces // 4, pieces * 3 // 4 - 1


def subsets(parts):
    for size in range(len(parts) + 1):
        yield from itertools.combinations(parts, size)


def subsets_in_flight(everything, seed):
    """Which of an epoch's operations arrived, as (kind, parts), without tears."""
    count = len(everything)
    for end in range(count):
        yield "prefix", everything[:end]
    yield "boundary", everything
    for index, part in enumerate(everything):
        yield "single", (part,)
        yield "dropped", everything[:index] + everything[index + 1:]
    for end in range(min(count, SUBSET_LIMIT), count + 1):
        start = max(0, end - SUBSET_LIMIT)
        for subset in subsets(everything[start:end]):
            yield "subset", everything[:start] + subset
    chooser = random.Random(seed)
    for _ in range(RANDOM_SUBSETS if count > SUBSET_LIMIT else 0):
        yield "random", tuple(part for part in everything if chooser.random() < 0.5)


def torn_writes(epoch, everything):
    """One write in part: of those before it all arrived, of those after it none, or all."""
    for index, torn in enumerate(everything):
        for unit in TEAR_UNITS:
            for tear in tears_of(-(-epoch.operations[torn.index].length // unit)):
                part = Part(torn.index, unit, *tear)
                yield f"torn-{unit}", everything[:index] + (part,)
                yield f"torn-{unit}", everything[:index] + (part,) + everything[index + 1:]


class Keys:
    """A number for each state of an epoch: the same for the same bytes, however they came about.

    It is a sum over the blocks, so that of a state only what it lacks of the whole epoch, or has
    more than a beginning of it, has to be looked at.
    """

    def __init__(self, recording, epoch, key):
        self.operations = recording.epochs[epoch].operations
        self.recording, self.durable = recording, recording.everything_before(epoch)
        self.numbers, self.touching, self.weights = [], {}, {}
        self._find_blocks()
        # What changes anything: mkfs writes a thousand zeros upon zeros.
        self.everything = tuple(Part(index) for index, numbers in enumerate(self.numbers) if any(
            len(self.touching[number]) > 1 or
            self._weight(number, (Part(index),)) != self._weight(number, ()) for number in numbers))
        self.beginnings = [key]
        for part in self.everything:
            self.beginnings.append(self._changed(part.index, self.beginnings[-1], {part.index: part}))

    def _find_blocks(self):
        written = set()
        ranges = [(operation.offset // BLOCK, -(-(operation.offset + operation.length) // BLOCK))
                  for operation in self.operations]
        for operation, (first, end) in zip(self.operations, ranges):
            written.update(range(first, end) if operation.kind == "write" else ())
        for index, (first, end) in enumerate(ranges):
            numbers = set(range(first, end)) if self.operations[index].kind == "write" else (
                self.durable.with_data(first, end) | {at for at in written if first <= at < end})
            self.numbers.append(numbers)
            for number in numbers:
                self.touching.setdefault(number, []).append(index)

    def _weight(self, number, parts):
        """Of a block upon which these parts came, in that order."""
        if (number, parts) not in self.weights:
            block, old = self.durable.block(number), os.pread(self.recording.base, BLOCK, number * BLOCK)
            for part in parts:
                block = self._put(block, number * BLOCK, part)
            digest = hashlib.blake2b(b"%d " % number + block, digest_size=16).digest()
            self.weights[number, parts] = 0 if block == old else int.from_bytes(digest, "little")
        return self.weights[number, parts]

    def _put(self, block, place, part):
        operation = self.operations[part.index]
        start, end = self.recording.range_of(operation, part)
        start, end = max(start, place - operation.offset), min(end, place + BLOCK - operation.offset)
        if start >= end:
            return block
        at = operation.offset + start - place
        return block[:at] + self.recording.bytes_of(operation, start, end) + block[at + end - start:]

    def _changed(self, index, key, changes):
        """The key of everything below an index, with other parts, or None, for some operations."""
        for number in set().union(*(self.numbers[changed] for changed in changes)):
            old = tuple(Part(at) for at in self.touching[number] if at < index)
            new = (changes.get(at, Part(at) if at < index else None) for at in self.touching[number])
            key += self._weight(number, tuple(filter(None, new))) - self._weight(number, old)
        return key

    def of(self, parts):
        """Of some of everything, in that order, whole or torn."""
        length, end = 0, len(parts)
        while length < end:
            middle = (length + end + 1) // 2
            if parts[:middle] == self.everything[:middle]:
                length = middle
            else:
                end = middle - 1
        later = {part.index: part for part in parts[length:]}
        if len(later) <= len(self.everything) - length - len(later):
            index = self.everything[length].index if later else 0
            return self._changed(index, self.beginnings[length], later)
        lacking = {part.index: later.get(part.index) for part in self.everything[length:]
                   if later.get(part.index) != part}
        return self._changed(len(self.operations), self.beginnings[-1], lacking)


def states_of(recording, seed):
    """Each different state once, as (kind, epoch, parts, marks). Of equal states that of the
    latest crash is kept: it has seen the most marks, and those make a check stricter only."""
    found, key = {}, 0
    for number, epoch in enumerate(recording.epochs):
        keys = Keys(recording, number, key)
        for kind, parts in itertools.chain(subsets_in_flight(keys.everything, f"{seed} {number}"),
                                           torn_writes(epoch, keys.everything)):
            key = keys.of(parts)
            if key not in found or found[key][3] != epoch.marks:
                found[key] = (kind, number, parts, epoch.marks)
        key = keys.beginnings[-1]
    return list(found.values())


# ---- names --------------------------------------------------------------------------------------


def name_of(epoch, parts):
    """EPOCH:PART,... where PART is an operation, a range of them, or OPERATION@UNIT=FIRST-LAST."""
    words, run = [], []

    def end_run():
        if run:
            words.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]))
            run.clear()

    for part in parts:
        if part.unit or (run and part.index != run[-1] + 1):
            end_run()
        if part.unit:
            words.append(f"{part.index}@{part.unit}={part.first}-{part.last}")
        else:
            run.append(part.index)
    end_run()
    return f"{epoch}:{','.join(words)}"


def parse_name(name):
    epoch, _, words = name.partition(":")
    parts = []
    for word in filter(None, words.split(",")):
        numbers = list(map(int, re.split("[-@=]", word)))
        if "@" in word:
            parts.append(Part(*numbers))
        else:
            parts.extend(map(Part, range(numbers[0], numbers[-1] + 1)))
    return int(epoch), tuple(parts)
