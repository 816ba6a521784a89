# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2120,SC2154 # hashes have dollars; options may be left out; make_device sets variables
#
# What the tests of set-root-password have in common: an appliance's /etc and data device in the
# test's own mount namespace, over this machine's. Sourced by those test files.

COMM=set-root-passwo # the kernel keeps 15 characters
STATE=/var/lib/aimee-os/etc
OTHERS='daemon:*:19000:0:99999:7:::
ada:$y$j9T$0123456789abcdef$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG:19000:0:99999:7:::'

# A copy of this machine's /etc, on top of it. Everything after this that says /etc means the copy.
own_etc() {
	cp -a /etc etc
	printf '%s\n' 'root:*:19000:0:99999:7:::' "$OTHERS" >etc/shadow
	chmod 0640 etc/shadow
	chown 0:42 etc/shadow
	label etc/shadow system_u:object_r:shadow_t:s0
	rm -f etc/.pwd.lock etc/shadow- etc/passwd-
	: >etc/this-is-a-copy
	# The cheapest hash: what is tested is not how long it takes.
	pam 'password required pam_unix.so yescrypt rounds=1'
	use_etc
}

# The copy that is in "etc".
use_etc() {
	mount --bind etc /etc
	[[ -e /etc/this-is-a-copy ]]
	trap leave_appliance EXIT
}

# The data device, with /var's subvolume on it, and of it what the program looks at.
own_state() {
	make_device disk "${SIZE:-160M}"
	make_btrfs "$disk"
	mkdir top
	mount -o "$1" "$disk" top
	btrfs subvolume create top/var >/dev/null
	mkdir -p top/var/lib/aimee-os/etc/security
	chmod 0700 top/var/lib/aimee-os
	mount --bind top/var/lib /var/lib
}

# state_file PATH: what init-storage and the boot would have made of a line "f PATH".
state_file() {
	cp -a "/etc/$1" "$STATE/$1"
	mount --bind "$STATE/$1" "/etc/$1"
}

# appliance [MOUNT-OPTIONS]: as it is after a boot.
appliance() {
	own_etc
	own_state "${1:-noatime}"
	read_only_etc
	state_file shadow
}

read_only_etc() {
	mount -o remount,bind,ro /etc
}

# The loop device is to be free. /etc stays the copy as long as there is a process.
leave_appliance() {
	local folder pid
	for pid in $(processes "$COMM") $(processes passwd) $(processes chpasswd); do
		kill -KILL "$pid" 2>/dev/null || :
	done
	for folder in /etc/security/opasswd /etc/security /etc/shadow /var/lib; do
		while mountpoint -q "$folder" && umount -l "$folder" 2>/dev/null; do :; done
	done
}

# pam LINE...: PAM's configuration of both programs, before /etc is read-only.
pam() {
	printf '%s\n' "$@" | tee etc/pam.d/passwd etc/pam.d/chpasswd >etc/pam.d/other
}

# pam_script NAME: standard input becomes a script that PAM can run; prints its path.
pam_script() {
	cat >"$1"
	chmod +x "$1"
	echo "$PWD/$1"
}

label() {
	setfattr -n security.selinux -v "$2" "$1"
}

# run_password ARGUMENT...: like run_program; standard input is passed on.
run_password() {
	remember_system
	STATUS=0
	timeout --foreground --kill-after=5 "${PROGRAM_LIMIT:-30}" "${WRAPPER[@]}" \
		"$SET_ROOT_PASSWORD" "$@" >stdout 2>stderr || STATUS=$?
	echo "set-root-password $* -> $STATUS"
	sed 's/^/    /' stderr
	assert_password_run_is_sound
}

