# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Devices that are busy, read-only, too small, or no devices.

a_missing_device_is_a_failure_at_once() {
	local start=$SECONDS
	make_tree tree
	init tree /dev/no-such-device
	assert_status 1
	assert_message '/dev/no-such-device'
	((SECONDS - start < 5)) || fail "it waited for the device"
}

a_regular_file_is_no_device() {
	make_tree tree
	truncate -s 192M file
	remember_device file
	init tree "$PWD/file"
	assert_status 1
	assert_message 'not a block device'
	assert_device_unchanged file
}

a_directory_or_a_character_device_is_no_device() {
	make_tree tree
	mkdir directory
	init tree "$PWD/directory"
	assert_status 1
	assert_message 'not a block device'
	init tree /dev/null
	assert_status 1
	assert_message 'not a block device'
}

a_fifo_is_no_device_and_is_not_waited_for() {
	make_tree tree
	mkfifo fifo
	PROGRAM_LIMIT=10 init tree "$PWD/fifo"
	assert_status 1
	assert_message 'not a block device'
}

a_loop_device_without_a_file_is_a_failure() {
	make_tree tree
	make_device disk 192M
	detach_device "$disk"
	init tree "$disk"
	assert_status 1
}

a_device_that_is_too_small_is_a_failure_and_unchanged() {
	local size
	make_tree tree
	for size in 4K 64K 68K 1M 16M 64M 100M; do
		make_device disk "$size"
		assert_fails_unchanged tree "$disk" 'too small|small'
		detach_device "$disk"
		rm disk.img
	done
}

# --- busy -------------------------------------------------------------------------------------

# _hold FILE excl|lock|share [SECONDS]: a process that holds it, until it is killed.
_hold() {
	rm -f held
	"${PYTHON[@]}" - "$@" <<-'END' &
		import fcntl, os, sys, time
		path, how = sys.argv[1:3]
		flags = os.O_RDWR | os.O_EXCL if how == "excl" else os.O_RDONLY
		file = os.open(path, flags)
		if how != "excl":
		    fcntl.flock(file, fcntl.LOCK_EX if how == "lock" else fcntl.LOCK_SH)
		open("held", "w").close()
		time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 1000)
	END
	HOLDER=$!
	wait_until 10 test -e held
}

_release() {
	kill "$HOLDER" 2>/dev/null || :
	wait "$HOLDER" 2>/dev/null || :
}

a_blank_device_in_use_is_a_failure_and_unchanged() {
	make_tree tree
	make_device disk 192M
	_hold "$disk" excl
	assert_fails_unchanged tree "$disk" 'busy|in use'
	init tree "$disk" --dry-run
	assert_status 1
	_release
	assert_formats tree "$disk"
}

a_wipefsd_file_system_in_use_is_a_failure_and_unchanged() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	superblock "$disk" zero-magic
	_hold "$disk" excl
	assert_fails_unchanged tree "$disk" 'busy|in use'
	_release
	assert_formats tree "$disk"
}

# Zeroed while it is mounted: it is not blank as long as somebody works on it.
a_file_system_wiped_while_mounted_is_not_formatted() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	mkdir mounted
	mount "$disk" mounted
	sync -f mounted
	superblock "$disk" zero-magic
	init tree "$disk"
	assert_status 1
	assert_message 'busy|in use|mounted'
	echo 'still works' >mounted/file
	umount mounted
}

a_mounted_file_system_that_is_complete_is_left() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	mkdir mounted
	mount "$disk" mounted
	init tree "$disk"
	assert_status 0
	assert_json '.action == "nothing"'
	echo 'still writable' >mounted/file
	umount mounted
}

a_mounted_file_system_that_lacks_something_is_completed() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	mkdir mounted
	mount "$disk" mounted
	echo 'mine' >mounted/file
	first_run tree "$disk"
	assert_json '.action == "completed"'
	compare tree/home mounted/home
	echo 'still writable' >mounted/file
	umount mounted
	mount_top "$disk"
	assert_usual_subvolumes top
	compare --extra lib/aimee-os tree/var top/var
}

