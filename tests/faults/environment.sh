# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Surroundings that lack something.

# With these all must go well; in KiB.
ENOUGH_MEMORY=1000000 ENOUGH_FILES=40

# The words for them, one a line.
list_environments() {
	printf 'memory=%s\n' 1000 2000 3000 4000 5000 6000 7000 8000 10000 12000 16000 24000 32000 64000 "$ENOUGH_MEMORY"
	printf 'files=%s\n' 3 4 5 6 7 8 9 10 11 12 13 14 16 18 20 "$ENOUGH_FILES"
	printf '%s\n' no-proc read-only-run full-run
}

# in_environment WORD PROGRAM ARGUMENT...
in_environment() {
	local word=$1
	shift
	case $word in
	memory=*) (ulimit -v "${word#*=}" && exec "$@") ;;
	files=*) (ulimit -n "${word#*=}" && exec "$@") ;;
	no-proc)
		mkdir -p empty
		# shellcheck disable=SC2016 # for the inner shell
		unshare --mount --propagation private sh -c 'mount --bind empty /proc && exec "$0" "$@"' "$@"
		;;
	read-only-run) mount -o remount,ro /run && "$@" ;;
	full-run) fill_run && "$@" ;;
	*) fail "no such surroundings: $word" ;;
	esac
}

fill_run() {
	! cat /dev/zero >/run/filling 2>/dev/null
}

# As it was before, for the next run.
leave_environment() {
	mount -o remount,rw /run
	rm -f /run/filling
}
