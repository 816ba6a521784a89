# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# Looking at a request, taking it back, the command line of factory-reset.

_file_system() {
	make_device disk 128M
	make_btrfs "$disk"
	leave_traces "$disk"
}

# _assert_status FILTER: of --status --json, which changes nothing.
_assert_status() {
	remember_device "$disk"
	run_reset --device="$disk" --status --json
	assert_status 0
	[[ $(jq -s length stdout) == 1 ]] || fail "it is not one JSON object"
	[[ $(jq -c 'keys' stdout) == '["armed","by","device","erase","fsid","next_boot","persistent","shutdown","time","version"]' ]] || fail "its keys are $(jq -c keys stdout)"
	jq -e "$1" stdout >/dev/null || fail "the status does not fulfil $1: $(<stdout)"
	run_reset --device="$disk" --status
	assert_status 0
	assert_device_unchanged "$disk"
}

# --- status ----------------------------------------------------------------------------------

no_request_is_shown_as_none() {
	_file_system
	_assert_status ".armed == false and .shutdown == false and .persistent == false and .device == \"$disk\"
		and .fsid == null and .by == null and .time == null and .erase == null and .next_boot == \"nothing\""
	grep -q '^armed: *no$' stdout
	grep -q '^next boot: nothing$' stdout
	assert_absent /run/aimee-os
}

