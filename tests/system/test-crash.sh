# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Killed at a system call: the next boot ends as an undisturbed first one would have.
#
# strace kills the process as it enters the call, so that "at the next call" is "after this
# one". mkfs.btrfs, a child, is killed as well when it makes that call.

CALLS="mkdirat renameat2 ioctl syncfs fsync mount umount2 unlinkat execve flock unshare"
COPY_CALLS="fsetxattr setxattr lsetxattr write pwrite64 copy_file_range ftruncate fchown fchownat
	fchmod fchmodat utimensat symlinkat linkat mknodat openat"

# A tree with little in it, for there are many runs to make.
_little_tree() {
	make_tree tree
	rm tree/var/lib/app/data
	mkfifo tree/var/lib/app/fifo
	setfattr -n trusted.mine -v 1 tree/var/lib/app/state/file
	chmod 4755 tree/var/lib/app/state/file
	truncate -s 10000 tree/var/lib/app/hole
	touch -d 2023-01-01 tree/var/lib/app/{hole,fifo} tree/var/lib/app
}

_blank_before() {
	_little_tree
	truncate -s 128M before.img
}

# A device of an earlier image, an interrupted run, and an image that asks for more.
_later_image_before() {
	_little_tree
	cp tree/etc/fstab fstab
	only_var tree subvol=var,x-init-storage.subvol=tmp
	: >tree/usr/lib/aimee-os/writable-etc
	truncate -s 128M before.img
	attach_device disk before.img
	first_run tree "$disk"
	change_top "$disk"
	mkdir -m 0700 top/.init-storage
	btrfs subvolume create top/.init-storage/home >/dev/null
	btrfs subvolume create top/.init-storage/home/nested >/dev/null
	: >top/.init-storage/home/nested/file
	mkdir top/.init-storage/directory top/var/lib/aimee-os/etc/shadow
	# Left for the next run to make again.
	btrfs subvolume delete top/var/tmp >/dev/null
	unmount_top
	detach_device "$disk"
	mv fstab tree/etc/fstab
	echo 'f shadow' >tree/usr/lib/aimee-os/writable-etc
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs subvol=var,x-init-storage.subvol=tmp 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	SUBVOLUMES="home var var/lib/aimee-os/etc var/tmp"
	VAR_OPTIONS=(--ignore mtime:)
}

# A new inode for each run: nothing the kernel remembers of the last one can help.
_fresh_disk() {
	rm -f disk.img
	cp --sparse=always before.img disk.img
	attach_device disk disk.img
}

_count() {
	local names="$*"
	_fresh_disk
	strace -f -o calls -e trace="${names// /,}" "$INIT_STORAGE" --root=tree --device="$disk" >stdout 2>stderr
	detach_device "$disk"
}

# _kill_at CALL NUMBER
_kill_at() {
	_fresh_disk
	{ strace -f -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" \
		"$INIT_STORAGE" --root=tree --device="$disk"; } >stdout 2>stderr || :
	wait_until 10 is_gone init-storage
	first_run tree "$disk"
	assert_complete tree "$disk"
	remember_device "$disk"
	run_program --root=tree --device="$disk"
	assert_device_unchanged "$disk"
	detach_device "$disk"
}

# _kill_at_each BEFORE MOST CALL...: at each of the calls, at no more than MOST a name,
# spread over the run.
_kill_at_each() {
	local before=$1 most=$2 call count number
	shift 2
	"$before"
	_count "$@"
	while read -r call count; do
		for ((number = 1; number <= count; number += (count + most - 1) / most)); do
			echo "--- killed at $call, number $number of $count"
			_kill_at "$call" "$number"
		done
	done < <(count_calls calls)
}

_list() {
	# shellcheck disable=SC2086 # a list
	echo $1
}

# One of each, for the quick run.
a_first_run_killed_in_each_phase_is_made_up_for() {
	_kill_at_each _blank_before 1 execve mount syncfs renameat2 unlinkat umount2
}

a_later_run_killed_in_each_phase_is_made_up_for() {
	_kill_at_each _later_image_before 1 mount syncfs renameat2 unlinkat
}

# slow
# limit: 300
a_first_run_killed_at_each_call_that_names_things_is_made_up_for() {
	# shellcheck disable=SC2046 # a list
	_kill_at_each _blank_before 20 $(_list "$CALLS")
}

# slow
# limit: 300
a_first_run_killed_at_calls_of_the_copy_is_made_up_for() {
	# shellcheck disable=SC2046 # a list
	_kill_at_each _blank_before 3 $(_list "$COPY_CALLS")
}

# slow
# limit: 300
a_later_run_killed_at_each_call_that_names_things_is_made_up_for() {
	# shellcheck disable=SC2046 # a list
	_kill_at_each _later_image_before 20 $(_list "$CALLS")
}

# slow
# limit: 120
a_run_with_a_default_subvolume_killed_at_each_call_is_made_up_for() {
	_kill_at_each _default_before 8 renameat2 ioctl syncfs unlinkat
}

_default_before() {
	_blank_before
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs defaults 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	SUBVOLUMES="@default @default/lib/aimee-os/etc @default/log @default/tmp home"
	VAR=@default
}

# slow
# limit: 120
# Wiped, half wiped, or not yet: blank in the end, and never half an old file system.
a_run_that_wipes_killed_at_each_write_is_made_up_for() {
	_kill_at_each _wipefsd_before 12 pwrite64 write fsync fdatasync ioctl
}

_wipefsd_before() {
	_blank_before
	attach_device disk before.img
	make_btrfs "$disk"
	change_top "$disk"
	mkdir top/old
	unmount_top
	superblock "$disk" zero-magic
	detach_device "$disk"
}

# --- one failing call: an error, and nothing half ----------------------------------------------

# slow
# limit: 300
# A call that fails once is an error with a message, or did not matter; what the run leaves is
# completed by the next in any case.
each_failing_call_is_reported_or_does_not_matter() {
	local call count number status
	_blank_before
	_count mkdirat renameat2 syncfs fsetxattr symlinkat linkat mknodat fchown utimensat unlinkat mount umount2 unshare flock
	while read -r call count; do
		for ((number = 1; number <= count; number += (count + 3) / 4)); do
			echo "--- $call, number $number of $count, fails"
			_fresh_disk
			WRAPPER=(strace -f -o /dev/null -e "trace=$call" -e "inject=$call:error=EIO:when=$number")
			init tree "$disk"
			WRAPPER=()
			status=${STATUS:?}
			if [[ $status == 0 ]]; then
				mount_top "$disk"
				compare --extra lib/aimee-os tree/var top/var
				compare tree/home top/home
				compare tree/etc/shadow top/var/lib/aimee-os/etc/shadow
				unmount_top
			fi
			first_run tree "$disk"
			assert_complete tree "$disk"
			detach_device "$disk"
		done
	done < <(count_calls calls)
}
