# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of the appliance have in common. Sourced by "run" in the namespaces of one
# test file, in that file's folder, with errexit. Its tests share a disk and a guest, so what
# is known of those lies in files:
#
#   disk.img     the disk           variant       the image that was booted
#   serial.log   the console        qemu.pid      QEMU, while it runs
#   settled      there while the guest runs and was seen to be as it should

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SYSTEM=$HERE/../system
PORT=2222
VM_TIMEOUT=${VM_TIMEOUT:-300}
# shellcheck disable=SC2034 # for the tests
SHIPPED_PASSWORD=shipped
SSH_OPTIONS=(-p "$PORT" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
	-o ConnectTimeout=10 -o ServerAliveInterval=15)

SSH=(ssh "${SSH_OPTIONS[@]}" -i "$VM/key" -o BatchMode=yes -o ControlPath="$PWD/ssh.socket")

# shellcheck source=tests/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/vm/machine.sh
. "$HERE/machine.sh"

# --- ends of a test ---------------------------------------------------------------------

explain_error() {
	{
		echo "failed with status $1: $2"
		print_callers
		show_console
	} >&2
}

fail() {
	trap - ERR
	{
		echo "not as promised: $*"
		print_callers
		show_console
	} >&2
	exit 1
}

show_console() {
	[[ -e serial.log ]] || return 0
	echo "the end of the console:"
	tail -n 30 serial.log | tr -d '\r' | awk '{ print "    > " $0 }'
}

# --- the machine ------------------------------------------------------------------------

is_running() {
	[[ -e qemu.pid ]] && kill -0 "$(<qemu.pid)" 2>/dev/null
}

# wait_until SECONDS WHAT COMMAND...: asks every POLL seconds.
wait_until() {
	local limit=$1 what=$2 start=$EPOCHSECONDS
	shift 2
	until "$@"; do
		((EPOCHSECONDS - start < limit)) || fail "waited $limit s for $what"
		sleep "${POLL:-0.2}"
	done
}

keep_console() {
	local count=1
	[[ -e serial.log ]] || return 0
	while [[ -e serial.$count.log ]]; do
		count=$((count + 1))
	done
	mv serial.log "serial.$count.log"
}

# boot [VARIANT] [qemu option...]: switches the machine on. A guest that reboots ends QEMU.
boot() {
	local variant=${1:-$(<variant)}
	shift || :
	is_running && fail "the machine is on already"
	keep_console
	echo "$variant" >variant
	: >serial.log
	machine "$VM/$variant.squashfs" disk.img "$PORT" -no-reboot -serial file:serial.log "$@" \
		</dev/null >qemu.log 2>&1 &
	echo $! >qemu.pid
	disown
	echo "boot of $variant"
}

# Once the machine is off nothing that was known of the guest holds.
forget_guest() {
	rm -f settled qemu.pid
	[[ ! -e ssh.pid ]] || { kill "$(<ssh.pid)" 2>/dev/null || :; rm -f ssh.pid; }
	rm -f ssh.socket
}

machine_is_off() { ! is_running; }

wait_for_end() {
	wait_until "$VM_TIMEOUT" "the machine to switch off" machine_is_off
	forget_guest
}

# The processor stops between two instructions.
power_cut() {
	[[ ! -e qemu.pid ]] || kill -KILL "$(<qemu.pid)" 2>/dev/null || :
	wait_for_end 10
}

console_has() {
	grep -aqE -- "$1" serial.log
}

console_has_or_ended() {
	console_has "$1" || ! is_running
}

wait_for_console() {
	wait_until "$VM_TIMEOUT" "the console to say \"$1\"" console_has_or_ended "$1"
	console_has "$1" || fail "the machine ended before the console said \"$1\": $(cat qemu.log)"
}

assert_console() {
	console_has "$1" || fail "the console does not say \"$1\""
}

# --- in the guest -----------------------------------------------------------------------

