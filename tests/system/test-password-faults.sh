# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; make_device sets variables
#
# set-root-password with each of its system calls failing once, and killed at each: the old file or
# the new one, whole; a message with every failure; nothing left behind.

# shellcheck source=tests/system/lib-password.sh
. "$HERE/lib-password.sh"

# Calls that cannot fail, or whose failing means nothing (memory is tested by a limit), or that the
# C library makes before main().
HARMLESS='exit|exit_group|brk|mmap|munmap|mprotect|madvise|arch_prctl|set_tid_address|set_robust_list|rseq|prlimit64
	|getuid|geteuid|getgid|getegid|getpid|getppid|gettid|umask|alarm|rt_sigreturn|restart_syscall|execve|execveat|sched_yield
	|futex|getrandom|readlink|uname|vfork|clone|clone3|fork|access|lseek'

# Which error fits a call.
_error_of() {
	case $1 in
	write | ftruncate | fallocate | mkdirat) echo ENOSPC ;;
	openat | openat2 | move_mount | mount) echo EACCES ;;
	fsopen | pidfd_open | unshare) echo ENOSYS ;;
	*) echo EIO ;;
	esac
}

# strace counts each process's calls. Of passwd's own those that only it makes are not touched:
# they are not ours to test, and -f is needed for our second process.
_calls_of_a_run() {
	strace -f -qq -o calls "$SET_ROOT_PASSWORD" --stdin <<<first 2>stderr || fail "it does not work undisturbed: $(<stderr)"
	# Those of the two processes that are ours: the first, and the first that it forks.
	"${PYTHON[@]}" - "${HARMLESS//[$'\n\t']/}" <<-'END'
		import collections, re, sys
		harmless = set(sys.argv[1].split("|"))
		counts, ours, execs = {}, [], set()
		for line in open("calls"):
		    match = re.match(r"(\d+) +([a-z0-9_]+)\(", line)
		    if not match:
		        continue
		    pid, call = match.groups()
		    if pid not in counts:
		        counts[pid] = collections.Counter()
		        ours.append(pid)
		    counts[pid][call] += 1
		most = collections.Counter()
		for pid in ours[:2]:
		    for call, count in counts[pid].items():
		        most[call] = max(most[call], count)
		for call, count in sorted(most.items()):
		    if call not in harmless:
		        print(call, count)
	END
}

# What must hold after a run that was disturbed, whatever it said: $1 names it.
_old_or_new() {
	local word found='' name
	for name in "$COMM" passwd chpasswd; do
		wait_until 10 is_gone "$name" || fail "$1: a process $name is left"
	done
	[[ $(list_mounts) == "$MOUNTS_BEFORE" ]] || fail "$1: the mounts are others"
	[[ $(find /proc/[0-9]*/ns/mnt -printf '%l\n' 2>/dev/null | sort -u | wc -l) == 1 ]] || fail "$1: a mount namespace is left"
	for word in first second; do
		is_password "$word" "$(root_hash)" && found=$word
	done
	[[ $found ]] || fail "$1: the password is neither: $(head -n 1 /etc/shadow)"
	# A write-back that was cut off leaves empty lines.
	[[ $(tail -n +2 /etc/shadow) == "$OTHERS" ]] || fail "$1: the file is $(</etc/shadow)"
	FOUND=$found
}

# _disturb NUMBERS INJECTION: at the calls numbered "first", "all" or each SEVENTH.
_disturb() {
	local most=$1 kind=$2 call count number error what
	_calls_of_a_run >counted
	grep -q '^ioctl ' counted || fail "the calls were not seen: $(<counted)"
	while read -r call count; do
		for ((number = 1; number <= count; number += (count + most - 1) / most)); do
			set_first
			error=$(_error_of "$call")
			[[ $kind == KILL ]] && what="signal=KILL" || what="error=$error"
			STATUS=0
			strace -f -qq -o injected -e "trace=$call" -e "inject=$call:$what:when=$number" \
				"$SET_ROOT_PASSWORD" --stdin <<<second >stdout 2>stderr || STATUS=$?
			what="$call number $number of $count, $what"
			_old_or_new "$what"
			[[ $kind == KILL ]] || _assert_honest "$what"
		done
	done <counted
	set_password third
	assert_password third
}

