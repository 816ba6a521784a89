# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; make_device sets variables
#
# set-root-password: which shadow file it takes for the live one, and which it refuses.

# shellcheck source=tests/system/lib-password.sh
. "$HERE/lib-password.sh"

_refused() {
	run_password --stdin <<<secret
	assert_fails "$1"
	[[ ! -e /run/passwd-ran ]] || fail "passwd was run"
}

# As appliance, and passwd's running can be seen.
_watched_etc() {
	own_etc
	own_state noatime
	pam "password required pam_exec.so quiet $(printf '#!/bin/sh\n: >/run/passwd-ran\n' | pam_script watch)" 'password required pam_unix.so yescrypt'
}

the_watch_works() {
	_watched_etc
	read_only_etc
	state_file shadow
	set_password secret
	[[ -e /run/passwd-ran ]]
}

an_ordinary_file_on_a_read_only_file_system_is_refused() {
	_watched_etc
	read_only_etc
	_refused 'read-only file system.*writable-etc'
}

a_mount_from_another_file_system_is_refused() {
	_watched_etc
	read_only_etc
	mkdir other
	mount -t tmpfs tmpfs other
	mkdir -p other/aimee-os/etc
	cp -a /etc/shadow other/aimee-os/etc/shadow
	mount --bind other /var/lib
	mount --bind "$STATE/shadow" /etc/shadow
	_refused 'not of a file on btrfs'
	umount /etc/shadow
	umount /var/lib
	umount other
}

a_mount_of_another_file_is_refused() {
	_watched_etc
	read_only_etc
	state_file shadow
	cp -a "$STATE/shadow" "$STATE/another"
	mv "$STATE/another" "$STATE/shadow"
	_refused 'another file than /etc/shadow.*Reboot'
}

a_removed_file_behind_the_mount_is_refused() {
	_watched_etc
	read_only_etc
	state_file shadow
	rm "$STATE/shadow"
	_refused 'cannot open'
}

a_symlink_behind_the_mount_is_refused() {
	_watched_etc
	read_only_etc
	state_file shadow
	mv "$STATE/shadow" "$STATE/moved"
	ln -s moved "$STATE/shadow"
	_refused 'symbolic link'
}

a_state_folder_that_is_a_symlink_is_refused() {
	_watched_etc
	read_only_etc
	state_file shadow
	mv top/var/lib/aimee-os/etc top/var/lib/aimee-os/moved
	ln -s moved top/var/lib/aimee-os/etc
	_refused 'symbolic link'
	rm top/var/lib/aimee-os/etc
	mv top/var/lib/aimee-os/moved top/var/lib/aimee-os/etc
	mv top/var/lib/aimee-os top/var/lib/moved
	ln -s moved top/var/lib/aimee-os
	_refused 'symbolic link'
}

a_shadow_that_is_a_symlink_is_refused() {
	_watched_etc
	mv /etc/shadow /etc/moved
	ln -s moved /etc/shadow
	_refused 'symbolic link'
	rm /etc/shadow
	ln -s /nowhere /etc/shadow
	_refused 'symbolic link'
}

what_is_no_regular_file_is_refused() {
	_watched_etc
	rm /etc/shadow
	mkdir /etc/shadow
	MOUNTS_BEFORE='' SHADOW_BEFORE=''
	STATUS=0
	"$SET_ROOT_PASSWORD" --stdin <<<secret 2>stderr || STATUS=$?
	assert_status 1
	assert_message 'no regular file'
	rmdir /etc/shadow
	mkfifo /etc/shadow
	STATUS=0
	timeout 10 "$SET_ROOT_PASSWORD" --stdin <<<secret 2>stderr || STATUS=$?
	assert_status 1
	assert_message 'no regular file'
	rm /etc/shadow
	STATUS=0
	"$SET_ROOT_PASSWORD" --stdin <<<secret 2>stderr || STATUS=$?
	assert_status 1
	assert_message 'cannot be looked at: No such file'
	assert_absent /run/passwd-ran
}