# on_terminal [EXPECTED ANSWER]... [-- ARGUMENT...]: what is shown is in the file "stderr".
on_terminal() {
	local -a steps=()
	while (($#)) && [[ $1 != -- ]]; do
		steps+=("$1")
		shift
	done
	remember_system
	STATUS=0
	"$HERE/on-terminal" "${steps[@]}" -- "${WRAPPER[@]}" "$SET_ROOT_PASSWORD" "${@:2}" >stderr || STATUS=$?
	: >stdout
	echo "on a terminal: set-root-password ${*:2} -> $STATUS"
	sed 's/^/    /' stderr
	assert_no_message 'waited in vain'
	assert_no_message 'without echo'
	assert_password_run_is_sound
}

remember_system() {
	[[ -e /etc/this-is-a-copy ]] || fail "this would be the real /etc"
	MOUNTS_BEFORE=$(list_mounts)
	SHADOW_BEFORE=$(shadow)
}

assert_password_run_is_sound() {
	local name
	for name in "$COMM" passwd chpasswd; do
		wait_until 5 is_gone "$name" || fail "a process $name is left"
	done
	[[ $(list_mounts) == "$MOUNTS_BEFORE" ]] || fail "the run changed this namespace's mounts"
	[[ ! -e /etc/.shadow.set-root-password ]] || fail "a temporary file is left"
	case $STATUS in
	0 | 1 | 2) ;;
	*) fail "exit status $STATUS is none of the documented ones" ;;
	esac
	[[ $STATUS == 0 || -s stderr ]] || fail "it ended with $STATUS without a message"
	[[ ! -s stdout || ${PAM_SPEAKS:-} ]] || fail "something is on standard output: $(head -n 1 stdout)"
	[[ $STATUS == 0 || $(shadow) == "$SHADOW_BEFORE" ]] || fail "it ended with $STATUS, and the file is another"
}

# The file's bytes, with their end, and what else there is to a file.
shadow() {
	cat /etc/shadow 2>&1 || :
	echo end
	stat -c '%i %N' /etc/shadow
	attributes
}

attributes() {
	stat -c '%u:%g %a' /etc/shadow
	getfattr --absolute-names -d -m - /etc/shadow 2>/dev/null || :
}

# The numbers of the processes of that name.
processes() {
	local file
	for file in /proc/[0-9]*/comm; do
		[[ $(cat "$file" 2>/dev/null) != "$1" ]] || basename "${file%/comm}"
	done
}

# begin_question: a passwd that waits at its second question, on a terminal in the background, whose
# output comes to "stderr" when all has ended.
begin_question() {
	remember_system
	# Below a shell that outlives it: with the first process of a terminal all others would end.
	"$HERE/on-terminal" 'New password:' 'secret\n' 'never shown' '' -- /bin/sh -c '"$0"; sleep 4' "$SET_ROOT_PASSWORD" >stderr &
	QUESTION=$!
	wait_until 10 _asks || fail "it does not ask"
}

# It waits for its terminal.
_asks() {
	local passwd
	passwd=$(processes passwd)
	[[ $passwd && $(grep -c . "/proc/$passwd/task/$passwd/children" 2>/dev/null) == 0 ]] &&
		[[ $(cut -d' ' -f1 "/proc/$passwd/syscall" 2>/dev/null) == 0 ]]
}

# end_question: once all of it should be over.
end_question() {
	local name
	for name in "$COMM" passwd; do
		wait_until 2 is_gone "$name" || fail "a process $name is left"
	done
	wait "$QUESTION" || :
	sed 's/^/    /' stderr
	[[ $(list_mounts) == "$MOUNTS_BEFORE" ]] || fail "the mounts are others"
	[[ $(find /proc/[0-9]*/ns/mnt -printf '%l\n' 2>/dev/null | sort -u | wc -l) == 1 ]] || fail "a mount namespace is left"
	assert_unchanged
}

set_password() {
	run_password --stdin <<<"$1"
	assert_status 0
}

root_hash() {
	sed -n 's/^root:\([^:]*\):.*/\1/p' "${1:-/etc/shadow}"
}

# assert_password TEXT [FILE]: it is root's, and nothing else in the file is another.
assert_password() {
	local file=${2:-/etc/shadow}
	is_password "$1" "$(root_hash "$file")" || fail "root's password in $file is not $1"
	[[ $(tail -n +2 "$file") == "$OTHERS" ]] || fail "the other entries of $file are changed: $(<"$file")"
	[[ $(head -n 1 "$file") =~ ^root:[^:]+:[0-9]+:0:99999:7:::$ ]] || fail "root's entry in $file: $(head -n 1 "$file")"
	[[ $(tail -c 2 "$file" | od -An -tx1) == *' 3a 0a' ]] || fail "the end of $file: $(tail -c 20 "$file" | od -c)"
}

# is_password TEXT HASH
is_password() {
	"${PYTHON[@]}" -W ignore -c 'import crypt, sys; sys.exit(crypt.crypt(sys.argv[1], sys.argv[2]) != sys.argv[2])' "$1" "$2"
}

assert_unchanged() {
	[[ $(shadow) == "$SHADOW_BEFORE" ]] || fail "the file is changed: $(</etc/shadow)"
}

# assert_fails MESSAGE: the run that was just made changed nothing and says why.
assert_fails() {
	assert_status 1
	assert_message "$1"
	assert_unchanged
}
