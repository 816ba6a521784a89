# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# scenario.sh FILE FUNCTION: runs a function of a scenario, with what scenarios have in common.
# README.md says which functions there are and in which variables they find what.
set -eEuo pipefail
export LC_ALL=C TZ=UTC PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
	echo "failed: $*"
	exit 1
}

# Standard output may be a variable in the making.
trap 'echo "failed: $BASH_COMMAND: ${BASH_SOURCE[0]##*/}:$LINENO" >&2' ERR

# mark WORD: every crash from here on comes after this.
mark() {
	echo "$1" >"$MARK"
}

has_mark() {
	[[ " $MARKS " == *" $1 "* ]]
}

# new_image SIZE MKFS [option...]: base.img
new_image() {
	truncate -s "$1" base.img
	"${@:2}" base.img >/dev/null 2>&1
}

# mounted DIRECTORY TYPE OPTIONS DEVICE COMMAND...: COMMAND runs in a subshell, with errexit unless
# the caller looks at the status. Whatever it does, nothing stays mounted: the next state has the
# same fsid.
mounted() {
	local directory=$1 status
	[[ -d $directory ]] || mkdir "$directory"
	mount -t "$2" -o "$3" "$4" "$directory" || fail "unmountable"
	set +e
	(
		set -e
		"${@:5}"
	)
	status=$?
	set -e
	umount "$directory"
	return "$status"
}

# commit_after CALL WHEN DIRECTORY COMMAND...: COMMAND is stopped behind that system call until
# DIRECTORY's file system has committed a transaction; "its-own": each that COMMAND has a directory
# of open. WHEN is as with strace: 2 is the second of any process's calls, 1+ all of them.
# Calls of the name SKIPPED, if there is such a variable, do nothing and succeed.
commit_after() {
	local call=$1 when=$2 directory=$3 input tracer skip=()
	shift 3
	[[ ! ${SKIPPED-} ]] || skip=(-e "inject=$SKIPPED:retval=0")
	rm -f trace
	mkfifo trace
	# What runs in the background has no standard input of its own accord.
	exec {input}<&0
	strace -f -o trace -e "trace=$call${SKIPPED:+,$SKIPPED}" "${skip[@]}" \
		-e "inject=$call:signal=STOP:when=$when" "$@" <&"$input" &
	tracer=$!
	exec {input}<&-
	_commit_when_stopped "$directory" <trace
	wait "$tracer"
}

_commit_when_stopped() {
	local pid line committed='' directories
	while read -r pid line; do
		[[ $line == '--- stopped by SIGSTOP ---' ]] || continue
		directories=("$1")
		[[ $1 != its-own ]] || directories=("/proc/$pid/fd"/*)
		! "$HERE/commit" "${directories[@]}" || committed=1
		kill -CONT "$pid"
	done
	[[ $committed ]] || fail "nothing committed at call $when of $call"
}

# shellcheck source=/dev/null
. "$1"
"$2"
