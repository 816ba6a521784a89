# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The power goes at a random moment of the first boot, between the first word of init-storage and
# the login prompt. What the guest was done writing stays: this cuts the processor, not the disk.
# images: plain

# How far a boot is, in lines of the console: a busy machine cannot shift that.
_lines_said() {
	sed -n '/init-storage: .*: blank/,$p' serial.log | wc -l
}

_has_said() {
	(($(_lines_said) >= $1)) || ! is_running
}

# Leaves in OWN how many lines init-storage says, in ALL how many there are to the login prompt.
_count_lines() {
	first_boot
	OWN=$(grep -c 'init-storage: ' serial.log)
	ALL=$(_lines_said)
	power_cut
	assert_disk_is_complete
}

# _cut_at LINE: up to 0.3 s after it, as the work is done between two lines. From one subvolume's
# final name to the last one's it takes less than that, so none of it may be lost by waiting.
_cut_at() {
	make_disk disk.img
	boot plain
	POLL=0.03 wait_until "$VM_TIMEOUT" "line $1 of $ALL" _has_said "$1"
	sleep "0.$(printf %03d $((RANDOM % 300)))"
	power_cut
	echo "note: cut at line $1 of $ALL: $(tail -n 1 serial.log | tr -d '\r' | cut -c1-100)"
}

_boot_to_the_end() {
	boot plain
	wait_for_ssh
	assert_healthy
	power_cut
	assert_disk_is_complete
}

# Six cuts in the time of init-storage, four in that of the mounts and services after it, spread.
a_first_boot_cut_at_any_moment_is_made_good_by_the_next() {
	local i part
	RANDOM=$SEED
	_count_lines
	for ((i = 0; i < 6; i++)); do
		part=$((OWN / 6))
		_cut_at $((1 + i * part + RANDOM % (part + 1)))
		_boot_to_the_end
	done
	for ((i = 0; i < 4; i++)); do
		part=$(((ALL - OWN) / 4))
		_cut_at $((OWN + i * part + RANDOM % part))
		_boot_to_the_end
	done
}
