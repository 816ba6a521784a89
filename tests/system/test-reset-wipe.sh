# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# What a wipe leaves: nothing that any tool finds, and not one byte elsewhere.

# _file_system SIZE [SECTOR] [mkfs option...]
_file_system() {
	make_device disk "$1" "${2:-}"
	make_btrfs --nodiscard "${@:3}" "$disk"
	leave_traces "$disk"
}

_wipe() {
	request "$disk" "$@"
	run_reset --device="$disk" --now
	assert_status 0
	assert_wiped "$disk"
}

# _finds COMMAND...: it ends well.
_finds() {
	"$@" >found 2>&1 || fail "$* does not find it: $(tail -n 3 found)"
}

# _does_not_find COMMAND...
_does_not_find() {
	! "$@" >found 2>&1 || fail "$* finds something: $(tail -n 5 found)"
}

# Those that write the first superblock anew get a copy.
_select_super() {
	local copy=0
	cp --sparse=always "$2" select.img
	timeout 60 btrfs-select-super -s "$1" select.img || copy=$?
	rm select.img
	return "$copy"
}

# _each_btrfs_tool EXPECTATION COPY...: with these copies of the superblock.
_each_btrfs_tool() {
	local expectation=$1 copy
	shift
	blockdev --flushbufs "$disk"
	"$expectation" blkid -p "$disk"
	"$expectation" timeout 60 btrfs rescue super-recover -v "$disk"
	"$expectation" timeout 60 btrfs-find-root "$disk"
	mkdir -p restored
	for copy; do
		"$expectation" timeout 60 btrfs restore -D -u "$copy" "$disk" restored
		"$expectation" _select_super "$copy" disk.img
	done
}

# --- btrfs of all sizes ------------------------------------------------------------------------

after_the_wipe_no_tool_finds_the_file_system() {
	_file_system 192M
	_each_btrfs_tool _finds 0 1
	_wipe
	_each_btrfs_tool _does_not_find 0 1
}

a_file_system_of_300_gib_with_two_copies_is_not_found() {
	_file_system 300G
	_each_btrfs_tool _finds 0 1 2
	_wipe
	_each_btrfs_tool _does_not_find 0 1 2
}

a_file_system_of_2_tib_with_two_copies_is_not_found() {
	_file_system 2T
	_each_btrfs_tool _finds 1 2
	_wipe
	_each_btrfs_tool _does_not_find 1 2
}

# Smaller than the place of the first copy, just there, and with a part of it.
# slow
small_and_odd_sizes_are_wiped() {
	local size
	for size in 17M 67104768 67108864 67110912 67112960 67113472 100000256; do
		echo "--- $size"
		_file_system "$size" '' --mixed
		_finds blkid -p "$disk"
		_wipe --erase=zero
		_each_btrfs_tool _does_not_find 0 1
		! grep -aq 'the-old-life' disk.img || fail "$size: old data is there"
		detach_device "$disk"
		rm disk.img
	done
}

# slow
odd_sizes_are_discarded_to_the_end() {
	local size
	for size in 134219264 200000512 536871936; do
		echo "--- $size"
		_file_system "$size"
		echo 'at-the-very-end' | put "$disk" $((size - 16))
		_wipe --erase=discard
		assert_message 'erased: discard'
		! grep -aq 'the-old-life\|at-the-very-end' disk.img || fail "$size: old data is there"
		detach_device "$disk"
		rm disk.img
	done
}

sectors_of_4096_bytes_are_wiped() {
	local erase
	make_tree tree
	for erase in signature discard zero; do
		make_device disk 192M 4096
		in_use "$disk"
		_wipe --erase="$erase"
		assert_message "erased: $erase"
		_each_btrfs_tool _does_not_find 0 1
		init tree "$disk"
		assert_status 0
		assert_reset tree "$disk"
		detach_device "$disk"
		rm disk.img
	done
}

a_damaged_file_system_with_a_whole_copy_is_wiped() {
	_file_system 192M
	superblock "$disk" flip 300
	_wipe
	_each_btrfs_tool _does_not_find 0 1
}

each_checksum_is_wiped() {
	local checksum
	for checksum in crc32c xxhash sha256 blake2; do
		_file_system 128M '' --checksum "$checksum"
		_wipe
		_each_btrfs_tool _does_not_find 0 1
		detach_device "$disk"
		rm disk.img
	done
}

# --- what is written, and what is not -----------------------------------------------------------

_sum_outside() {
	{ head -c "$1" disk.img; tail -c "+$(($2 + 1))" disk.img; } | sha256sum
}

# slow
nothing_outside_the_partition_is_touched() {
	local erase start end before
	make_gpt_device disk 400M one "$(unique_label)" three
	garbage 1M | put disk.img 135000000
	garbage 1M | put disk.img 300000000
	garbage 4096 | put disk.img 400000000
	blockdev --flushbufs "$disk"
	start=$(($(<"/sys/class/block/${disk#/dev/}p2/start") * 512))
	end=$((start + $(<"/sys/class/block/${disk#/dev/}p2/size") * 512))
	garbage 8192 | put disk.img $((start - 8192))
	garbage 8192 | put disk.img "$end"
	blockdev --flushbufs "$disk"
	before=$(_sum_outside "$start" "$end")
	for erase in signature discard zero; do
		make_btrfs "${disk}p2"
		leave_traces "${disk}p2"
		request "${disk}p2" --erase="$erase"
		run_reset --device="${disk}p2" --now
		assert_status 0
		sync
		[[ ! $(blkid -p -o value -s TYPE "${disk}p2" || :) ]] || fail "the partition holds something"
		[[ $(_sum_outside "$start" "$end") == "$before" ]] || fail "--erase=$erase wrote outside the partition"
	done
	sfdisk --verify "$disk" >/dev/null
}