an_armed_request_is_shown_with_who_and_when() {
	_file_system
	request "$disk" --erase=discard
	_assert_status ".armed and .shutdown and .persistent and .fsid == \"$OLD_FSID\" and .erase == \"discard\"
		and (.by | test(\"uid 0\")) and (.time | fromdateiso8601 > 0) and .next_boot == \"reset\""
	grep -q '^armed: *yes, by .*uid 0' stdout
	grep -q "$OLD_FSID" stdout
}

a_request_of_an_earlier_boot_is_shown() {
	_file_system
	request "$disk"
	lose_run
	_assert_status '.armed and (.shutdown | not) and .persistent and .next_boot == "reset"'
}

a_request_that_lies_in_run_only_is_shown_as_such() {
	_file_system
	superblock "$disk" flip 200
	request "$disk"
	_assert_status '.armed and .shutdown and (.persistent | not)'
	grep -q 'survives a power cut: no' stdout
}

# Its trees are gone, its superblocks are not.
_file_system_that_does_not_mount() {
	local place
	_file_system
	while read -r place; do
		garbage 5M | put "$disk" "$place"
	done < <(btrfs inspect-internal dump-tree -t chunk "$disk" |
		awk '/length .* type/ { wanted = /METADATA/ } /stripe .* offset/ && wanted { print $NF }')
	blockdev --flushbufs "$disk"
	mkdir -p var
	! mount -t btrfs "$disk" var 2>/dev/null || fail "it still mounts"
}

the_status_of_a_file_system_that_does_not_mount_is_that_of_the_shutdown() {
	_file_system_that_does_not_mount
	request "$disk"
	run_reset --device="$disk" --status --json
	assert_status 1
	assert_message 'does not mount'
	assert_json '.armed and .shutdown and (.persistent | not)' stdout
}

# _fails_at CALL ERROR FILE COMMAND MESSAGE: the first one, on that file if it is given.
_fails_at() {
	echo "--- $1 fails with $2, $4"
	WRAPPER=(strace -f -o /dev/null ${3:+-P "$3"} -e "trace=$1" -e "inject=$1:error=$2:when=1")
	run_reset --device="$disk" "$4"
	WRAPPER=()
	assert_status 1
	assert_message "$5"
}

what_cannot_be_looked_at_is_not_said_to_be_nothing() {
	_file_system
	request "$disk"
	_fails_at fgetxattr EIO '' --status 'stored in it.*input/output error'
	_fails_at mount ENOMEM '' --status 'does not mount: cannot allocate memory'
	_fails_at pread64 EIO "$disk" --status "$disk"
	_fails_at read EIO "$REQUEST_FLAG" --status 'factory-reset.json: .*input/output error'
	_assert_status '.armed and .shutdown and .persistent'
}

a_request_on_a_device_that_cannot_be_read_is_not_said_to_be_cancelled() {
	_file_system
	request "$disk"
	_fails_at pread64 EIO "$disk" --cancel 'cannot take the request off'
	assert_no_message 'is cancelled|no reset was requested'
	run_reset --device="$disk" --cancel
	assert_status 0
	[[ ! $(stored_request "$disk") ]] || fail "it is still stored"
}

a_request_for_a_file_system_that_does_not_mount_is_taken_back() {
	_file_system_that_does_not_mount
	request "$disk"
	run_reset --device="$disk" --cancel
	assert_not_armed
	assert_message 'cancelled|cannot take the request off'
}

a_flag_for_another_file_system_is_not_shown_as_armed() {
	_file_system
	mkdir /run/aimee-os
	request_text 12345678-9abc-4def-8123-456789abcdef >"$REQUEST_FLAG"
	_assert_status '(.armed | not) and (.shutdown | not)'
}

a_request_for_another_file_system_is_not_shown_as_armed() {
	_file_system
	store_request "$disk" "$(request_text 12345678-9abc-4def-8123-456789abcdef)"
	_assert_status '.next_boot == "ignore" and (.armed | not)'
}

garbage_is_shown_as_no_request() {
	_file_system
	store_request "$disk" '{"version":1}'
	_assert_status '.next_boot == "ignore" and (.armed | not) and .fsid == null'
	grep -q 'no valid request' stdout
}

a_blank_device_is_shown_as_one() {
	make_device disk 128M
	_assert_status '(.armed | not) and .next_boot == "initialize"'
}

the_status_is_seen_while_the_file_system_is_in_use() {
	_file_system
	mkdir var
	mount "$disk" var
	request "$disk"
	run_reset --device="$disk" --status --json
	assert_status 0
	jq -e '.armed and .persistent' stdout >/dev/null
	: >var/still-writable
	umount var
}

# A log that has not been replayed: looking must not replay it.
the_status_of_a_file_system_that_lost_power_leaves_its_log_alone() {
	_file_system
	mkdir var
	mount -o commit=300 "$disk" var
	echo synced >var/synced
	sync var/synced
	cp --sparse=always disk.img copy.img
	umount var
	detach_device "$disk"
	rm disk.img
	attach_device disk copy.img
	btrfs inspect-internal dump-super "$disk" | grep -q '^log_root[[:space:]]*[1-9]' || fail "there is no log"
	_assert_status '.armed | not'
	mount_top "$disk"
	assert_content top/synced synced
	unmount_top
}

# --- taking it back ---------------------------------------------------------------------------

a_request_is_taken_back_from_both_places() {
	make_tree tree
	make_device disk 192M
	in_use "$disk"
	request "$disk"
	run_reset --device="$disk" --cancel
	assert_status 0
	assert_message 'cancelled'
	assert_not_armed
	[[ ! $(stored_request "$disk") ]] || fail "it is still stored"
	init tree "$disk"
	assert_status 0
	assert_json '.action == "nothing" and .reset == null'
	assert_old "$disk"
}

a_request_is_taken_back_after_a_boot_and_while_in_use() {
	_file_system
	request "$disk"
	lose_run
	mkdir var
	mount "$disk" var
	run_reset --device="$disk" --cancel
	assert_status 0
	umount var
	[[ ! $(stored_request "$disk") ]] || fail "it is still stored"
}

garbage_is_taken_back_too() {
	_file_system
	store_request "$disk" garbage
	mkdir /run/aimee-os
	echo garbage >"$REQUEST_FLAG"
	run_reset --device="$disk" --cancel
	assert_status 0
	assert_not_armed
	[[ ! $(stored_request "$disk") ]]
}

taking_back_nothing_says_so() {
	_file_system
	run_reset --device="$disk" --cancel
	assert_status 0
	assert_message 'no reset was requested'
	assert_old "$disk"
}

what_cannot_be_taken_back_is_said() {
	_file_system
	request "$disk"
	detach_device "$disk"
	attach_device disk disk.img --read-only
	run_reset --device="$disk" --cancel
	assert_status 1
	assert_message 'may still'
	[[ $(stored_request "$disk") ]]
}

a_shutdown_that_stays_armed_is_not_said_to_be_cancelled() {
	_file_system
	request "$disk"
	_fails_at unlinkat EROFS '' --cancel 'cannot remove: read-only.*the shutdown may still'
	assert_no_message 'is cancelled|no reset was requested'
	assert_armed
}

# --- the command line --------------------------------------------------------------------------

# _assert_wrong MESSAGE ARGUMENT...
_assert_wrong() {
	run_reset "${@:2}"
	assert_status 2
	assert_message "$1"
}

wrong_command_lines_are_told_and_do_nothing() {
	_file_system
	remember_device "$disk"
	_assert_wrong 'erase' --device="$disk" --yes --erase=everything
	_assert_wrong 'erase' --device="$disk" --yes --erase=
	_assert_wrong 'erase' --device="$disk" --cancel --erase=zero
	_assert_wrong 'erase' --device="$disk" --status --erase=zero
	_assert_wrong 'only one' --device="$disk" --cancel --status
	_assert_wrong 'only one' --device="$disk" --now --cancel
	_assert_wrong 'only one' --device="$disk" --yes --reboot --poweroff
	_assert_wrong 'json' --device="$disk" --yes --json
	_assert_wrong 'request' --device="$disk" --now --yes --reboot
	_assert_wrong 'empty' --device= --yes
	_assert_wrong 'missing' --yes --device
	_assert_wrong 'unexpected' --device="$disk" --yes more
	_assert_wrong 'unknown' --device="$disk" --yes --no-such
	assert_device_unchanged "$disk"
	assert_not_armed
}

what_is_no_btrfs_is_not_reset() {
	make_device disk 128M
	run_reset --device="$disk" --yes
	assert_status 1
	assert_message 'blank'
	mkfs.ext4 -q "$disk"
	remember_device "$disk"
	run_reset --device="$disk" --yes
	assert_status 3
	assert_message 'ext4'
	assert_device_unchanged "$disk"
	assert_not_armed
	run_reset --device="$PWD/disk.img" --yes
	assert_status 1
	run_reset --device=/dev/no-such-device --yes
	assert_status 1
}

several_devices_are_not_reset() {
	make_device disk 192M
	make_device second 192M
	make_btrfs "$disk" "$second"
	remember_device "$disk"
	run_reset --device="$disk" --yes
	assert_status 3
	assert_message 'several devices'
	assert_device_unchanged "$disk"
	assert_not_armed
}

# The system's own, replaced in this test's mount namespace.
_fake_systemctl() {
	cat >systemctl <<-END
		#!/bin/sh
		echo "\$*" >$PWD/called
		cp $REQUEST_FLAG $PWD/flag-then
		exit 0
	END
	chmod +x systemctl
	mount --bind systemctl "$(realpath /bin/systemctl)"
}

reboot_and_poweroff_follow_the_request() {
	_file_system
	_fake_systemctl
	request "$disk" --reboot
	assert_content called "reboot --no-ask-password"
	cmp flag-then "$REQUEST_FLAG" || fail "it was not armed before"
	request "$disk" --poweroff
	assert_content called "poweroff --no-ask-password"
	umount "$(realpath /bin/systemctl)"
}

without_a_request_there_is_no_reboot() {
	_file_system
	_fake_systemctl
	run_reset --device="$disk" --reboot
	assert_status 2
	assert_absent called
	make_device blank 128M
	run_reset --device="$blank" --yes --poweroff
	assert_status 1
	assert_absent called
	umount "$(realpath /bin/systemctl)"
}

# The system's fstab, replaced in this test's mount namespace, names the device.
fstab_says_which_device() {
	_file_system
	echo "$disk /var btrfs subvol=var,compress=zstd 0 0" >fstab
	mount --bind fstab /etc/fstab
	run_reset --yes
	assert_status 0
	assert_armed
	run_reset --status --json
	jq -e ".device == \"$disk\" and .persistent" stdout >/dev/null
	run_reset --cancel
	assert_status 0
	echo '/dev/x /home btrfs subvol=home 0 0' >fstab
	run_reset --yes
	assert_status 1
	assert_message '/var'
	umount /etc/fstab
	# As where there is none.
	mkdir empty-etc
	mount -t tmpfs tmpfs empty-etc
	mount --bind empty-etc /etc
	run_reset --yes
	umount /etc empty-etc
	assert_status 1
	assert_message '/etc/fstab: cannot open: No such file'
	assert_not_armed
}
