# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; make_device sets variables
#
# Where a password and its hash can be found while set-root-password runs, and afterwards.

# shellcheck source=tests/system/lib-password.sh
. "$HERE/lib-password.sh"

WORD='correct-horse-battery-staple'

# A /dev/log of our own: everything that is sent to the system log comes to a file.
_own_log() {
	local name
	mkdir devices
	mount -t tmpfs -o mode=755 tmpfs devices
	for name in null zero full random urandom tty ptmx; do
		cp -a "/dev/$name" "devices/$name"
	done
	mkdir devices/{pts,shm}
	mount --bind /dev/pts devices/pts
	mount --bind /dev/shm devices/shm
	mount --rbind devices /dev
	"${PYTHON[@]}" - <<-'END' &
		import socket
		log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		log.bind("/dev/log")
		with open("log", "ab", buffering=0) as output:
		    while True:
		        output.write(log.recv(65536) + b"\n")
	END
	LOGGER=$!
	wait_until 10 test -S /dev/log
}

_end_log() {
	kill "$LOGGER"
	wait "$LOGGER" || :
	umount -R -l /dev
	umount -R -l devices
}

# A look at all processes from within passwd's own, outside of which it is kept.
_spying_appliance() {
	local script
	own_etc
	own_state noatime
	script=$(pam_script spy <<-END
		#!/bin/sh
		mkdir -p /run/spied
		cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >/run/spied/within 2>/dev/null
		: >/run/spied/now
		for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /run/spied/done ] || sleep 0.2; done
		exit 0
	END
	)
	pam 'password required pam_unix.so yescrypt' "password required pam_exec.so quiet $script"
	read_only_etc
	state_file shadow
}

# offsets TEXT FILE: where in the file it is.
_offsets() {
	grep --text --only-matching --byte-offset --fixed-strings -e "$1" "$2" | cut -d: -f1 | tr '\n' ' '
}

neither_password_nor_hash_is_anywhere_but_in_shadow() {
	local hash offset found
	_spying_appliance
	_own_log
	# While it runs: the processes, seen from outside.
	(
		wait_until 20 test -e /run/spied/now
		cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >/run/spied/outside 2>/dev/null || :
		: >/run/spied/done
	) &
	run_password --stdin <<<"$WORD"
	wait $!
	assert_status 0
	assert_password "$WORD"
	hash=$(root_hash)
	assert_message "root's password is changed"
	grep -q "root's password is changed" log || fail "the log has $(<log)"
	_end_log
	[[ -s /run/spied/outside && -s /run/spied/within ]]
	for found in log stderr stdout /run/spied/outside /run/spied/within; do
		! grep --text -e "$WORD" -e "${hash##*\$}" "$found" || fail "a secret is in $found"
	done
	found=$(grep -rl --text -e "$WORD" -e "${hash##*\$}" /run etc top 2>/dev/null)
	[[ $found == top/var/lib/aimee-os/etc/shadow ]] || fail "a secret is in $found"
	sync -f top
	[[ ! $(_offsets "$WORD" disk.img) ]] || fail "the password is on the device"
	offset=$(_offsets "$hash" disk.img)
	[[ $offset && $(wc -w <<<"$offset") == 1 ]] || fail "the hash is at these places of the device: $offset"
	# The next one leaves this hash in free space only, where one copy is.
	set_password another
	sync -f top
	[[ $(wc -w <<<"$(_offsets "$(root_hash)" disk.img)") == 1 ]] || fail "the new hash is at several places"
}

a_view_that_cannot_be_swapped_is_used_where_there_is_one() {
	local script
	own_etc
	own_state noatime
	script=$(printf '#!/bin/sh\ngrep " /etc " /proc/self/mountinfo >/run/view\n' | pam_script look)
	pam "password required pam_exec.so quiet $script" 'password required pam_unix.so yescrypt'
	read_only_etc
	state_file shadow
	WRAPPER=(strace -f -qq -e 'trace=fsconfig,fsmount,mlockall,prctl' -o calls)
	set_password secret
	grep -q ' overlay ' /run/view || fail "no overlay: $(</run/view)"
	grep -q '"noswap".* = 0' calls || fail "no noswap: $(<calls)"
	grep -q 'MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC' calls
	[[ $(grep -c 'mlockall(MCL_CURRENT|MCL_FUTURE) *= 0' calls) == 2 ]] || fail "memory is not locked in both: $(grep mlock calls)"
	[[ $(grep -c 'PR_SET_DUMPABLE' calls) == 2 ]] || fail "$(grep DUMPABLE calls)"
}

# What was mounted is in no table, not even while passwd runs.
while_it_runs_nothing_of_it_can_be_seen() {
	local pid
	appliance
	begin_question
	[[ $(list_mounts) == "$MOUNTS_BEFORE" ]] || fail "the mounts are others while it runs"
	for pid in $(processes "$COMM"); do
		[[ $(stat -c %u "/proc/$pid/mem") == 0 ]]
	done
	kill "$(processes "$COMM" | head -n 1)"
	end_question
}

# A look into the process when it has said that it is done. Where the C library keeps its lists, the
# first bytes of freed memory are overwritten in any case.
memory_of_a_secret_is_overwritten() {
	appliance
	command -v gdb >/dev/null || skip 'there is no gdb'
	printf '%s\n' "$WORD" >input
	remember_system
	gdb -q -batch -ex 'catch syscall exit_group' -ex run -ex 'generate-core-file core' \
		--args "$SET_ROOT_PASSWORD" --stdin <input >gdb.log 2>&1 || :
	assert_password "$WORD"
	grep -q --text -F -e "$SET_ROOT_PASSWORD" core || skip "gdb makes no core: $(tail -n 2 gdb.log | tr '\n' ' ')"
	! grep -q --text -F -e "${WORD: -12}" core || fail "the password is in memory"
	! grep -q --text -F -e "$(root_hash | tail -c 40)" core || fail "the hash is in memory"
}
