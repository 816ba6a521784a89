# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; make_device sets variables
#
# set-root-password with the real passwd, chpasswd and PAM.

# shellcheck source=tests/system/lib-password.sh
. "$HERE/lib-password.sh"

# --- the appliance -----------------------------------------------------------------------------

on_a_terminal_passwd_asks_and_the_password_is_changed() {
	appliance
	on_terminal 'New password:' 'first secret\n' 'Retype' 'first secret\n'
	assert_status 0
	assert_message 'password updated successfully'
	assert_message "root's password is changed"
	assert_no_message 'first secret'
	assert_password 'first secret'
	assert_password 'first secret' "$STATE/shadow"
}

from_standard_input_chpasswd_sets_it() {
	appliance
	run_password --stdin <<<'a:word with "quotes" and blanks '
	assert_status 0
	assert_password 'a:word with "quotes" and blanks '
}

a_password_without_a_newline_at_its_end_is_one() {
	appliance
	run_password --stdin < <(printf 'no newline')
	assert_status 0
	assert_password 'no newline'
}

a_password_is_changed_again_and_again() {
	local word
	appliance
	for word in one two three four five; do
		set_password "$word"
		assert_password "$word"
	done
}

the_longest_password_works_and_a_longer_one_does_not() {
	local longest
	appliance
	longest=$(printf '%0511d' 7)
	set_password "$longest"
	assert_password "$longest"
	run_password --stdin <<<"${longest}x"
	assert_status 2
	assert_message 'longer than 511'
}

# shadow's owner, mode, ACLs and label are the old file's: the inode is.
owner_mode_attributes_and_label_stay() {
	local before
	appliance
	setfattr -n user.note -v kept "$STATE/shadow"
	chmod 0604 "$STATE/shadow"
	chown 0:12 "$STATE/shadow"
	before=$(attributes)
	set_password secret
	[[ $(attributes) == "$before" ]] || fail "before: $before; now: $(attributes)"
	assert_label system_u:object_r:shadow_t:s0 /etc/shadow
	[[ $(stat -c %i /etc/shadow) == "$(stat -c %i "$STATE/shadow")" ]]
}

the_change_is_on_the_medium_when_it_returns() {
	appliance
	set_password secret
	# As it would be after a power cut now: nothing is written back for it.
	cp --sparse=always disk.img cut.img
	attach_device cut cut.img
	mkdir after
	_unmount_all
	detach_device "$disk"
	mount -t btrfs "$cut" after
	assert_password secret after/var/lib/aimee-os/etc/shadow
	umount after
}

# Two file systems of one fsid must not be mounted at the same time.
_unmount_all() {
	leave_appliance
	umount top
}

_sizes() {
	local options=$1 size
	appliance "$options"
	for size in 200 3000 4095 4096 4097 8192 8193 40000 200000 3000000; do
		_grow_to "$size"
		set_password "of $size"
		is_password "of $size" "$(root_hash)" || fail "not changed at $size bytes"
		[[ $(tail -n +2 /etc/shadow) == "$OTHERS" ]] || fail "the other entries are changed at $size bytes"
	done
	# And back to a small one.
	OTHERS=$(head -n 1 <<<"$OTHERS")
	printf '%s\n' "$(head -n 1 /etc/shadow)" "$OTHERS" >"$STATE/shadow"
	set_password small
	assert_password small
}

# A file of about that size with many users.
_grow_to() {
	OTHERS=$(seq 1 $(($1 / 35 + 1)) | sed 's/.*/user&:*:19000:0:99999:7:::/' | head -c "$1" | sed '$d')
	[[ $OTHERS ]] || OTHERS='daemon:*:19000:0:99999:7:::'
	printf '%s\n' "$(head -n 1 /etc/shadow)" "$OTHERS" >"$STATE/shadow"
}

# slow
files_of_all_sizes_are_written_back() { _sizes noatime; }
files_of_all_sizes_are_written_back_with_compression() { _sizes compress=zstd; }
# slow
files_of_all_sizes_are_written_back_with_forced_compression() { _sizes compress-force=zstd; }
# slow
files_of_all_sizes_are_written_back_without_copy_on_write() { _sizes nodatacow; }

a_nodatacow_file_stays_one() {
	appliance
	umount /etc/shadow
	rm "$STATE/shadow"
	touch "$STATE/shadow"
	chattr +C "$STATE/shadow"
	cat /etc/shadow >"$STATE/shadow"
	mount --bind "$STATE/shadow" /etc/shadow
	set_password secret
	assert_password secret
	[[ $(lsattr "$STATE/shadow") == *C* ]] || fail "the file is not NOCOW any more"
}

an_ordinary_file_in_a_nodatacow_folder_stays_ordinary() {
	appliance
	chattr +C "$STATE"
	set_password secret
	assert_password secret
	[[ $(lsattr "$STATE/shadow" | cut -d' ' -f1) != *C* ]] || fail "the file is NOCOW now"
}

