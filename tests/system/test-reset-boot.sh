# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# What the next boot makes of a request: in the file system, in an erase record.

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

# --- a request in the file system ------------------------------------------------------------

a_request_is_honoured_at_the_next_boot_and_once() {
	local by time
	_system
	request "$disk"
	by=$(jq .by "$REQUEST_FLAG") time=$(jq .time "$REQUEST_FLAG")
	lose_run
	init tree "$disk"
	assert_status 0
	assert_message 'a reset was asked for, by .*uid 0'
	assert_json '.state == "reset-requested" and .action == "formatted" and .error == null'
	assert_json ".reset == {from: \"request\", fsid: \"$OLD_FSID\", by: $by, time: $time, erase: \"signature\", reached: \"signature\"}"
	assert_json ".fsid != \"$OLD_FSID\""
	assert_reset tree "$disk"
	_last_reset
	assert_nothing_to_do tree "$disk"
	assert_json '.reset == null'
}

# Equal to a first one, but for what tells of the reset.
the_new_file_system_equals_a_first_one() {
	_system
	make_device first 192M
	first_run tree "$first"
	request "$disk" --erase=zero
	run_reset --device="$disk" --now
	init tree "$disk"
	assert_status 0
	mkdir one other
	mount -o ro,subvolid=5 "$first" one
	mount -o ro,subvolid=5 "$disk" other
	compare --extra var/lib/aimee-os/last-reset.json --ignore mtime: --ignore mtime:var/lib/aimee-os --ignore mtime:var/lib/aimee-os/etc one other
	[[ $(list_subvolumes one) == "$(list_subvolumes other)" ]] || fail "other subvolumes"
	umount one other
}

a_dry_run_tells_of_the_reset_and_changes_nothing() {
	_system
	request "$disk"
	lose_run
	remember_device "$disk"
	init tree "$disk" --dry-run --json
	assert_status 0
	assert_device_unchanged "$disk"
	assert_json '.state == "reset-requested" and .action == "formatted" and .reset.from == "request"' stdout
	assert_message 'would be wiped and formatted'
	assert_absent /run/aimee-os
	init tree "$disk"
	assert_reset tree "$disk"
}

a_request_is_honoured_with_each_kind_of_erase() {
	local erase
	for erase in discard zero; do
		_system
		request "$disk" --erase="$erase"
		lose_run
		init tree "$disk"
		assert_status 0
		assert_json ".reset.erase == \"$erase\" and .reset.reached == \"$erase\""
		assert_reset tree "$disk"
		_last_reset
		! grep -aq 'the-old-life' disk.img || fail "old data is there"
		detach_device "$disk"
		rm -r disk.img tree
	done
}

# _ignored MESSAGE: whatever is stored, nothing is wiped, and the boot goes on.
_ignored() {
	init tree "$disk"
	assert_status 0
	assert_message "$1"
	assert_message 'ignored'
	assert_json '.state == "btrfs" and .action == "nothing" and .reset == null'
	assert_old "$disk"
	run_reset --device="$disk" --cancel
	assert_status 0
	init tree "$disk"
	assert_no_message 'ignored'
}

a_request_that_was_copied_to_another_file_system_is_ignored() {
	local other=12345678-9abc-4def-8123-456789abcdef
	_system
	store_request "$disk" "$(request_text "$other")"
	remember_device "$disk"
	init tree "$disk"
	assert_device_unchanged "$disk"
	_ignored "$other"
}

a_malformed_request_is_ignored() {
	local text good
	_system
	good=$(request_text "$OLD_FSID")
	for text in x '{}' '[]' "$good." "${good%\}}" "$good$good" "${good/\"version\":1/\"version\":2}" \
		"${good/signature/shred}" "${good/\"by\"/\"who\"}" "${good/:/: }" "${good/\"uid 0\"/0}" \
		"${good/uid 0/uid \\u0030}" "${good/$OLD_FSID/}" "${good/$OLD_FSID/*}" \
		"$good$(printf ' %.0s' {1..1000})" "0x$(printf '%s' "$good" | xxd -p | tr -d '\n')00"; do
		echo "--- ${text:0:60}"
		store_request "$disk" "$text"
		_ignored 'no valid request'
	done
}

a_request_as_the_manual_has_it_is_honoured() {
	_system
	store_request "$disk" "$(request_text "$OLD_FSID" zero)"
	init tree "$disk"
	assert_status 0
	assert_json '.reset.time == "2024-05-06T07:08:09Z" and .reset.erase == "zero"'
	assert_reset tree "$disk"
}

while_it_is_mounted_elsewhere_nothing_is_reset() {
	local other
	_system
	request "$disk"
	mkfifo ready
	mkdir var
	unshare --mount --propagation private bash -c "mount $disk var; echo >ready; exec sleep 60" &
	other=$!
	read -r _ <ready
	init tree "$disk"
	assert_status 0
	assert_message 'in use'
	assert_json '.reset == null'
	kill "$other"
	wait "$other" || :
	assert_old "$disk"
	init tree "$disk"
	assert_json '.reset.from == "request"'
	assert_reset tree "$disk"
}

several_devices_are_not_reset_at_boot() {
	make_tree tree
	make_device disk 192M
	make_device second 192M
	make_btrfs "$disk" "$second"
	in_use "$disk"
	store_request "$disk" "$(request_text "$OLD_FSID")"
	init tree "$disk"
	assert_status 0
	assert_message 'several devices'
	[[ $(fsid_of "$disk") == "$OLD_FSID" ]]
	superblock "$disk" whole
	superblock "$second" whole
}

a_request_on_a_read_only_device_is_a_failure_and_not_forgotten() {
	_system
	request "$disk"
	detach_device "$disk"
	attach_device disk disk.img --read-only
	remember_device "$disk"
	init tree "$disk"
	assert_status 1
	assert_message 'read-only'
	assert_device_unchanged "$disk"
	detach_device "$disk"
	attach_device disk disk.img
	init tree "$disk"
	assert_reset tree "$disk"
}

two_boots_at_once_reset_once() {
	local one
	_system
	request "$disk"
	"$INIT_STORAGE" --root=tree --device="$disk" 2>other &
	one=$!
	init tree "$disk"
	wait "$one" || fail "one failed: $(<other)"
	assert_status 0
	[[ $(cat stderr other | grep -c 'formatted, file system') == 1 ]] || fail "it was not formatted once"
	assert_reset tree "$disk"
}

# --- an erase record -----------------------------------------------------------------------------

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
