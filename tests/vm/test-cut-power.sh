# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The power goes at a random moment of the first boot, between the first word of init-storage and
# the login prompt. What the guest was done writing stays: this cuts the processor, not the disk.
# images: plain

# Leaves in the variable SPAN how many milliseconds of a first boot there are to cut.
_measure_span() {
	local start
	make_disk disk.img
	boot plain
	wait_for_console 'init-storage: /dev/vdb2: blank'
	start=${EPOCHREALTIME/./}
	wait_for_console 'login: '
	SPAN=$(((${EPOCHREALTIME/./} - start) / 1000))
	power_cut
}

_cut_after() {
	make_disk disk.img
	boot plain
	wait_for_console 'init-storage: /dev/vdb2: blank'
	sleep "$(($1 / 1000)).$(printf %03d "$(($1 % 1000))")"
	power_cut
	echo "note: cut after $1 of $SPAN ms: $(tail -n 1 serial.log | tr -d '\r' | cut -c1-100)"
}

_boot_to_the_end() {
	boot plain
	wait_for_ssh
	assert_healthy
	power_cut
	assert_disk_is_complete
}

# One cut in each tenth of the time, so that none is left out.
a_first_boot_cut_at_any_moment_is_made_good_by_the_next() {
	local i
	RANDOM=$SEED
	_measure_span
	for ((i = 0; i < 10; i++)); do
		_cut_after $((SPAN * (i * 1000 + RANDOM % 1000) / 10000))
		_boot_to_the_end
	done
}