a_mount_option_that_leaves_out_checksums_is_none_of_its() {
	appliance
	mount -o remount,nodatasum top
	set_password secret
	assert_password secret
	mount -o remount,datasum top
	set_password other
	assert_password other
}

# What a write-back leaves that the power cut off.
empty_lines_at_the_end_do_no_harm_and_go() {
	appliance
	yes '' | head -n 5000 >>"$STATE/shadow" || :
	set_password secret
	assert_password secret
}

it_works_with_the_data_mounted_over_a_read_only_mount_of_shadow() {
	appliance
	mount -o remount,bind,ro /etc/shadow
	set_password secret
	assert_password secret
}

# --- an ordinary /etc ----------------------------------------------------------------------------

_development_machine() {
	own_etc
	setfattr -n user.note -v kept /etc/shadow 2>/dev/null || :
}

in_a_writable_etc_the_file_is_replaced() {
	local inode before
	_development_machine
	inode=$(stat -c %i /etc/shadow)
	before=$(attributes)
	set_password secret
	assert_password secret
	[[ $(stat -c %i /etc/shadow) != "$inode" ]] || fail "it was written in place"
	[[ $(attributes) == "$before" ]] || fail "before: $before; now: $(attributes)"
	assert_label system_u:object_r:shadow_t:s0 /etc/shadow
	assert_absent /etc/.shadow.set-root-password
}

in_a_writable_etc_passwds_own_files_do_not_appear() {
	_development_machine
	set_password secret
	# The lock of lckpwdf(3) is every such machine's.
	assert_absent /etc/shadow-
	assert_absent /etc/nshadow
	assert_absent /etc/passwd-
	[[ $(find /etc -newer /etc/this-is-a-copy ! -type d -printf '%P ') == *shadow* ]]
	[[ ! $(find /etc -newer /etc/this-is-a-copy ! -type d ! -name shadow ! -name .pwd.lock ! -path '*/pam.d/*') ]] ||
		fail "more was changed: $(find /etc -newer /etc/this-is-a-copy ! -type d)"
}

a_temporary_file_that_a_power_cut_left_is_removed() {
	_development_machine
	echo 'root:half' >/etc/.shadow.set-root-password
	set_password secret
	assert_password secret
	assert_absent /etc/.shadow.set-root-password
}

a_temporary_file_that_is_a_symlink_is_not_followed() {
	_development_machine
	echo precious >precious
	ln -s "$PWD/precious" /etc/.shadow.set-root-password
	set_password secret
	assert_password secret
	assert_content precious precious
}

# slow: the lock is waited for. Another program that holds lckpwdf(3)'s lock is writing.
while_the_password_files_are_locked_nothing_is_written() {
	_development_machine
	mkfifo ready
	"${PYTHON[@]}" - <<-'END' &
		import fcntl, os, time
		lock = os.open("/etc/.pwd.lock", os.O_RDWR | os.O_CREAT, 0o600)
		fcntl.lockf(lock, fcntl.LOCK_EX)
		open("ready", "w").close()
		time.sleep(60)
	END
	cat ready
	run_password --stdin <<<secret
	kill $!
	wait $! || :
	assert_fails 'pwd.lock.*holds the lock'
}

# --- passwd's view of /etc -------------------------------------------------------------------------

# What a PAM script sees while passwd runs.
_look_from_within() {
	pam "password required pam_exec.so quiet $(pam_script look)" 'password required pam_unix.so yescrypt'
}

every_mount_below_etc_is_in_the_view() {
	own_etc
	own_state noatime
	mkdir -p etc/{covered,deep/er,file} below below/sub readonly
	echo lower >etc/covered/hidden
	echo upper >below/upper
	echo sub >below/sub/x
	echo single >single
	touch etc/single etc/deep/er/single
	_look_from_within <<-'END'
		#!/bin/sh
		cd /etc
		{ cat covered/upper covered/sub/deeper single deep/er/single; ls covered; grep -c . group
		echo made >covered/from-within && echo writable; (echo x >readonly/x) 2>&1 | grep -o Read-only; } >/run/seen 2>&1
	END
	mkdir etc/readonly
	mount --bind below /etc/covered
	mount -t tmpfs tmpfs /etc/covered/sub
	echo deeper >/etc/covered/sub/deeper
	mount --bind single /etc/single
	mount --bind single /etc/deep/er/single
	mount --bind readonly /etc/readonly
	mount -o remount,bind,ro /etc/readonly
	read_only_etc
	state_file shadow
	set_password secret
	assert_password secret
	assert_content /run/seen "upper
deeper
single
single
sub
upper
$(grep -c . /etc/group)
writable
Read-only"
	assert_content below/from-within made
	umount /etc/covered/sub /etc/covered /etc/single /etc/deep/er/single /etc/readonly
}