# The first mount decides for the kernel whether the file system is writable.
a_file_system_mounted_read_only_elsewhere_is_completed_or_a_failure() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	mkdir mounted
	mount -o ro "$disk" mounted
	init tree "$disk"
	assert_status 0
	echo 'PARTLABEL=data /srv btrfs subvol=srv 0 0' >>tree/etc/fstab
	init tree "$disk"
	if [[ $STATUS == 0 ]]; then
		assert_is_subvolume mounted/srv
	else
		assert_status 1
	fi
	! touch mounted/file 2>/dev/null || fail "the other mount has become writable"
	umount mounted
}

# --- the BSD lock: systemd.io/BLOCK_DEVICE_LOCKING ---------------------------------------------

_assert_waits_for() {
	local start=${EPOCHREALTIME/./}
	make_tree tree
	_hold "$1" "$2" 2
	first_run tree "$3"
	((${EPOCHREALTIME/./} - start > 1500000)) || fail "it did not wait for the lock"
	_release
	assert_complete tree "$3"
}

a_locked_device_is_waited_for() {
	make_device disk 192M
	_assert_waits_for "$disk" lock "$disk"
}

# As udev holds it while it probes.
a_device_that_is_being_probed_is_waited_for() {
	make_device disk 192M
	_assert_waits_for "$disk" share "$disk"
}

of_a_partition_the_whole_disk_is_locked() {
	make_gpt_device disk 192M data
	_assert_waits_for "$disk" lock "${disk}p1"
}

the_disk_is_locked_while_mkfs_runs() {
	make_tree tree
	make_gpt_device disk 192M data
	replace_mkfs <<-END
		#!/bin/sh
		if flock --nonblock $disk true; then echo free; else echo locked; fi >$PWD/lock
		exec $PWD/mkfs.real "\$@"
	END
	first_run tree "${disk}p1"
	restore_mkfs
	[[ $(<lock) == locked ]] || fail "the disk was not locked while mkfs ran"
}

# Held longer, it would keep udev from announcing the disk's other partitions.
the_lock_ends_when_mkfs_ends() {
	local pid seen=''
	make_tree tree
	make_device disk 192M
	strace -f -o /dev/null -e trace=syncfs -e inject=syncfs:delay_enter=2000000:when=1 \
		"$INIT_STORAGE" --root=tree --device="$disk" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null && [[ ! $seen ]]; do
		[[ $(blkid -p -o value -s TYPE "$disk") == btrfs ]] || continue
		flock --nonblock "$disk" true && kill -0 "$pid" 2>/dev/null && seen=1
		sleep 0.02
	done
	wait "$pid"
	[[ $seen ]] || fail "the disk was locked to the end"
	assert_complete tree "$disk"
}

# --- read-only --------------------------------------------------------------------------------

_make_read_only() {
	detach_device "$disk"
	attach_device disk disk.img --read-only
}

a_blank_read_only_device_is_a_failure() {
	make_tree tree
	make_device disk 192M
	_make_read_only
	assert_fails_unchanged tree "$disk" 'read-only|permission'
	init tree "$disk" --dry-run
	assert_status 1
}

a_complete_read_only_device_is_left() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	_make_read_only
	assert_nothing_to_do tree "$disk"
}

a_read_only_device_that_lacks_something_is_a_failure() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	_make_read_only
	echo 'PARTLABEL=data /srv btrfs subvol=srv 0 0' >>tree/etc/fstab
	assert_fails_unchanged tree "$disk" 'read-only|for writing'
}

a_wipefsd_read_only_device_is_a_failure() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	superblock "$disk" zero-magic
	_make_read_only
	assert_fails_unchanged tree "$disk" 'read-only|permission'
}
