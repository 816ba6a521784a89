# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Options, and --dry-run.

# _is_wrong ARGUMENT...: a usage error, whatever else is right.
_is_wrong() {
	remember_device "$disk"
	run_program "$@"
	assert_status 2
	assert_device_unchanged "$disk"
	assert_absent /run/aimee-os
}

wrong_command_lines_are_usage_errors() {
	local right
	make_tree tree
	make_device disk 192M
	right=(--root=tree --device="$disk")
	_is_wrong "${right[@]}" --no-such-option
	_is_wrong "${right[@]}" -x
	_is_wrong "${right[@]}" argument
	_is_wrong "${right[@]}" ''
	_is_wrong "${right[@]}" --progress=sometimes
	_is_wrong "${right[@]}" --progress=
	_is_wrong "${right[@]}" --json=yes
	_is_wrong "${right[@]}" --dry-run=yes
	_is_wrong --root=tree --device
	_is_wrong --device="$disk" --root
	_is_wrong "${right[@]}" --fstab
	_is_wrong --root=tree --device=
	_is_wrong --root= --device="$disk"
}

another_root_needs_a_device() {
	make_tree tree
	make_device disk 192M
	_is_wrong --root=tree
	assert_message '\-\-device'
	_is_wrong --root="$PWD/tree" --dry-run
}

options_may_be_given_in_either_form() {
	make_tree tree
	make_device disk 192M
	run_program --root tree --device "$disk" --fstab tree/etc/fstab --progress never
	assert_status 0
	assert_complete tree "$disk"
}

a_root_that_is_not_there_is_a_failure() {
	make_device disk 192M
	remember_device "$disk"
	init nowhere "$disk"
	assert_status 1
	assert_message 'nowhere'
	assert_device_unchanged "$disk"
}

a_root_that_is_a_file_is_a_failure() {
	make_device disk 192M
	: >file
	init file "$disk"
	assert_status 1
	assert_message 'file'
}

who_is_not_root_gets_a_failure() {
	make_tree tree
	make_device disk 192M
	WRAPPER=(setpriv --reuid 65534 --clear-groups)
	chmod 711 .
	cp "$INIT_STORAGE" init-storage
	INIT_STORAGE=$PWD/init-storage init tree "$disk"
	assert_status 1
	assert_message 'permission|permitted|root'
}

# Before the work is done, a reader of messages may go away and a disk become full.
messages_that_cannot_be_written_do_not_stop_it() {
	make_tree tree
	make_device disk 192M
	STATUS=0
	"$INIT_STORAGE" --root=tree --device="$disk" --progress=always 2> >(exec true) || STATUS=$?
	wait
	assert_status 0
	assert_complete tree "$disk"
	detach_device "$disk"
	rm disk.img
	make_device disk 192M
	"$INIT_STORAGE" --root=tree --device="$disk" --progress=always 2>/dev/full || STATUS=$?
	assert_status 0
	assert_complete tree "$disk"
}

the_program_needs_no_library() {
	! ldd "$INIT_STORAGE" 2>&1 | grep '=>' || fail "it is linked dynamically"
	[[ $(readelf -l "$INIT_STORAGE") != *INTERP* ]] || fail "it has an interpreter"
}

# --- dry runs ---------------------------------------------------------------------------------

# _dry_run STATUS: nothing is written anywhere.
_dry_run() {
	local run_before
	remember_device "$disk"
	rm -rf /run/aimee-os
	run_before=$(find /run -printf '%p %s %T@\n')
	init tree "$disk" --dry-run
	assert_status "$1"
	assert_device_unchanged "$disk"
	[[ $(find /run -printf '%p %s %T@\n') == "$run_before" ]] || fail "below /run: $(find /run)"
	[[ $(find tree -newer dry-run-begins) == '' ]] || fail "the tree was changed"
}

_begin() {
	make_tree tree
	make_device disk 192M
	touch dry-run-begins
}

a_dry_run_on_a_blank_device_writes_nothing() {
	_begin
	_dry_run 0
	init tree "$disk" --dry-run --json
	assert_status 0
	assert_json '.state == "blank" and .error == null' stdout
	assert_json '.version == 1 and (.subvolumes | type) == "array"' stdout
	first_run tree "$disk"
}

a_dry_run_on_an_incomplete_device_writes_nothing() {
	_begin
	make_btrfs "$disk"
	change_top "$disk"
	mkdir top/.init-storage
	unmount_top
	_dry_run 0
}

a_dry_run_on_a_complete_device_writes_nothing() {
	_begin
	first_run tree "$disk"
	_dry_run 0
}

a_dry_run_on_a_wipefsd_device_writes_nothing() {
	_begin
	make_btrfs "$disk"
	superblock "$disk" zero-magic
	_dry_run 0
}

a_dry_run_refuses_as_a_run_would() {
	_begin
	mkfs.ext4 -q "$disk"
	_dry_run 3
}

a_dry_run_fails_as_a_run_would() {
	_begin
	mv tree/etc/fstab .
	touch dry-run-begins
	_dry_run 1
	mv fstab tree/etc/fstab
	echo 'torn' >>tree/etc/fstab
	touch dry-run-begins
	_dry_run 1
}

# Mounting a file system that was not unmounted writes its log back, read-only or not.
a_dry_run_does_not_replay_a_log() {
	_begin
	first_run tree "$disk"
	change_top "$disk"
	sync -f top
	echo 'synced' >top/file
	sync top/file
	cp --sparse=always disk.img crashed.img
	unmount_top
	detach_device "$disk"
	attach_device disk crashed.img
	btrfs inspect-internal dump-super "$disk" | grep '^log_root[[:space:]]*[1-9]' || fail "the fixture has no log"
	_dry_run 0
}

a_dry_run_leaves_the_device_free() {
	_begin
	_dry_run 0
	"${PYTHON[@]}" -c 'import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)' "$disk"
}
