# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # for the scenarios; the runner sets "disk"
#
# case.sh SCENARIO VARIANT prepare|trace|FAULT: one run of a scenario, in namespaces of its own, in
# the folder of the scenario's starting state. The last word printed says how it ended.

FAULTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SCENARIO=$1 VARIANT=$2 FAULT=$3
PATIENCE=30 # of the seconds that an action may take; undisturbed it takes one
TEST_DIR=$PWD TEST_NAME=$2 SHARED=$PWD

set -eEuo pipefail
mount -t tmpfs -o mode=755,size=16M tmpfs /run
# shellcheck source=tests/system/lib.sh
. "$FAULTS/../system/lib.sh"
# shellcheck source=tests/faults/environment.sh
. "$FAULTS/environment.sh"
# shellcheck source=/dev/null
. "$FAULTS/scenario-$SCENARIO.sh"
trap 'explain_error $? "$BASH_COMMAND"' ERR

# disturbed PROGRAM ARGUMENT...: sets STATUS, leaves stdout and stderr. Standard input is passed on.
disturbed() {
	STATUS=0
	case $FAULT in
	trace) "$INJECT" trace "$@" >stdout 2>stderr || STATUS=$? ;;
	none) "$@" >stdout 2>stderr || STATUS=$? ;;
	*.*=*) "$INJECT" injected "$FAULT" "$@" >stdout 2>stderr || STATUS=$? ;;
	*) in_environment "$FAULT" "$@" >stdout 2>stderr || STATUS=$? ;;
	esac
	sed 's/^/    /' stderr
	[[ $STATUS != 125 ]] || fail "the harness itself: $(<stderr)"
}

# Of a process that is killed others may go on for a moment: mkfs.btrfs, passwd.
only_this_process() {
	local file
	for file in /proc/[0-9]*; do
		[[ $file == /proc/$$ ]] || return 1
	done
}

assert_alone() {
	wait_until 10 only_this_process || fail "left behind: a process: $(ps -e -o pid=,args=)"
}

# What is in /run, and the image, which nobody may change.
files_around() {
	{
		find /run -mindepth 1 ! -path '/run/mount*' -printf '%p %y\n'
		[[ ! -e tree ]] || find tree -printf '%p %y %m %U:%G %s %T@\n'
	} | sort
}

was_killed() { [[ $STATUS == 137 && $FAULT == *.kill=0 || $STATUS -gt 128 && $FAULT == memory=* ]]; }
was_reached() { [[ $FAULT != *.*=* ]] || grep -q '^!' injected; }

# Nobody can be told anything when the message itself cannot be written.
was_silenced() { [[ $FAULT == *.*=* ]] && grep -q "^!.* $PWD/stderr\$" injected; }

# What was written is lost, or may be, and only this run can know.
was_loss() {
	[[ $FAULT == *.errno=* ]] &&
		grep -qE "^![0-9]+ ((fsync|fdatasync|syncfs) |p?write(64)? .* ${disk:-none}\$)" injected
}

# A documented status; a message that says what failed, in our words.
assert_honest() {
	local name=${PROGRAM##*/}
	case $STATUS in
	0 | 1) ;;
	2 | 3) [[ " ${OTHER_STATUS:-} " == *" $STATUS "* ]] || fail "exit status $STATUS" ;;
	*) fail "exit status $STATUS: $(<stderr)" ;;
	esac
	# What mkfs.btrfs says is passed on in its own words.
	! grep -v "^$name: mkfs.btrfs: " stderr | grep -qiE 'assert|: success$|unknown error|\(null\)|error 0$|unknown signal|stopped by|core dumped|memory corruption|sanitizer' || fail "no honest message: $(<stderr)"
	! grep -qv "^$name: ." stderr || [[ ${OTHERS_SPEAK:-} ]] || fail "a line that is not $name's: $(<stderr)"
	((STATUS == 0)) || was_silenced || grep -q "^$name: ." stderr || fail "it ended with $STATUS without a message"
	! was_loss || ((STATUS != 0)) || grep -q 'will not survive a power cut' stderr || fail "something is lost, and it says that all is well"
	[[ $FAULT != "memory=$ENOUGH_MEMORY" && $FAULT != "files=$ENOUGH_FILES" ]] || ((STATUS == 0)) || fail "that should be enough"
	((STATUS == 0)) || was_silenced || ! grep -qE ': done \(|: nothing to do' stderr || fail "it says that it is done, and ends with $STATUS"
}

run_case() {
	local mounts around start
	arrange
	mounts=$(list_mounts)
	files_around >before
	start=$SECONDS
	act
	((SECONDS - start <= PATIENCE)) || fail "it took $((SECONDS - start)) s"
	leave_environment
	assert_alone
	[[ $(list_mounts) == "$mounts" ]] || fail "left behind: a mount"
	if [[ $FAULT == trace ]]; then
		((STATUS == 0)) || fail "it does not work undisturbed"
		files_around >around
	elif ! was_killed; then
		around=$(files_around | comm -23 - <(sort -u around before))
		[[ ! $around ]] || fail "left behind: $around"
		assert_honest
	fi
	holds
	((STATUS != 0)) || effect
	word=$(outcome)
	afterwards
	assert_alone
	[[ $FAULT != trace ]] || files_around >around-afterwards
	around=$(files_around | comm -23 - around-afterwards)
	[[ ! $around ]] || fail "left behind after the next run: $around"
}

outcome() {
	if ! was_reached; then
		echo unreached
	elif was_killed; then
		echo killed
	elif ((STATUS == 0)); then
		echo tolerated
	else
		echo failed
	fi
}

if [[ $FAULT == prepare ]]; then
	prepare
else
	run_case
	echo "$word"
fi