# _count_bytes: how many the wipe wrote, in KiB, and that it asked for no erasing.
_count_bytes() {
	request "$disk"
	WRAPPER=(strace -f -o calls -P "$disk" -e "trace=pwrite64,write,pwritev,ioctl")
	run_reset --device="$disk" --now
	WRAPPER=()
	assert_status 0
	! grep -qE 'BLK(SEC)?DISCARD|BLKZEROOUT' calls || fail "it erased: $(grep -m 1 BLK calls)"
	written=$(($(awk '/write/ && $NF > 0 { sum += $NF } END { print sum }' calls) / 1024))
}

the_signature_wipe_writes_as_much_whatever_the_size() {
	local size written
	for size in 128M 300G 2T; do
		_file_system "$size"
		_count_bytes
		((written > 64 && written < 3072)) || fail "it wrote $written KiB on $size"
		detach_device "$disk"
		rm disk.img
	done
}

# The bytes between the two ends stay: the message must not say otherwise.
a_signature_wipe_does_not_claim_to_erase() {
	_file_system 192M
	_wipe
	assert_message 'erased: signature'
	grep -aq 'the-old-life' disk.img || fail "this test's data was not on the disk"
}

# --- erasing ------------------------------------------------------------------------------------

# slow
zero_leaves_no_old_byte() {
	_file_system 600M
	garbage 600M | tr '\0' 'x' >/dev/null
	sync
	grep -aq 'the-old-life' disk.img || fail "this test's data is not on the disk"
	_wipe --erase=zero
	assert_message 'erased: zero'
	"${PYTHON[@]}" - <<-'END'
		import os
		image = os.open("disk.img", os.O_RDONLY)
		size = os.fstat(image).st_size
		for start in range(0, size, 1 << 20):
		    block = os.pread(image, 1 << 20, start)
		    if start == 0:
		        block = block[:32768] + block[36864:]
		    assert not block.strip(b"\0"), "something at %d" % start
	END
}

zero_works_where_the_device_cannot_do_it_itself() {
	local first
	_file_system 192M
	request "$disk" --erase=zero
	cp --sparse=always disk.img before.img
	strace -f -o calls -P "$disk" -e trace=ioctl "$FACTORY_RESET" --device="$disk" --now 2>stderr
	first=$(grep -n -m 1 BLKZEROOUT calls | cut -d: -f1)
	cp --sparse=always before.img disk.img
	blockdev --flushbufs "$disk"
	request "$disk" --erase=zero
	WRAPPER=(strace -f -o calls -P "$disk" -e trace=ioctl -e "inject=ioctl:error=EOPNOTSUPP:when=$first")
	run_reset --device="$disk" --now
	WRAPPER=()
	assert_status 0
	grep -q 'BLKZEROOUT.*INJECTED' calls || fail "nothing was refused"
	! grep -aq 'the-old-life' disk.img || fail "old data is there"
}

discard_forgets_the_data_where_the_device_does() {
	_file_system 192M
	grep -aq 'the-old-life' disk.img
	_wipe --erase=discard
	assert_message 'erased: discard'
	! grep -aq 'the-old-life' disk.img || fail "old data is there"
}

# Secure first, then plain, then it says so.
a_device_without_discard_is_told_of_and_wiped() {
	local first
	_file_system 192M
	request "$disk" --erase=discard
	cp --sparse=always disk.img before.img
	strace -f -o calls -P "$disk" -e trace=ioctl "$FACTORY_RESET" --device="$disk" --now 2>stderr
	first=$(grep -n -m 1 BLKSECDISCARD calls | cut -d: -f1)
	sed -n "$((first + 1))p" calls | grep -q BLKDISCARD || fail "plain discard does not follow the secure one"
	cp --sparse=always before.img disk.img
	blockdev --flushbufs "$disk"
	request "$disk" --erase=discard
	WRAPPER=(strace -f -o calls -P "$disk" -e trace=ioctl -e "inject=ioctl:error=EOPNOTSUPP:when=$first..$((first + 1))")
	run_reset --device="$disk" --now
	WRAPPER=()
	assert_status 0
	assert_message 'no discard.*not erased'
	assert_message 'erased: signature'
	assert_wiped "$disk"
	grep -aq 'the-old-life' disk.img || fail "it was erased after all"
}

secure_discard_is_used_where_there_is_one() {
	local first
	_file_system 192M
	request "$disk" --erase=discard
	cp --sparse=always disk.img before.img
	strace -f -o calls -P "$disk" -e trace=ioctl "$FACTORY_RESET" --device="$disk" --now 2>stderr
	first=$(grep -n -m 1 BLKSECDISCARD calls | cut -d: -f1)
	cp --sparse=always before.img disk.img
	blockdev --flushbufs "$disk"
	request "$disk" --erase=discard
	WRAPPER=(strace -f -o calls -P "$disk" -e trace=ioctl -e "inject=ioctl:retval=0:when=$first..$((first + 1))")
	run_reset --device="$disk" --now
	WRAPPER=()
	assert_status 0
	assert_message 'erased: secure-discard'
}