a_file_without_root_is_refused() {
	_watched_etc
	sed -i /root/d /etc/shadow
	_refused 'no entry for root'
	printf 'root:*:1:0:9:7:::\nroot:*:1:0:9:7:::\n' >>/etc/shadow
	_refused '2 entries for root'
	: >/etc/shadow
	_refused 'no entry for root'
}

a_file_that_is_too_large_is_refused() {
	_watched_etc
	truncate -s $((16 * 1024 * 1024 + 1)) /etc/shadow
	_refused 'larger than 16 MiB'
}

a_read_only_data_device_is_told_before_anybody_types() {
	_watched_etc
	read_only_etc
	state_file shadow
	mount -o remount,ro "$PWD/top"
	_refused 'cannot open for writing: Read-only'
}

an_immutable_file_is_told_before_anybody_types() {
	_watched_etc
	read_only_etc
	state_file shadow
	chattr +i "$STATE/shadow"
	_refused 'cannot open for writing: Operation not permitted'
	chattr -i "$STATE/shadow"
}

# Metadata has reserves that data has not.
on_a_full_device_the_old_password_stays_or_the_new_one_comes() {
	appliance
	set_password before
	cat /dev/zero >top/fill 2>/dev/null || :
	sync -f top
	run_password --stdin <<<after
	if [[ $STATUS == 0 ]]; then
		assert_password after
	else
		assert_fails 'cannot be written: No space left'
		assert_password before
	fi
	rm top/fill
	sync -f top
	set_password later
	assert_password later
}

# The answer to the question for extents is left out: there is not one then.
a_device_without_space_in_one_piece_is_told() {
	local number
	appliance
	WRAPPER=(strace -qq -o calls -e trace=ioctl)
	set_password before
	number=$(grep '^ioctl' calls | grep -n FS_IOC_FIEMAP | cut -d: -f1)
	WRAPPER+=(-e "inject=ioctl:retval=0:when=$number")
	run_password --stdin <<<after
	assert_fails 'cannot be written: no free space in one piece on the device; root.s password was not changed'
	assert_password before
}

without_a_run_directory_it_cannot_be_alone() {
	appliance
	mount -o remount,ro /run
	_refused 'cannot lock: Read-only'
	mount -o remount,rw /run
	ln -s /elsewhere /run/aimee-os
	_refused 'cannot lock'
	rm /run/aimee-os
	mkdir /run/aimee-os
	ln -s /elsewhere /run/aimee-os/set-root-password.lock
	_refused 'cannot lock'
	assert_absent /elsewhere
}

an_etc_that_is_an_overlay_works() {
	local before
	own_etc
	own_state noatime
	mkdir layer upper
	mount -t tmpfs tmpfs upper
	mkdir upper/{upper,work}
	mount -t overlay -o "lowerdir=etc,upperdir=upper/upper,workdir=upper/work" overlay /etc
	set_password secret
	assert_password secret
	mount -o remount,ro /etc
	_refused 'read-only'
	umount /etc
	mount -t overlay -o "ro,lowerdir=etc:layer" overlay /etc
	state_file shadow
	before=$(<etc/shadow)
	set_password second
	assert_password second
	assert_content etc/shadow "$before"
	umount /etc/shadow
	umount /etc
	umount upper
}

# The mount that is on top is what everybody sees.
of_stacked_mounts_the_upper_one_counts() {
	appliance
	echo decoy >decoy
	umount /etc/shadow
	mount --bind decoy /etc/shadow
	mount --bind "$STATE/shadow" /etc/shadow
	set_password secret
	assert_password secret
	mount --bind decoy /etc/shadow
	run_password --stdin <<<second
	assert_fails 'another file than /etc/shadow'
	umount /etc/shadow
	assert_password secret
}
