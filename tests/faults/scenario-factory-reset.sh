# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # for the helpers; the runner sets "disk"
#
# factory-reset: a request, its cancellation, the status, the wipe at shutdown.

PROGRAM=$FACTORY_RESET

variants() {
	echo 'request cancel status wipe wipe-zero'
}

prepare() {
	make_tree tree
	rm tree/var/lib/app/data
	make_device disk 128M
	in_use "$disk"
	echo "$OLD_FSID" >old-fsid
	[[ $VARIANT == request ]] || request "$disk" --erase="$(erase)"
	detach_device "$disk"
	mv disk.img before.img
}

erase() {
	[[ $VARIANT == wipe-zero ]] && echo zero || echo signature
}

# What the command had done when the machine was shut down, or is asked for its status.
arrange() {
	OLD_FSID=$(<old-fsid)
	SUBVOLUMES="home var var/lib/aimee-os/etc var/log var/tmp"
	if [[ $VARIANT != request ]]; then
		mkdir -p /run/aimee-os
		request_text "$OLD_FSID" "$(erase)" >"$REQUEST_FLAG"
	fi
	[[ $VARIANT != status ]] || remember_device "$disk"
}

act() {
	case $VARIANT in
	request) disturbed "$FACTORY_RESET" --device="$disk" --yes </dev/null ;;
	cancel) disturbed "$FACTORY_RESET" --device="$disk" --cancel </dev/null ;;
	status) disturbed "$FACTORY_RESET" --device="$disk" --status --json </dev/null ;;
	*) disturbed "$FACTORY_RESET" --device="$disk" --now </dev/null ;;
	esac
}

effect() {
	case $VARIANT in
	request) assert_requested ;;
	cancel)
		assert_not_armed
		[[ ! $(stored_request "$disk") ]] || fail "it is still stored"
		;;
	status) assert_json '.armed and .shutdown and .persistent and .next_boot == "reset"' stdout ;;
	*) assert_wiped "$disk" ;;
	esac
}

# One of the two may fail, and it says which.
assert_requested() {
	grep -q 'cannot take the request: .*; it will not survive a power cut' stderr || was_silenced ||
		[[ $(stored_request "$disk") ]] || fail "it is not stored"
	grep -q 'cannot arm the shutdown: .*; the next boot does it' stderr || was_silenced || assert_armed
}

# Whatever happened: the old file system is whole, or it is wiped and the next boot goes on.
holds() {
	case $VARIANT in
	wipe*) ;;
	*) assert_old "$disk" ;;
	esac
	[[ $VARIANT != status ]] || assert_device_unchanged "$disk"
}

afterwards() {
	case $VARIANT in
	request | cancel)
		act_undisturbed
		effect
		;;
	status) ;;
	*)
		lose_run
		first_run tree "$disk"
		assert_reset tree "$disk"
		lose_run
		;;
	esac
}

act_undisturbed() {
	FAULT=none act
	assert_status 0
}
