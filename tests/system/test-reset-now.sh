# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# factory-reset --now: what it refuses, and how long it waits.

_file_system() {
	make_device disk "${1:-128M}"
	make_btrfs "$disk"
	leave_traces "$disk"
}

# _refused MESSAGE [option...]: nothing of the device was changed.
_refused() {
	remember_device "$disk"
	run_reset --device="$disk" --now "${@:2}"
	assert_status 3
	assert_message "$1"
	assert_message "${disk#/dev/}"
	assert_device_unchanged "$disk"
}

_seconds_between() {
	local seconds=$((SECONDS - start))
	((seconds >= $1 && seconds <= $2)) || fail "it took $seconds s"
}

an_armed_file_system_is_wiped() {
	_file_system
	request "$disk"
	run_reset --device="$disk" --now
	assert_status 0
	assert_message 'resetting, as requested by .*uid 0.*erase=signature'
	assert_message 'wiped: nothing is found.*erased: signature'
	assert_wiped "$disk"
	assert_not_armed
}

without_a_request_it_is_refused() {
	_file_system
	remember_device "$disk"
	run_reset --device="$disk" --now
	assert_status 3
	assert_message 'no reset is armed'
	assert_device_unchanged "$disk"
}

# The one that is stored counts at the next boot; the shutdown looks at the flag.
a_stored_request_alone_does_not_arm_the_shutdown() {
	_file_system
	request "$disk"
	lose_run
	remember_device "$disk"
	run_reset --device="$disk" --now
	assert_status 3
	assert_device_unchanged "$disk"
}

yes_and_a_device_need_no_request() {
	_file_system
	run_reset --device="$disk" --now --yes
	assert_status 0
	assert_wiped "$disk"
}

yes_without_a_device_needs_a_request() {
	_file_system
	echo "$disk /var btrfs subvol=var 0 0" >fstab
	mount --bind fstab /etc/fstab
	remember_device "$disk"
	run_reset --now --yes
	assert_status 3
	assert_device_unchanged "$disk"
	request "$disk"
	run_reset --now
	assert_status 0
	umount /etc/fstab
	assert_wiped "$disk"
}

another_file_system_than_the_armed_one_is_refused() {
	_file_system
	request "$disk"
	detach_device "$disk"
	rm disk.img
	_file_system
	_refused 'the request is for'
	_refused 'the request is for' --yes
	_refused 'the request is for' --erase=zero
	assert_armed
}

a_malformed_flag_wipes_nothing() {
	local text
	_file_system
	mkdir /run/aimee-os
	remember_device "$disk"
	for text in '' garbage '{}' "$(request_text "$OLD_FSID")x" "$(request_text "$OLD_FSID" everything)" \
		"$(request_text "" signature)" "$(request_text "$OLD_FSID" | tr -d '}')" \
		"$(request_text "$OLD_FSID" | sed 's/"version":1/"version":2/')" \
		"$(request_text "$OLD_FSID")$(printf ' %.0s' {1..2000})"; do
		printf '%s' "$text" >"$REQUEST_FLAG"
		run_reset --device="$disk" --now
		[[ $STATUS == 1 || $STATUS == 3 ]] || fail "it went on"
		assert_message 'not a valid request'
	done
	assert_device_unchanged "$disk"
	request_text "$OLD_FSID" >"$REQUEST_FLAG"
	run_reset --device="$disk" --now
	assert_status 0
	assert_wiped "$disk"
}

a_wipe_of_several_devices_is_refused() {
	make_device disk 192M
	make_device second 192M
	make_btrfs "$disk" "$second"
	leave_traces "$disk"
	mkdir -p /run/aimee-os
	request_text "$OLD_FSID" >"$REQUEST_FLAG"
	_refused 'several devices'
	rm "$REQUEST_FLAG"
	_refused 'several devices' --yes
}

what_is_no_btrfs_is_refused() {
	_file_system
	request "$disk"
	mkfs.ext4 -q -F "$disk"
	_refused ext4
	rm "$REQUEST_FLAG"
	_refused ext4 --yes
}

a_blank_device_needs_no_wipe() {
	make_device disk 128M
	remember_device "$disk"
	run_reset --device="$disk" --now --yes
	assert_status 0
	assert_message blank
	assert_device_unchanged "$disk"
}

# wipefs took 8 bytes: the copies of the superblock are whole.
a_device_that_only_looks_blank_is_wiped_too() {
	_file_system
	superblock "$disk" zero-magic
	run_reset --device="$disk" --now --yes
	assert_status 0
	assert_wiped "$disk"
}

# Nobody has what a wipe of a read-only device would need.
a_request_for_a_read_only_device_is_no_success() {
	_file_system
	detach_device "$disk"
	attach_device disk disk.img --read-only
	run_reset --device="$disk" --yes
	[[ $STATUS != 0 ]] || fail "it says that a reset is requested"
	assert_message 'read-only'
}

# --- in use --------------------------------------------------------------------------------

a_mounted_device_is_refused_after_ten_seconds() {
	local start
	_file_system
	request "$disk"
	mkdir var
	mount -o ro "$disk" var
	start=$SECONDS
	_refused 'mounted or held'
	_seconds_between 9 14
	umount var
	assert_armed
	assert_old "$disk"
}