guest() {
	timeout --foreground "$VM_TIMEOUT" "${SSH[@]}" root@127.0.0.1 "$@" </dev/null
}

# The same with this shell's standard input.
in_guest_run() {
	timeout --foreground "$VM_TIMEOUT" "${SSH[@]}" root@127.0.0.1 "$@"
}

# A script on standard input, run in the guest by root.
in_guest() {
	in_guest_run bash -euo pipefail
}

dialogue() {
	/usr/bin/python3 -I -S "$HERE/dialogue" "$@"
}

# The guest's shell computes the number, so that what is typed does not show it.
password_login() {
	# shellcheck disable=SC2016
	dialogue 'password:' "$1" -- ssh "${SSH_OPTIONS[@]}" -o PubkeyAuthentication=no \
		-o NumberOfPasswordPrompts=1 root@127.0.0.1 'echo logged in by $((6 * 7))'
}

assert_password() {
	[[ $(password_login "$1") == *'logged in by 42'* ]] || fail "\"$1\" does not let root in"
}

assert_no_password() {
	[[ $(password_login "$1" || :) != *'logged in by 42'* ]] || fail "\"$1\" lets root in"
}

# One connection for all that follows.
connect() {
	is_running || return 0
	timeout --foreground 60 "${SSH[@]}" -M -N -f root@127.0.0.1 </dev/null >ssh.log 2>&1 || return 1
	"${SSH[@]}" -O check root@127.0.0.1 2>&1 | sed -n 's/.*pid=\([0-9]*\).*/\1/p' >ssh.pid
}

# The login prompt and ssh come at about the same time.
wait_for_ssh() {
	wait_for_console 'login: '
	wait_until "$VM_TIMEOUT" "ssh to answer" connect
	is_running || fail "the machine ended before ssh answered: $(cat qemu.log)"
}

