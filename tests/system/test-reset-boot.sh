# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# What the next boot makes of a request that lies in the file system.

_system() {
	make_tree tree
	make_device disk 192M
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
		"$good$(printf ' %.0s' {1..1000})" "0x$(printf '%s' "$good" | od -An -v -tx1 | tr -d ' \n')00"; do
		echo "--- ${text:0:60}"
		store_request "$disk" "$text"
		_ignored 'no valid request'
	done
}

# _cannot_look CALL ERROR MESSAGE: it may be there, so nothing is done as if it were not.
_cannot_look() {
	echo "--- $1 fails with $2"
	remember_device "$disk"
	WRAPPER=(strace -f -o /dev/null -e "trace=$1" -e "inject=$1:error=$2:when=1")
	init tree "$disk"
	WRAPPER=()
	assert_status 1
	assert_message "$3"
	assert_no_message 'no valid request|nothing to do'
	assert_device_unchanged "$disk"
}

a_request_that_cannot_be_read_is_neither_ignored_nor_forgotten() {
	_system
	request "$disk"
	_cannot_look fgetxattr EIO 'asked for a reset: input/output error'
	_cannot_look fgetxattr ENOMEM 'asked for a reset: cannot allocate memory'
	_cannot_look mount ENOMEM 'does not mount: cannot allocate memory'
	_cannot_look umount2 EBUSY 'does not mount: .*busy'
	_cannot_look unshare ENOSPC 'does not mount: no space'
	init tree "$disk"
	assert_status 0
	assert_reset tree "$disk"
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

a_request_on_several_devices_is_ignored() {
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
