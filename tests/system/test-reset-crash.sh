# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# A request, a wipe and a boot that resets, killed at a system call; then the next boot: the
# old system whole, with its request honoured if the command had returned, or a new one.
#
# strace kills the process as it enters the call, so that "at the next call" is "after this
# one". What is in /run is lost each time, as it is with the power.

CALLS="mkdir openat write fchmod renameat unlinkat unshare mount umount2 fsetxattr fremovexattr
	syncfs fsync pwrite64 ioctl flock execve renameat2 mkdirat"

_old_system() {
	make_tree tree
	rm tree/var/lib/app/data
	make_device disk 128M
	in_use "$disk"
	"$@"
	detach_device "$disk"
	mv disk.img before.img
}

_request_it() {
	request "$disk" --erase="${erase:-signature}"
}

# A new inode for each run: nothing the kernel remembers of the last one can help.
_fresh_disk() {
	rm -f disk.img
	cp --sparse=always before.img disk.img
	attach_device disk disk.img
}

_arm() {
	mkdir -p /run/aimee-os
	request_text "$OLD_FSID" "${erase:-signature}" >"$REQUEST_FLAG"
}

# What is killed. The device is $disk.
_requesting() { "${TRACE[@]}" "$FACTORY_RESET" --device="$disk" --yes; }
_cancelling() { "${TRACE[@]}" "$FACTORY_RESET" --device="$disk" --cancel; }
_wiping() { _arm && "${TRACE[@]}" "$FACTORY_RESET" --device="$disk" --now; }
_wiping_unasked() { "${TRACE[@]}" "$FACTORY_RESET" --device="$disk" --now --yes; }
_booting() { "${TRACE[@]}" "$INIT_STORAGE" --root=tree --device="$disk"; }

# What must hold at the next boot.
_old_or_reset() {
	init tree "$disk"
	assert_status 0
	assert_json '.error == null'
	if [[ $(jq .reset /run/aimee-os/init-storage.json) == null && $(fsid_of "$disk") == "$OLD_FSID" ]]; then
		assert_no_message 'no valid request'
		assert_old "$disk"
	else
		assert_reset tree "$disk"
	fi
}

_always_reset() {
	init tree "$disk"
	assert_status 0
	assert_json '.error == null and .action != "nothing" or .reset == null'
	assert_reset tree "$disk"
}

