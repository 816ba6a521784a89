# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# Signatures of a disk's earlier lives, beside the btrfs that is reset.

_file_system() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	leave_traces "$disk"
}

# Whether KIND's own tool, and libblkid, find it.
_tool_finds() {
	case $1 in
	ext4) { dumpe2fs -h "$disk" || :; } | grep 'Filesystem UUID' ;;
	gpt) sfdisk --dump "$disk" ;;
	gpt-backup | swap) wipefs "$disk" | grep -E 'gpt|swap' ;;
	luks2*) _cryptsetup_finds ;;
	mdraid*) mdadm --examine "$disk" ;;
	esac >found 2>&1
}

# On a copy, and without the btrfs: of one header that is left cryptsetup makes the other one
# again, where nothing else is.
_cryptsetup_finds() {
	local found=0
	cp --sparse=always disk.img luks.img
	wipefs --quiet --all --types btrfs luks.img
	cryptsetup luksDump luks.img || found=$?
	rm luks.img
	return "$found"
}

_plant() {
	"$HERE/leftovers" "$1" "$disk"
	blockdev --flushbufs "$disk"
	_tool_finds "$1" || fail "$1 is not found before: $(tail -n 3 found)"
	[[ $(blkid -p -o value -s TYPE "$disk" 2>/dev/null || echo several) != btrfs ]] || wipefs "$disk" | grep -qv btrfs
}

_assert_all_gone() {
	local kind
	blockdev --flushbufs "$disk"
	assert_wiped "$disk"
	for kind; do
		! _tool_finds "$kind" || fail "$kind is still found: $(tail -n 3 found)"
	done
}

# _wiped_with KIND...: planted after the request, as the request was for this file system.
_wiped_with() {
	local kind
	_file_system
	request "$disk"
	for kind; do
		_plant "$kind"
	done
	run_reset --device="$disk" --now
	assert_status 0
	_assert_all_gone "$@"
	init tree "$disk"
	assert_status 0
	assert_reset tree "$disk"
}

ext4_below_is_wiped_with_it() {
	_wiped_with ext4
}

a_partition_table_is_wiped_with_it() {
	_wiped_with gpt
}

the_backup_of_a_partition_table_is_wiped_with_it() {
	_wiped_with gpt-backup
}

swap_below_is_wiped_with_it() {
	_wiped_with swap
}

a_raid_member_of_version_0_90_is_wiped_with_it() {
	_wiped_with mdraid-0.90
}

a_raid_member_of_version_1_0_is_wiped_with_it() {
	_wiped_with mdraid-1.0
}

both_luks2_headers_are_wiped_with_it() {
	_wiped_with luks2
}

# The first one was where the btrfs is now.
a_second_luks2_header_far_from_the_beginning_is_wiped_with_it() {
	_wiped_with luks2-second
}

several_lives_are_wiped_with_it() {
	_wiped_with ext4 gpt-backup mdraid-0.90 mdraid-1.0
}

# --- before the request ---------------------------------------------------------------------------

# _requested_with KIND: it was there when the file system was made, and mounts all the same.
_requested_with() {
	_file_system
	_plant "$1"
	request "$disk"
	assert_armed
	run_reset --device="$disk" --now
	assert_status 0
	_assert_all_gone "$1"
}

a_request_is_taken_with_ext4_below() {
	_requested_with ext4
}

a_request_is_taken_with_the_backup_of_a_partition_table() {
	_requested_with gpt-backup
}

a_request_is_taken_with_a_raid_member_s_superblock_at_the_end() {
	_requested_with mdraid-1.0
}

# --yes names a device, not a file system: it is no licence for what is ambivalent.
an_ambivalent_device_is_not_wiped_without_a_request() {
	_file_system
	_plant ext4
	remember_device "$disk"
	run_reset --device="$disk" --now --yes
	assert_status 3
	assert_message ext4
	assert_device_unchanged "$disk"
}

an_ambivalent_device_with_another_file_system_is_not_wiped() {
	_file_system
	request "$disk"
	make_btrfs --force "$disk"
	_plant ext4
	remember_device "$disk"
	run_reset --device="$disk" --now
	assert_status 3
	assert_device_unchanged "$disk"
}

# What init-storage finds is foreign, whatever request lies in it.
the_next_boot_does_not_touch_an_ambivalent_device() {
	_file_system
	request "$disk"
	lose_run
	_plant ext4
	assert_refuses tree "$disk" foreign ext4
}