# The password is "first" again, without the time that it takes to hash it.
set_first() {
	[[ -e first ]] || cp /etc/shadow first
	if ! cmp -s first /etc/shadow; then
		cat first >"$TARGET"
	fi
	MOUNTS_BEFORE=$(list_mounts)
}

_assert_honest() {
	local words
	# A message that could not be written.
	if grep -q '^[0-9]* *write(2, .*INJECTED' injected 2>/dev/null; then
		[[ $STATUS == 1 && $FOUND == first ]] || [[ $STATUS == 0 && $FOUND == second ]] || fail "$1: status $STATUS"
		return
	fi
	words=$(grep -c '^set-root-password: ' stderr || :)
	case $STATUS in
	0) [[ $FOUND == second ]] || fail "$1: it ended with 0, and the password is the old one" ;;
	1 | 2)
		[[ $words == 1 ]] || fail "$1: $words messages of ours: $(<stderr)"
		if [[ $FOUND == second ]]; then
			grep -q 'was changed, but that may not survive' stderr || fail "$1: the password is the new one, and it says: $(<stderr)"
		else
			grep -q -e 'not changed' -e 'cannot' -e 'refused' stderr || fail "$1: $(<stderr)"
		fi
		;;
	*) fail "$1: exit status $STATUS: $(<stderr)" ;;
	esac
}

_appliance() {
	appliance noatime
	TARGET=$STATE/shadow
}

_ordinary() {
	own_etc
	TARGET=/etc/shadow
}

# limit: 120
each_kind_of_call_fails_once() { _appliance; _disturb 1 error; }
# slow
# limit: 400
each_call_fails_once() { _appliance; _disturb 1000 error; }
# slow
# limit: 400
each_call_fails_once_in_a_writable_etc() { _ordinary; _disturb 1000 error; }
# slow
# limit: 400
killed_at_each_call_the_file_is_whole() { _appliance; _disturb 1000 KILL; }
# slow
# limit: 400
killed_at_each_call_the_file_is_whole_in_a_writable_etc() { _ordinary; _disturb 1000 KILL; }

without_memory_it_says_so() {
	local kilobytes
	_appliance
	set_password first
	echo second >input
	for kilobytes in 1000 2000 3000 4000 6000 10000 20000 40000 80000 160000; do
		remember_system
		STATUS=0
		(
			exec <input 2>stderr
			ulimit -v "$kilobytes"
			exec "$SET_ROOT_PASSWORD" --stdin
		) || STATUS=$?
		_old_or_new "with $kilobytes KiB"
		# Killed by the kernel before it began: SIGSEGV or SIGKILL of the loader.
		[[ $STATUS == 0 || $STATUS -gt 128 || -s stderr ]] || fail "no message with $kilobytes KiB"
		[[ $FOUND == first ]] || return 0
	done
	fail "it never worked"
}

without_descriptors_it_says_so() {
	local most
	_appliance
	set_password first
	echo second >input
	for most in 3 4 5 6 7 8 9 10 11 12 14 16; do
		STATUS=0
		MOUNTS_BEFORE=$(list_mounts)
		(
			exec <input 2>stderr
			ulimit -n "$most"
			exec "$SET_ROOT_PASSWORD" --stdin
		) || STATUS=$?
		_old_or_new "with $most descriptors"
		_assert_honest "with $most descriptors"
		[[ $FOUND == first ]] || return 0
	done
	fail "it never worked"
}

without_proc_it_says_so() {
	_appliance
	mkdir empty
	set_password first
	STATUS=0
	unshare --mount --propagation private sh -c 'mount --bind empty /proc && exec "$0" --stdin' "$SET_ROOT_PASSWORD" \
		<<<second 2>stderr || STATUS=$?
	assert_status 1
	assert_message 'looking for the mounts below it failed'
	assert_password first
}