# All that holds for a system as it should be, seen from inside: by fstab and the lists alone.
assert_healthy() {
	in_guest <<-'END' || fail "the system is not as it should be"
	problem() { echo "in the guest: $*" >&2; exit 1; }
	state=$(systemctl is-system-running --wait) || :
	[[ $state == running ]] || problem "is-system-running: $state: $(systemctl --failed --no-legend)"
	while read -r source target type options rest; do
		[[ $type == btrfs ]] || continue
		subvolume=${options#*subvol=} subvolume=${subvolume%%,*}
		is=$(findmnt -no FSROOT "$target") || problem "$target is not mounted"
		[[ $is == "/$subvolume" ]] || problem "$target is $is"
		touch "$target/.written" || problem "$target cannot be written"
		rm "$target/.written"
	done </etc/fstab
	while read -r type path; do
		[[ $type == [fd] ]] || continue
		is=$(findmnt -no FSROOT "/etc/$path") || problem "/etc/$path is not mounted"
		[[ $is == "/var/lib/aimee-os/etc/$path" ]] || problem "/etc/$path is $is"
		[[ -w /etc/$path ]] || problem "/etc/$path cannot be written"
	done < <(cat /usr/lib/aimee-os/writable-etc /etc/aimee-os/writable-etc)
	for nested in /var/log /var/tmp /var/lib/containers /var/lib/aimee-os/etc; do
		[[ $(stat -c %i "$nested") == 256 ]] || problem "$nested is no subvolume"
	done
	[[ -s /var/lib/ssh/ssh_host_ed25519_key ]] || problem "no host key"
	END
	[[ ${WITHOUT_POLICY:-} ]] || assert_labels
	touch settled
}

# One key at a time, and again: of several connections at once the emulated network loses one now
# and then, which ssh-keyscan waits for and then leaves out.
host_keys() {
	local type try key
	for type in ecdsa ed25519 rsa; do
		key=''
		for ((try = 0; try < 10 && ${#key} == 0; try++)); do
			key=$(ssh-keyscan -t "$type" -T 20 -p "$PORT" 127.0.0.1 2>/dev/null)
		done
		[[ $key ]] || fail "sshd shows no key of the type $type"
		echo "$key"
	done
}

# --- SELinux ----------------------------------------------------------------------------

# What the kernel denied since the machine was new, to our programs or to what systemd runs for
# them, from the console: so it holds for the end of a shutdown, too.
denials() {
	cat serial*.log | tr -d '\r' | grep -a 'avc:  *denied' |
		grep -E '[:=]aimee_|comm="(aimee-os-genera|chpasswd|mount|passwd|ssh-keygen|sshd)"' || :
}

assert_no_denials() {
	[[ ! ${WITHOUT_POLICY:-} ]] || return 0
	[[ ! $(denials) ]] || fail "denied by SELinux:"$'\n'"$(denials)"
}

# The machine's identity is a file of systemd's, mounted over the one of /etc.
assert_labels() {
	[[ $(guest getenforce) == Enforcing ]] || fail "SELinux does not enforce"
	guest restorecon -rnv /var /etc /run/aimee-os 2>&1 | sed '/ \/etc\/machine-id from /d' >labels
	[[ ! -s labels ]] || fail "wrong labels:"$'\n'"$(<labels)"
}

report_of_boot() {
	guest cat /run/aimee-os/init-storage.json
}

# assert_report EXPRESSION: true for the report of this boot.
assert_report() {
	report_of_boot >report.json
	jq -e "$1" report.json >/dev/null || fail "the report does not fulfil $1: $(jq -c . report.json)"
}

# --- states -----------------------------------------------------------------------------

# first_boot [VARIANT] [SIZE]: a blank disk, up to a system as it should be.
first_boot() {
	make_disk disk.img "${2:-2G}"
	boot "${1:-plain}"
	wait_for_ssh
	assert_healthy
}

# running_appliance [VARIANT]: what most tests begin with; made if the one before left none.
running_appliance() {
	local variant=${1:-plain}
	[[ -e settled && $(<variant) == "$variant" ]] && is_running && return
	power_cut
	first_boot "$variant"
}

shut_down() {
	guest systemctl poweroff || :
	wait_for_end
}

# restart [VARIANT]: an orderly one, with another image where one is given.
restart() {
	guest systemctl reboot || :
	wait_for_end
	boot "$@"
	wait_for_ssh
}

# --- the disk, from outside -------------------------------------------------------------

# attach_data [losetup option...]: the variable DATA gets the loop device of the data partition.
attach_data() {
	local start size
	is_running && fail "the machine is on, and has the disk"
	read -r start size < <(sfdisk --json disk.img |
		jq -r '.partitiontable.partitions[] | select(.name == "data") | "\(.start * 512) \(.size * 512)"')
	DATA=$(losetup --find --show --offset "$start" --sizelimit "$size" "$@" disk.img)
}

detach_data() {
	losetup --detach "$DATA"
}

# with_top COMMAND...: with the top of the data partition's file system on "top" and the image on
# "image", as the power cut left them.
with_top() {
	local status=0
	mkdir -p top image
	attach_data
	mount -o subvolid=5 "$DATA" top
	mount -o loop,ro "$VM/$(<variant).squashfs" image
	(set -e; "$@") || status=$?
	umount top image
	detach_data
	return "$status"
}

# The copies are whole, in everything that a copy can lose; no staging folder is left.
assert_disk_is_complete() {
	with_top compare_copies || fail "the data partition is not as it should be"
}

compare_copies() {
	local part
	for part in lib/appliance lib/dpkg cache; do
		/usr/bin/python3 -I -S "$SYSTEM/compare-trees" --holes=at-most-blocks "image/var/$part" "top/var/$part"
	done
	/usr/bin/python3 -I -S "$SYSTEM/compare-trees" image/home top/home
	[[ ! -e top/.init-storage ]] || { echo "a staging folder is left"; return 1; }
}

# The sha256 of every byte of the data partition.
data_sum() {
	local sum
	attach_data --read-only
	sum=$(sha256sum "$DATA")
	detach_data
	echo "${sum%% *}"
}