what_is_written_elsewhere_in_etc_vanishes() {
	own_etc
	own_state noatime
	_look_from_within <<-'END'
		#!/bin/sh
		echo x >/etc/from-within && rm /etc/group && ls -l /etc >/run/seen
	END
	read_only_etc
	state_file shadow
	set_password secret
	grep -q from-within /run/seen || fail "the script could not write"
	assert_absent /etc/from-within
	[[ -s /etc/group ]] || fail "group is gone"
	assert_absent etc/from-within
}

passwd_runs_with_a_clean_environment() {
	own_etc
	own_state noatime
	_look_from_within <<-'END'
		#!/bin/sh
		cat /proc/$PPID/environ | tr '\0' '\n' | sort >/run/environment
		umask >/run/umask
		ls -l /proc/$PPID/fd >/run/descriptors
		cat /proc/$PPID/limits >/run/limits
		readlink /proc/$PPID/cwd >/run/folder
	END
	read_only_etc
	state_file shadow
	mkdir evil
	printf '#!/bin/sh\ntouch /run/was-run\n' | tee evil/passwd evil/chpasswd evil/sh >/dev/null
	chmod +x evil/*
	exec 9</dev/zero
	printf 'secret\n' >input
	(
		exec <input 2>stderr
		export PATH=$PWD/evil LD_PRELOAD=$PWD/evil/x.so LD_LIBRARY_PATH=$PWD/evil IFS=/ LC_ALL=de_DE.UTF-8 LANGUAGE=de
		export LANG=de_DE.UTF-8 JOURNAL_STREAM=1:2 BASH_ENV=$PWD/evil/sh ENV=$PWD/evil/sh TMPDIR=$PWD/evil NLSPATH=$PWD/evil
		umask 0
		ulimit -S -f 0
		cd evil
		exec "$SET_ROOT_PASSWORD" --stdin
	) || fail "it failed: $(<stderr)"
	exec 9<&-
	assert_password secret
	assert_absent /run/was-run
	assert_content /run/environment 'LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin:/bin'
	assert_content /run/folder /
	assert_content /run/umask 0077
	! grep '^<' stderr || fail "a variable changed the messages"
	! grep ' 9 -> ' /run/descriptors || fail "passwd inherited a descriptor"
	[[ $(grep -c -- '->' /run/descriptors) -le 4 ]] || fail "passwd inherited: $(</run/descriptors)"
	grep -q '^Max core file size *[01] ' /run/limits || fail "core dumps: $(grep core /run/limits)"
	grep -q '^Max file size *unlimited' /run/limits
}

# --- old passwords -----------------------------------------------------------------------------

_with_history() {
	own_etc
	own_state noatime
	pam 'password required pam_pwhistory.so remember=3 enforce_for_root' 'password required pam_unix.so use_authtok yescrypt'
	: >etc/security/opasswd
	chmod 0600 etc/security/opasswd
	label etc/security/opasswd system_u:object_r:shadow_t:s0
	read_only_etc
	state_file shadow
}

a_bound_history_of_passwords_is_written_back() {
	local first
	_with_history
	state_file security/opasswd
	set_password first
	first=$(root_hash)
	set_password second
	[[ $(<"$STATE/security/opasswd") == "root:0:"*"$first"* ]] || fail "the history is $(<"$STATE/security/opasswd")"
	[[ $(</etc/security/opasswd) == "$(<"$STATE/security/opasswd")" ]]
	assert_label system_u:object_r:shadow_t:s0 /etc/security/opasswd
	assert_mode '600 0:0' /etc/security/opasswd
	remember_system
	on_terminal 'New password:' 'first\n' 'Retype' 'first\n' 'New password:' 'first\n' 'Retype' 'first\n' 'New password:' 'first\n' 'Retype' 'first\n'
	assert_status 1
	assert_message 'already used'
	assert_password second
}

a_history_that_is_no_mount_vanishes() {
	_with_history
	set_password first
	set_password second
	set_password first
	assert_password first
	[[ ! -s /etc/security/opasswd ]] || fail "it was written"
}

a_history_in_a_folder_that_is_a_mount_is_kept() {
	_with_history
	rm -r "$STATE/security"
	cp -a /etc/security "$STATE/security"
	mount --bind "$STATE/security" /etc/security
	set_password first
	set_password second
	run_password --stdin <<<first
	assert_status 1
	assert_password second
	[[ -s $STATE/security/opasswd ]] || fail "it is empty"
}

# Most systems share the propagation of their mounts.
nothing_comes_back_where_mounts_are_shared() {
	appliance
	# shellcheck disable=SC2016 # for the shell within
	unshare --mount --propagation shared bash -c '
		mountpoint -q /etc && mount --make-rshared /
		cat /proc/self/mountinfo >before
		"$1" --stdin <<<secret || exit
		cat /proc/self/mountinfo >after' - "$SET_ROOT_PASSWORD"
	grep -q ' shared:' before || fail "nothing is shared"
	cmp <(cut -d" " -f1-5 before) <(cut -d" " -f1-5 after) || fail "mounts came back: $(diff before after)"
	assert_password secret
}
