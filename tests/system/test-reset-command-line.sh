# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# systemd.factory_reset= on the kernel command line. The program runs without options here,
# with the test's tree as its root file system, and a command line of the test's.

# shellcheck source=/dev/null # _appliance, _mount_root, _boot
. "$HERE/test-tags.sh"

_command_line() {
	printf '%s\n' "$1" >cmdline
	mountpoint -q /proc/cmdline || mount --bind cmdline /proc/cmdline
}

# An appliance that has lived, started with these words.
_system() {
	_appliance
	_mount_root
	make_gpt_device disk 256M "$label"
	_command_line 'quiet'
	in_use "${disk}p1"
	_command_line "$1"
	lose_run
}

_assert_reset_from_command_line() {
	assert_status 0
	assert_json '.state == "reset-requested" and .action == "formatted" and .reset.from == "command-line"'
	assert_json ".reset.fsid == \"$OLD_FSID\" and (.reset.by | test(\"command line\"))"
	assert_reset tree "${disk}p1"
}

_assert_not_reset() {
	[[ $(fsid_of "${disk}p1") == "$OLD_FSID" ]] || fail "it was reset"
	assert_old "${disk}p1"
}

the_command_line_resets_once_a_boot() {
	_system 'root=/dev/vda systemd.factory_reset=1 quiet'
	_boot
	_assert_reset_from_command_line
	[[ -e /run/aimee-os/reset-done ]] || fail "it was not noted"
	leave_traces "${disk}p1"
	_boot
	assert_status 0
	assert_json '.reset == null'
	_assert_not_reset
	lose_run
	_boot
	_assert_reset_from_command_line
}

every_word_for_yes_resets() {
	local word
	_system quiet
	for word in yes true 1; do
		lose_run
		leave_traces "${disk}p1"
		_command_line "systemd.factory_reset=0 systemd.factory_reset=$word"
		_boot
		_assert_reset_from_command_line
	done
}

every_other_word_does_not() {
	local words
	_system quiet
	for words in systemd.factory_reset systemd.factory_reset= systemd.factory_reset=0 systemd.factory_reset=no \
		systemd.factory_reset=10 systemd.factory_reset=yesterday xsystemd.factory_reset=1 \
		systemd.factory_reset_=1 'systemd.factory_reset=1 systemd.factory_reset=0' factory_reset=1; do
		lose_run
		_command_line "$words"
		_boot
		assert_status 0
		assert_json '.reset == null'
		assert_absent /run/aimee-os/reset-done
	done
	_assert_not_reset
}

with_options_the_command_line_does_not_count() {
	local option
	_system systemd.factory_reset=1
	for option in --dry-run --fstab=/etc/fstab "--device=${disk}p1" --root=/; do
		_boot "$option"
		assert_status 0
		assert_absent /run/aimee-os/reset-done
		_assert_not_reset
	done
}

a_damaged_file_system_is_reset() {
	_system systemd.factory_reset=yes
	superblock "${disk}p1" flip 300
	_boot
	assert_status 0
	assert_json '.reset.from == "command-line"'
	assert_complete tree "${disk}p1"
}

what_is_foreign_is_never_reset() {
	_system systemd.factory_reset=1
	mkfs.ext4 -q -F "${disk}p1"
	remember_device "$disk"
	_boot
	assert_status 3
	assert_message ext4
	assert_device_unchanged "$disk"
}

an_ambivalent_device_is_never_reset() {
	_system systemd.factory_reset=1
	"$HERE/leftovers" ext4 "${disk}p1"
	remember_device "$disk"
	_boot
	# Without udev it is not even found by its label.
	[[ $STATUS == 1 || $STATUS == 3 ]] || fail "it went on"
	assert_device_unchanged "$disk"
}

several_devices_are_never_reset() {
	_system systemd.factory_reset=1
	make_device second 256M
	make_btrfs --force "${disk}p1" "$second"
	OLD_FSID=$(fsid_of "${disk}p1")
	_boot
	assert_json '.reset == null'
	[[ $(fsid_of "${disk}p1") == "$OLD_FSID" ]]
}

a_boot_that_cannot_be_marked_does_not_reset() {
	_system systemd.factory_reset=1
	mkdir -p /run/aimee-os
	mount -t tmpfs -o ro tmpfs /run/aimee-os
	_boot
	assert_status 1
	assert_message 'not reset'
	umount /run/aimee-os
	_assert_not_reset
}

a_boot_is_marked_before_anything_is_wiped() {
	_system systemd.factory_reset=1
	replace_mkfs <<-END
		#!/bin/sh
		exit 1
	END
	cp mkfs.script mkfs.failing
	WRAPPER=(strace -f -o calls -e "trace=renameat,pwrite64" "${PYTHON[@]}" "$HERE/in-root" "$PWD/root")
	run_program
	WRAPPER=()
	# One process, not a pipe: a writer that is left by its reader would count as a failure.
	[[ $(grep -m 1 'reset-done\|pwrite64' calls) == *reset-done* ]] || fail "something was written before: $(head -n 3 calls)"
	restore_mkfs
}

while_it_is_mounted_the_command_line_does_not_count() {
	_system systemd.factory_reset=1
	mkdir elsewhere
	mount "${disk}p1" elsewhere
	_boot
	assert_status 0
	assert_message 'in use'
	assert_json '.reset == null'
	umount elsewhere
	_assert_not_reset
}

a_stored_request_goes_before_the_command_line() {
	_system systemd.factory_reset=1
	request "${disk}p1" --erase=zero
	lose_run
	_boot
	assert_status 0
	assert_json '.reset.from == "request" and .reset.reached == "zero"'
	assert_reset tree "${disk}p1"
}