# _kill_at_each ACT THEN MOST [CALL...]: at no more than MOST calls of each name, spread.
_kill_at_each() {
	local act=$1 then=$2 most=$3 names=${*:4} call count number
	[[ $names ]] || names=${CALLS//$'\n\t'/ }
	_fresh_disk
	TRACE=(strace -f -o calls -e "trace=${names// /,}")
	"$act" >stdout 2>stderr || fail "it does not work undisturbed: $(<stderr)"
	detach_device "$disk"
	count_calls calls >counted
	[[ -s counted ]] || fail "none of the calls was seen"
	while read -r call count; do
		for ((number = 1; number <= count; number += (count + most - 1) / most)); do
			echo "--- killed at $call, number $number of $count"
			_fresh_disk
			lose_run
			TRACE=(strace -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$number")
			{ "$act"; } >stdout 2>stderr || :
			wait_until 10 is_gone factory-reset
			wait_until 10 is_gone init-storage
			lose_run
			"$then"
			detach_device "$disk"
		done
	done <counted
}

# --- one of each, for the quick run --------------------------------------------------------------

a_request_killed_in_each_phase_is_none_or_whole() {
	_old_system true
	_kill_at_each _requesting _old_or_reset 1 unshare fsetxattr syncfs renameat
}

a_cancellation_killed_in_each_phase_is_none_or_whole() {
	_old_system _request_it
	_kill_at_each _cancelling _old_or_reset 1 unlinkat mount fremovexattr syncfs
}

a_wipe_killed_in_each_phase_is_made_up_for() {
	_old_system _request_it
	_kill_at_each _wiping _always_reset 4 fsync unlinkat
}

a_boot_that_resets_killed_in_each_phase_is_made_up_for() {
	_old_system _request_it
	_kill_at_each _booting _always_reset 2 fsync execve syncfs
}

# What lies beside the old file system is still there when its superblock has gone.
a_wipe_with_leftovers_killed_in_each_phase_is_made_up_for() {
	_old_system _request_with_leftovers
	_kill_at_each _wiping _reset_by_the_next_shutdown 6 fsync
}

# The next boot may leave an ambivalent device alone; then another shutdown resets it.
_reset_by_the_next_shutdown() {
	remember_device "$disk"
	init tree "$disk"
	if [[ $STATUS != 0 ]]; then
		assert_refused "$disk"
		_arm
		run_reset --device="$disk" --now
		assert_status 0
		lose_run
		init tree "$disk"
		assert_status 0
	fi
	assert_reset tree "$disk"
}

_request_with_leftovers() {
	_request_it
	"$HERE/leftovers" mdraid-1.0 "$disk"
}

# --- at every call -------------------------------------------------------------------------------

# slow
# limit: 300
a_request_killed_at_each_call_is_none_or_whole() {
	_old_system true
	_kill_at_each _requesting _old_or_reset 100
}

# slow
# limit: 300
a_cancellation_killed_at_each_call_is_none_or_whole() {
	_old_system _request_it
	_kill_at_each _cancelling _old_or_reset 100
}

# slow
# limit: 300
a_wipe_killed_at_each_call_is_made_up_for() {
	_old_system _request_it
	_kill_at_each _wiping _always_reset 60
}

# slow
# limit: 300
a_wipe_that_zeroes_killed_at_each_call_is_made_up_for() {
	local erase=zero
	_old_system _request_it
	_kill_at_each _wiping _always_reset 60 pwrite64 fsync ioctl
}

# Nothing is stored that a next boot could go by: old and whole, or blank.
# slow
# limit: 300
a_wipe_without_a_request_killed_at_each_call_leaves_old_or_blank() {
	_old_system true
	_kill_at_each _wiping_unasked _old_or_reset 60 pwrite64 fsync ioctl openat
}

# slow
# limit: 300
a_boot_that_resets_killed_at_each_call_is_made_up_for() {
	_old_system _request_it
	_kill_at_each _booting _always_reset 25
}

# slow
# limit: 300
a_boot_that_finishes_an_erase_killed_at_each_call_is_made_up_for() {
	local erase=zero
	_old_system _half_erased
	_kill_at_each _booting _always_reset 25 pwrite64 fsync ioctl execve
}

# The record is there, and that it is not done.
_half_erased() {
	_request_it
	{ strace -f -o /dev/null -e trace=ioctl -P "$disk" -e "inject=ioctl:signal=KILL:when=$(_number_of_zeroing)" \
		"$FACTORY_RESET" --device="$disk" --now; } 2>/dev/null || :
	wait_until 10 is_gone factory-reset
	assert_wiped "$disk"
}

_number_of_zeroing() {
	local copy
	cp --sparse=always disk.img copy.img
	attach_device copy copy.img
	strace -f -o calls -P "$copy" -e trace=ioctl "$FACTORY_RESET" --device="$copy" --now 2>/dev/null
	detach_device "$copy"
	_arm
	grep -n -m 1 BLKZEROOUT calls | cut -d: -f1
}

# --- one failing call ------------------------------------------------------------------------------

# slow
# limit: 300
# A write or flush that fails is a failure with a message, the next boot makes up for it.
a_wipe_with_a_failing_call_is_a_failure_that_is_made_up_for() {
	local call count number
	_old_system _request_it
	_fresh_disk
	TRACE=(strace -f -o calls -P "$disk" -e "trace=pwrite64,fsync")
	_wiping 2>stderr
	detach_device "$disk"
	count_calls calls >counted
	while read -r call count; do
		for ((number = 1; number <= count; number += (count + 14) / 15)); do
			echo "--- $call, number $number of $count, fails"
			_fresh_disk
			_arm
			WRAPPER=(strace -f -o /dev/null -P "$disk" -e "trace=$call" -e "inject=$call:error=EIO:when=$number")
			run_reset --device="$disk" --now
			WRAPPER=()
			assert_status 1
			assert_message 'input/output error'
			lose_run
			_always_reset
			detach_device "$disk"
		done
	done <counted
}
