# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests on loop devices and those of the appliance have in common: which run, and how one ends.
# Sourced by both "run" and both "lib.sh".

# matches NAME SUBJECT: whether one of the shell patterns in the array "patterns" is for it.
matches() {
	local name=$1 subject=$2 pattern
	# shellcheck disable=SC2154 # the caller's
	((${#patterns[@]})) || return 0
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # the right side is meant as a pattern
		[[ $name == $pattern || $subject == $pattern ]] && return 0
	done
	return 1
}

# For a function that is itself called by the one that failed.
print_callers() {
	local i
	for ((i = 2; i < ${#FUNCNAME[@]} - 1; i++)); do
		echo "    in ${FUNCNAME[i]}, line ${BASH_LINENO[i - 1]}"
	done
}

skip() {
	echo "$*"
	exit 77
}
