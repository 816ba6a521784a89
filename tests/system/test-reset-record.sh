# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# The erase record that a wipe leaves: what the next boot goes on with, and tells of.

_system() {
	make_tree tree
	make_device disk "${1:-192M}"
	in_use "$disk"
}

_last_reset() {
	mount_top "$disk"
	[[ -f top/var/lib/aimee-os/last-reset.json ]] || fail "there is no last-reset.json"
	assert_mode '600 0:0' top/var/lib/aimee-os/last-reset.json
	cp top/var/lib/aimee-os/last-reset.json last-reset.json
	unmount_top
	[[ $(jq -c . last-reset.json) == "$(jq -c .reset /run/aimee-os/init-storage.json)" ]] || fail "last-reset.json is not what the report says"
}

what_the_shutdown_wiped_is_told_of_by_the_next_boot() {
	local by
	_system
	request "$disk" --erase=discard
	by=$(jq .by "$REQUEST_FLAG")
	run_reset --device="$disk" --now
	assert_status 0
	lose_run
	init tree "$disk"
	assert_status 0
	assert_no_message 'going on with'
	assert_json '.state == "blank" and .action == "formatted"'
	assert_json ".reset.from == \"erase-record\" and .reset.by == $by and .reset.fsid == \"$OLD_FSID\" and .reset.reached == \"discard\""
	_last_reset
	assert_nothing_to_do tree "$disk"
	assert_json '.reset == null'
}

# _cut_off ERASE CALL: the wipe is killed at half, while a slow device is at the third piece.
_cut_off() {
	local first tracer
	request "$disk" --erase="$1"
	strace -f -o calls -P "$disk" -e trace=ioctl "$FACTORY_RESET" --device="$disk" --now 2>stderr
	first=$(grep -n -m 1 "$2" calls | cut -d: -f1)
	cp --sparse=always before.img disk.img
	blockdev --flushbufs "$disk"
	request "$disk" --erase="$1"
	: >calls
	strace -f -o calls -P "$disk" -e trace=ioctl -e "inject=ioctl:delay_enter=2100000:when=$first+" \
		"$FACTORY_RESET" --device="$disk" --now 2>stderr &
	tracer=$!
	wait_until 20 eval "[[ \$(grep -c $2 calls) -ge ${3:-3} ]]"
	pkill -KILL -P "$tracer" -x factory-reset
	wait "$tracer" 2>/dev/null || :
	wait_until 10 is_gone factory-reset
	lose_run
}

# limit: 120
# slow
an_erase_that_was_cut_off_is_finished_by_the_next_boot() {
	local first
	_system 1200M
	echo 'near-the-very-end' | put "$disk" 1205862400
	cp --sparse=always disk.img before.img
	_cut_off zero BLKZEROOUT
	grep -aq 'near-the-very-end' disk.img || fail "the erase was done already"
	assert_wiped "$disk"
	WRAPPER=(strace -f -o calls -e trace=ioctl)
	init tree "$disk"
	WRAPPER=()
	assert_status 0
	assert_message 'going on with an erase'
	assert_json '.state == "blank" and .reset.from == "erase-record" and .reset.reached == "zero"'
	[[ $(grep -c 'BLKZEROOUT' calls) -lt 5 ]] || fail "it began anew: $(grep BLKZEROOUT calls)"
	! grep -aq 'near-the-very-end\|the-old-life' disk.img || fail "old data is there"
	assert_reset tree "$disk"
	_last_reset
}

# slow
# limit: 120
a_discard_that_was_cut_off_is_finished_by_the_next_boot() {
	local first
	_system 1200M
	echo 'near-the-very-end' | put "$disk" 1205862400
	cp --sparse=always disk.img before.img
	_cut_off discard DISCARD 5
	grep -aq 'near-the-very-end' disk.img || fail "the erase was done already"
	init tree "$disk"
	assert_status 0
	assert_message 'going on with an erase'
	assert_json '.reset.from == "erase-record" and .reset.reached == "discard"'
	! grep -aq 'near-the-very-end\|the-old-life' disk.img || fail "old data is there"
	assert_reset tree "$disk"
}

# slow
# limit: 120
# --now once more, as a second shutdown would: it goes on as well.
an_erase_that_was_cut_off_is_finished_by_the_next_shutdown() {
	local first
	_system 1200M
	echo 'near-the-very-end' | put "$disk" 1205862400
	cp --sparse=always disk.img before.img
	_cut_off zero BLKZEROOUT
	run_reset --device="$disk" --now --yes
	assert_status 0
	! grep -aq 'near-the-very-end' disk.img || fail "it says that it is done, and old data is there"
}

# slow
# limit: 120
a_signal_stops_an_erase_that_the_next_boot_finishes() {
	local first
	_system 1200M
	echo 'near-the-very-end' | put "$disk" 1205862400
	request "$disk" --erase=zero
	cp --sparse=always disk.img before.img
	strace -f -o calls -P "$disk" -e trace=ioctl "$FACTORY_RESET" --device="$disk" --now 2>stderr
	first=$(grep -n -m 1 BLKZEROOUT calls | cut -d: -f1)
	cp --sparse=always before.img disk.img
	blockdev --flushbufs "$disk"
	request "$disk" --erase=zero
	WRAPPER=(strace -f -o calls -P "$disk" -e trace=ioctl -e "inject=ioctl:signal=TERM:when=$((first + 1))")
	run_reset --device="$disk" --now
	WRAPPER=()
	assert_status 1
	assert_message 'next boot'
	grep -aq 'near-the-very-end' disk.img || fail "it was not stopped"
	init tree "$disk"
	assert_status 0
	! grep -aq 'near-the-very-end' disk.img || fail "old data is there"
	assert_json '.reset.reached == "zero"'
	assert_reset tree "$disk"
}

a_record_that_is_no_record_is_no_reason_to_erase() {
	_system
	request "$disk"
	run_reset --device="$disk" --now
	printf 'x' | put "$disk" $((32768 + 100))
	init tree "$disk"
	assert_status 0
	assert_json '.state == "blank" and .reset == null'
}

# Cut off after the last piece and before the record said so.
an_erase_that_only_lacks_its_last_word_is_told_of_as_what_it_was() {
	_system
	request "$disk" --erase=discard
	run_reset --device="$disk" --now
	"${PYTHON[@]}" - "$HERE/image" "$disk" "$(blockdev --getsize64 "$disk")" <<-'END'
		import os, runpy, struct, sys
		xxhash64 = runpy.run_path(sys.argv[1], run_name="image")["xxhash64"]
		disk = os.open(sys.argv[2], os.O_RDWR)
		record = bytearray(os.pread(disk, 4096, 32768))
		before, record[40:48] = bytes(record[40:48]), bytes(8)
		assert before == xxhash64(bytes(record)), "the checksum is not that of the manual"
		struct.pack_into("<QB", record, 24, int(sys.argv[3]), 0)
		record[40:48] = xxhash64(bytes(record))
		os.pwrite(disk, record, 32768)
		os.fsync(disk)
	END
	init tree "$disk"
	assert_status 0
	assert_json '.reset.from == "erase-record" and .reset.reached == "discard"'
	assert_reset tree "$disk"
}

strictly_blank_is_blank_with_a_record_in_it() {
	_system
	only_var tree subvol=var,x-init-storage.blank=zero
	request "$disk"
	run_reset --device="$disk" --now
	init tree "$disk"
	assert_status 0
	assert_json '.state == "blank" and .reset.from == "erase-record"'
	assert_reset tree "$disk"
}
