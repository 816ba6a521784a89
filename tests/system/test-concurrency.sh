# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Two at once.

# One formatted, and each subvolume was made by one of them alone. That need not be the same
# run: between mkfs and the lock on the new file system another may come first.
_assert_one_formatted() {
	local i made
	for ((i = 0; i < $1; i++)); do
		[[ $(<status.$i) == 0 ]] || fail "run $i ended with $(<status.$i): $(<err.$i)"
	done
	[[ $(jq -r .action out.* | grep -c formatted) == 1 ]] || fail "actions: $(jq -r .action out.*)"
	made=$(jq -r '.subvolumes[] | select(.action == "created") | .path' out.* | sort | tr '\n' ' ')
	[[ $made == "$SUBVOLUMES " ]] || fail "made: $made"
}

two_at_once_on_a_blank_device_make_it_once() {
	make_tree tree
	make_device disk 192M
	run_at_once tree "$disk" 2
	_assert_one_formatted 2
	assert_complete tree "$disk"
}

# slow
# limit: 120
several_at_once_with_every_delay_make_it_once() {
	local delay
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/cache/large" 8
	for delay in 0 0.01 0.03 0.06 0.1 0.15 0.2 0.3; do
		make_device disk 192M
		run_at_once tree "$disk" 3 sleep "$delay"
		_assert_one_formatted 3
		assert_complete tree "$disk"
		detach_device "$disk"
		rm disk.img
	done
}

two_at_once_on_a_device_that_lacks_something_complete_it_once() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	change_top "$disk"
	btrfs subvolume delete top/home top/var/log >/dev/null
	rm top/var/lib/aimee-os/etc/shadow
	mkdir top/.init-storage
	unmount_top
	run_at_once tree "$disk" 2
	[[ $(<status.0) == 0 && $(<status.1) == 0 ]] || fail "statuses $(<status.0) and $(<status.1)"
	[[ $(jq -r .action out.* | sort | tr '\n' ' ') == 'completed nothing ' ]] || fail "actions: $(jq -r .action out.*)"
	VAR_OPTIONS=(--ignore mtime:)
	assert_complete tree "$disk"
}

two_at_once_on_a_complete_device_do_nothing() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	remember_device "$disk"
	run_at_once tree "$disk" 2
	[[ $(jq -r .action out.* | sort -u) == nothing ]]
	assert_device_unchanged "$disk"
}

# _hold_top SECONDS: another run has the lock on the file system's own root.
_hold_top() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	"${PYTHON[@]}" -c '
import fcntl, os, sys, time
folder = os.open("top", os.O_RDONLY)
fcntl.flock(folder, fcntl.LOCK_EX)
open("held", "w").close()
time.sleep(float(sys.argv[1]))' "$1" &
	HOLDER=$!
	wait_until 10 test -e held
}

the_lock_of_another_run_is_waited_for() {
	local start=$SECONDS
	_hold_top 3
	first_run tree "$disk"
	((SECONDS - start >= 2)) || fail "it did not wait for the lock"
	wait "$HOLDER"
	unmount_top
	assert_complete tree "$disk"
}

# slow
# limit: 120
a_lock_that_is_held_for_more_than_a_minute_is_a_failure() {
	local start
	_hold_top 100
	start=$SECONDS
	PROGRAM_LIMIT=90 init tree "$disk"
	assert_status 1
	assert_message 'lock|another|busy'
	((SECONDS - start >= 55 && SECONDS - start <= 70)) || fail "it waited for $((SECONDS - start)) s"
	kill "$HOLDER"
	wait "$HOLDER" 2>/dev/null || :
	assert_absent top/var
	unmount_top
}