# slow
a_device_mounted_in_another_namespace_is_refused() {
	local start other
	_file_system
	request "$disk"
	mkdir var
	mkfifo ready
	unshare --mount --propagation private bash -c "mount -o ro $disk var; echo >ready; exec sleep 60" &
	other=$!
	read -r _ <ready
	[[ ! $(names_in var) ]] || fail "it is mounted in this namespace"
	start=$SECONDS
	_refused 'mounted or held'
	_seconds_between 9 14
	kill "$other"
	wait "$other" || :
	assert_old "$disk"
}

# slow
a_device_that_is_held_is_refused() {
	local start other
	_file_system
	request "$disk"
	mkfifo ready
	"${PYTHON[@]}" -c "import os, time; os.open('$disk', os.O_RDONLY | os.O_EXCL); open('ready', 'w').close(); time.sleep(60)" &
	other=$!
	read -r _ <ready || :
	start=$SECONDS
	_refused 'mounted or held'
	_seconds_between 9 14
	kill "$other"
	wait "$other" || :
}

# slow
a_partition_of_a_disk_that_is_held_is_refused() {
	local other
	make_gpt_device whole 192M "$(unique_label)"
	disk=${whole}p1
	make_btrfs "$disk"
	leave_traces "$disk"
	request "$disk"
	mkfifo ready
	"${PYTHON[@]}" -c "import os, time; os.open('$whole', os.O_RDONLY | os.O_EXCL); open('ready', 'w').close(); time.sleep(60)" &
	other=$!
	read -r _ <ready || :
	_refused 'mounted or held'
	kill "$other"
	wait "$other" || :
}

a_device_that_is_unmounted_in_time_is_wiped() {
	local start
	_file_system
	request "$disk"
	mkdir var
	mkfifo ready
	unshare --mount --propagation private bash -c "mount $disk var; echo >ready; exec sleep 3" &
	read -r _ <ready
	start=$SECONDS
	run_reset --device="$disk" --now
	assert_status 0
	_seconds_between 2 9
	wait
	assert_wiped "$disk"
}

# slow
a_lock_that_another_program_holds_is_waited_for() {
	local start other
	_file_system
	request "$disk"
	remember_device "$disk"
	flock "$disk" sleep 60 &
	other=$!
	wait_until 5 bash -c "! flock --nonblock $disk true"
	start=$SECONDS
	run_reset --device="$disk" --now
	[[ $STATUS != 0 ]]
	assert_message 'lock'
	assert_device_unchanged "$disk"
	_seconds_between 9 14
	kill "$(pgrep -P "$other" sleep || echo "$other")"
	wait "$other" || :
	run_reset --device="$disk" --now
	assert_status 0
}

a_read_only_device_is_told_of() {
	_file_system
	request "$disk"
	detach_device "$disk"
	attach_device disk disk.img --read-only
	remember_device "$disk"
	run_reset --device="$disk" --now
	assert_status 1
	assert_message 'read-only|writing'
	assert_device_unchanged "$disk"
	assert_armed
}

# SIGTERM while it waits for the device: at once, and nothing was done.
a_signal_ends_the_waiting() {
	local start
	_file_system
	request "$disk"
	remember_device "$disk"
	mkdir var
	mount -o ro "$disk" var
	start=$SECONDS
	WRAPPER=(timeout --preserve-status --signal=TERM 2)
	run_reset --device="$disk" --now
	WRAPPER=()
	assert_status 1
	assert_message "${disk#/dev/}"
	_seconds_between 1 5
	umount var
	assert_device_unchanged "$disk"
}

two_at_once_wipe_once() {
	local one
	_file_system
	request "$disk"
	# Both have seen the request before either can wipe; one that comes later finds none.
	flock "$disk" sleep 2 &
	"$FACTORY_RESET" --device="$disk" --now 2>other &
	one=$!
	run_reset --device="$disk" --now
	wait "$one" || fail "one failed: $(<other)"
	assert_status 0
	assert_wiped "$disk"
	assert_not_armed
}

# slow
# The service manager hears that the wipe goes on, and so does the console.
a_long_erase_shows_signs_of_life() {
	local listener
	_file_system 1200M
	request "$disk" --erase=zero
	"${PYTHON[@]}" - <<-'END' &
		import socket
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		listener.bind("notify")
		listener.settimeout(40)
		open("listening", "w").close()
		with open("heard", "wb", buffering=0) as heard:
		    while True:
		        message = listener.recv(4096)
		        if message == b"end":
		            break
		        heard.write(message + b"\n\n")
	END
	listener=$!
	wait_until 5 test -e listening
	WRAPPER=(env NOTIFY_SOCKET="$PWD/notify" strace -f -o /dev/null -P "$disk" -e trace=ioctl -e inject=ioctl:delay_enter=700000)
	run_reset --device="$disk" --now
	WRAPPER=()
	"${PYTHON[@]}" -c 'import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"end", "notify")'
	wait "$listener"
	assert_status 0
	assert_message 'erasing: .*%'
	grep -q '^STATUS=erasing: .*%' heard || fail "the service manager heard nothing: $(<heard)"
	grep -q '^EXTEND_TIMEOUT_USEC=[1-9]' heard
}
