# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # for the scenarios
#
# What the scenarios of storage have in common: an appliance's image, its boots, and whether what
# they leave is what an undisturbed boot leaves. The image is the folder "tree", what that boot
# left "reference"; each is mounted once and stays so in the namespace of the variant.

SYSTEM_TESTS=$HERE/../system
PYTHON=(/usr/bin/python3 -I -S)
INIT_STORAGE=${INIT_STORAGE:-$BUILD/init-storage}
REQUEST_XATTR=trusted.aimee-os.factory-reset
# As small as mkfs.btrfs makes one.
DEVICE_SIZE=110M
BY=()
# mount(8)'s status.
UNMOUNTABLE=32

# --- before the recording ------------------------------------------------------------------------

# make_image COMMAND...: tree.img; COMMAND configures what is in "tree".
make_image() {
	truncate -s 16M "$RECORDING/tree.img"
	# The one file system that keeps whatever a file can have.
	mkfs.ext4 -q -F -b 4096 -O ea_inode -N 1024 "$RECORDING/tree.img"
	change_image _little_tree "$@"
}

# change_image COMMAND...: a later image. All times are the same: two recordings have equal images.
change_image() {
	! mountpoint --quiet tree || umount tree
	mounted tree ext4 loop "$RECORDING/tree.img" _change_image "$@"
}

_change_image() {
	"$@"
	find tree -exec touch --no-dereference --date='2023-04-05 06:07:08.123456789' {} +
}

_little_tree() {
	"${PYTHON[@]}" "$SYSTEM_TESTS/make-tree" little tree
	"$@"
}

# numbers BYTES: text.
numbers() {
	head -c "$1" < <(seq "$1")
}

# on_copy FILE COPY COMMAND...: with DEVICE over a copy of FILE. It detaches itself when it is closed,
# also if that is because this ends.
on_copy() {
	local DEVICE hold
	cp --sparse=always "$1" "$2"
	DEVICE=$(losetup --find --show "$2")
	exec {hold}<"$DEVICE"
	losetup --detach "$DEVICE"
	"${@:3}"
	# It would be preferred to the next device with that file system.
	btrfs device scan --forget "$DEVICE" 2>/dev/null || :
	exec {hold}<&-
}

# make_reference FILE COMMAND...: what COMMAND leaves of FILE undisturbed, under another fsid, so
# that it can be mounted beside a crash state.
make_reference() {
	on_copy "$1" "$RECORDING/reference.img" "${@:2}"
	btrfstune -f -u "$RECORDING/reference.img" >/dev/null 2>&1
	see_reference
	facts reference >"$RECORDING/facts"
}

# --- a boot --------------------------------------------------------------------------------------

# see FOLDER IMAGE OPTIONS
see() {
	mkdir -p "$1"
	mountpoint --quiet "$1" || mount -o "loop,ro,$3" "$2" "$1"
}

see_image() {
	see tree "$RECORDING/tree.img" noload
}

see_reference() {
	see reference "$RECORDING/reference.img" noatime,subvolid=5
}

# init-storage, by way of the command BY; it must end well. ACTION is what it says that it did.
boot() {
	local status=0
	see_image
	rm -rf /run/aimee-os
	"${BY[@]}" "$INIT_STORAGE" --root=tree --device="$DEVICE" || status=$?
	((status != 3)) || fail refused
	((status == 0)) || fail "status-$status"
	REPORT=$(</run/aimee-os/init-storage.json)
	[[ $REPORT =~ \"action\":\"(formatted|completed|nothing)\" ]] || fail action-unknown
	ACTION=${BASH_REMATCH[1]}
}

# --- what is on a device -------------------------------------------------------------------------

# look_untouched COMMAND...: looks at the top of the file system before anything has mounted it,
# without replaying a log. Prints "unmountable", or what COMMAND does.
look_untouched() {
	local status=0
	_look rescue=nologreplay "$@" || status=$?
	((status == UNMOUNTABLE)) || return "$status"
	echo unmountable
}

look_after() {
	_look defaults "$@"
}

_look() {
	local status=0
	mkdir -p top
	mount -t btrfs -o "ro,noatime,subvolid=5,$1" "$DEVICE" top 2>/dev/null || return "$UNMOUNTABLE"
	("${@:2}") || status=$?
	umount top
	return "$status"
}

file_system_id() {
	stat --file-system --format=%i top
}

# What comparing files does not show.
facts() {
	btrfs subvolume list "$1" | sed 's/.* path //' | sort
	btrfs subvolume get-default "$1" | sed 's/.* path //'
	find "$1" -name nocow -exec lsattr -d {} + | cut -d ' ' -f 1
}

compare_trees() {
	"${PYTHON[@]}" "$SYSTEM_TESTS/compare-trees" "$@"
}

# same_as FOLDER [TOUCHED...] -- [ABSENT...]: the top, but for the times of the first and for all of
# the others.
same_as() {
	local folder=$1 options=(--ignore mtime:. --ignore-xattr "$REQUEST_XATTR")
	while shift && [[ $1 != -- ]]; do
		options+=(--ignore "mtime:$1")
	done
	shift
	for _; do
		options+=(--exclude "$_")
	done
	compare_trees "${options[@]}" "$folder" top
}

# assert_complete TOUCHED... -- ABSENT...: an undisturbed boot would have left it so, and another
# one writes nothing.
assert_complete() {
	look_after _is_complete "$@" || fail incomplete
	_assert_nothing_to_do
}

_is_complete() {
	same_as reference "$@" && diff <(facts top) "$RECORDING/facts"
}

# Of /sys/block/DEVICE/stat: writes, sectors written, discards, sectors discarded.
_written() {
	local -a stat
	blockdev --flushbufs "$DEVICE"
	read -r -a stat <"/sys/block/${DEVICE#/dev/}/stat"
	WRITTEN="${stat[4]} ${stat[6]} ${stat[11]} ${stat[13]}"
}

_assert_nothing_to_do() {
	local before
	_written
	before=$WRITTEN
	boot
	[[ $ACTION == nothing ]] || fail "again-$ACTION"
	_written
	[[ $WRITTEN == "$before" ]] || fail "written-again"
}
