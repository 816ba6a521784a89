# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The table of states, the rows about btrfs: which device is blank, whole, damaged.

MIRROR=64M

_btrfs_device() {
	make_tree tree
	make_device disk "${1:-192M}"
	make_btrfs "${@:2}" "$disk"
	OLD_FSID=$(blkid -p -o value -s UUID "$disk")
	change_top "$disk"
	echo 'mine' >top/file
	unmount_top
}

_assert_new_file_system() {
	[[ $(blkid -p -o value -s UUID "$disk") != "$OLD_FSID" ]] || fail "the old file system is still there"
	superblock "$disk" whole --mirror=1 || fail "the second superblock is not whole"
	[[ $(superblock "$disk" show --mirror=1) == "fsid $(blkid -p -o value -s UUID "$disk")"* ]] || fail "the second superblock is an old one"
}

_assert_formats_anew() {
	assert_formats tree "$disk"
	_assert_new_file_system
}

# With a mkfs that fails, what the wipe before it has left can be seen.
_assert_wiped_before_mkfs() {
	local mirror
	replace_mkfs <<-END
		#!/bin/sh
		exit 1
	END
	init tree "$disk"
	assert_status 1
	restore_mkfs
	for mirror in 0 1; do
		! superblock "$disk" has-magic --mirror=$mirror || fail "superblock $mirror is still there"
	done
	[[ $(btrfs inspect-internal dump-super -s 1 "$disk" 2>&1) != *"$OLD_FSID"* ]] || fail "dump-super finds the old backup"
	! btrfs rescue super-recover -y "$disk" >/dev/null 2>&1 || fail "super-recover brought the old file system back"
	[[ ! $(blkid -p "$disk") ]] || fail "libblkid finds $(blkid -p "$disk")"
}

_assert_refuses_as_damaged() {
	assert_refuses tree "$disk" damaged "${1:-btrfs (rescue|check|restore)|btrfs-select-super}"
}

# --- blank for a reason ---------------------------------------------------------------------

a_wipefsd_btrfs_is_blank() {
	_btrfs_device
	wipefs -a -q "$disk"
	_assert_formats_anew
}

a_wipefsd_btrfs_is_wiped_whole_before_mkfs() {
	_btrfs_device
	wipefs -a -q "$disk"
	_assert_wiped_before_mkfs
	_assert_formats_anew
}

# slow
a_wipefsd_btrfs_with_each_checksum_is_blank() {
	local type
	for type in xxhash sha256 blake2; do
		_btrfs_device 192M --csum "$type"
		superblock "$disk" zero-magic
		_assert_formats_anew
		detach_device "$disk"
		rm -r tree disk.img
	done
}

# slow
# A backup at 256 GiB must not survive either.
a_wipefsd_btrfs_of_more_than_256_gib_loses_its_third_superblock() {
	_btrfs_device 257G
	superblock "$disk" whole --mirror=2
	wipefs -a -q "$disk"
	_assert_wiped_before_mkfs
	! superblock "$disk" has-magic --mirror=2 || fail "the superblock at 256 GiB is still there"
	first_run tree "$disk"
	_assert_new_file_system
}

a_primary_with_a_zeroed_magic_but_a_wrong_checksum_is_damaged() {
	_btrfs_device
	superblock "$disk" zero-magic
	superblock "$disk" flip 0x200
	_assert_refuses_as_damaged
}

_unfinished_mkfs() {
	_btrfs_device
	# The last thing that mkfs does is to write the true magic.
	superblock "$disk" set 'magic=!BHRfS_M' "$@"
}

an_unfinished_mkfs_is_blank() {
	_unfinished_mkfs
	zeros 4096 | put "$disk" $MIRROR
	_assert_formats_anew
}

an_unfinished_mkfs_with_a_wrong_checksum_is_blank() {
	_unfinished_mkfs checksum=keep
	zeros 4096 | put "$disk" $MIRROR
	_assert_formats_anew
}

mkfss_temporary_magic_with_a_whole_backup_is_damaged() {
	_unfinished_mkfs
	superblock "$disk" whole --mirror=1
	_assert_refuses_as_damaged
}

# slow
# limit: 150
# Whatever mkfs.btrfs has written when the power goes.
a_mkfs_killed_at_any_write_is_made_up_for() {
	local number last
	make_tree tree
	make_device disk 128M
	strace -f -o calls -e trace=pwrite64 mkfs.btrfs -q "$disk" >/dev/null
	last=$(count_calls calls | awk '$1 == "pwrite64" { print $2 }')
	((last > 10)) || fail "mkfs.btrfs writes in another way than this test thinks"
	for ((number = 1; number <= last; number += 1 + last / 24)); do
		zeros 128M | put "$disk" 0
		{ strace -f -o /dev/null -e inject=pwrite64:signal=KILL:when=$number mkfs.btrfs -q "$disk"; } >/dev/null 2>&1 || :
		echo "killed at write $number of $last: $(blkid -p "$disk")"
		first_run tree "$disk"
		assert_complete tree "$disk"
	done
}

_overwrite_beginning() {
	_btrfs_device
	"$1" "$2" | put "$disk" 0
	superblock "$disk" whole --mirror=1
}

a_beginning_of_16_mib_of_zeros_is_blank_though_a_backup_is_whole() {
	_overwrite_beginning zeros 16777216
	_assert_formats_anew
}

a_beginning_of_16_mib_of_ones_is_blank_though_a_backup_is_whole() {
	_overwrite_beginning ones 16777216
	_assert_formats_anew
}

a_zeroed_beginning_is_wiped_whole_before_mkfs() {
	_overwrite_beginning zeros 16777216
	_assert_wiped_before_mkfs
}

a_beginning_of_zeros_with_one_other_byte_is_damaged() {
	_overwrite_beginning zeros 16777216
	printf 'x' | put "$disk" 16777215
	_assert_refuses_as_damaged
}

a_beginning_of_zeros_and_ones_is_damaged() {
	_overwrite_beginning zeros 16777216
	ones 8388608 | put "$disk" 8388608
	_assert_refuses_as_damaged
}

a_beginning_of_zeros_that_is_too_short_is_damaged() {
	_overwrite_beginning zeros 1048576
	_assert_refuses_as_damaged
}

a_zeroed_beginning_whose_backup_is_damaged_too_is_blank() {
	_overwrite_beginning zeros 1048576
	superblock "$disk" flip --mirror=1 0x200
	_assert_formats_anew
}

# --- damaged --------------------------------------------------------------------------------

a_primary_of_garbage_with_a_whole_backup_is_damaged() {
	_overwrite_beginning garbage 131072
	_assert_refuses_as_damaged
}

a_primary_of_garbage_whose_backup_is_damaged_too_is_blank() {
	_overwrite_beginning garbage 131072
	superblock "$disk" flip --mirror=1 0x200
	assert_formats tree "$disk"
}

a_backup_that_belongs_elsewhere_is_not_whole() {
	_overwrite_beginning garbage 131072
	superblock "$disk" set --mirror=1 bytenr=65536
	assert_formats tree "$disk"
}

# A smaller file system in the same place, then a larger one over it.
a_backup_of_a_larger_device_is_not_whole() {
	_overwrite_beginning garbage 131072
	superblock "$disk" set --mirror=1 total_bytes=999999999999 device_bytes=999999999999
	assert_formats tree "$disk"
}

_wrong_checksum() {
	_btrfs_device 192M --csum "$1"
	superblock "$disk" flip 0x300
	_assert_refuses_as_damaged
}

a_wrong_crc32c_checksum_is_damaged() { _wrong_checksum crc32c; }
a_wrong_xxhash_checksum_is_damaged() { _wrong_checksum xxhash; }
a_wrong_sha256_checksum_is_damaged() { _wrong_checksum sha256; }
a_wrong_blake2_checksum_is_damaged() { _wrong_checksum blake2; }

a_wrong_checksum_is_damaged_without_any_backup_too() {
	_btrfs_device
	superblock "$disk" flip 0x300
	zeros 4096 | put "$disk" $MIRROR
	# There is little that could mend it.
	_assert_refuses_as_damaged 'btrfs '
}

a_flipped_bit_in_the_checksum_itself_is_damaged() {
	_btrfs_device
	superblock "$disk" flip 0
	_assert_refuses_as_damaged
}

a_flipped_bit_in_the_magic_is_damaged() {
	_btrfs_device
	superblock "$disk" flip 0x44
	_assert_refuses_as_damaged
}

# Neither blank nor to be mounted, however the state is called.
_never_formatted() {
	remember_device "$disk"
	init tree "$disk"
	[[ $STATUS == 1 || $STATUS == 3 ]] || fail "exit status $STATUS"
	assert_device_unchanged "$disk"
}

a_primary_with_another_bytenr_is_never_formatted() {
	_btrfs_device
	superblock "$disk" set bytenr=67108864
	_never_formatted
}

a_file_system_larger_than_its_device_is_never_formatted() {
	_btrfs_device
	superblock "$disk" set total_bytes=999999999999 device_bytes=999999999999
	_never_formatted
}

a_truncated_device_is_never_formatted() {
	_btrfs_device 256M
	detach_device "$disk"
	truncate -s 160M disk.img
	attach_device disk disk.img
	_never_formatted
}

an_unknown_checksum_type_is_never_formatted() {
	_btrfs_device
	superblock "$disk" set csum_type=77 checksum=keep
	_never_formatted
}

# --- whole ----------------------------------------------------------------------------------

_completes() {
	_btrfs_device 192M "$@"
	first_run tree "$disk"
	assert_json '.state == "btrfs" and .action == "completed"'
	[[ $(blkid -p -o value -s UUID "$disk") == "$OLD_FSID" ]]
	mount_top "$disk"
	assert_content top/file mine
	compare --extra lib/aimee-os tree/var top/var
}

a_btrfs_with_crc32c_is_completed() { _completes --csum crc32c; }
a_btrfs_with_xxhash_is_completed() { _completes --csum xxhash; }
a_btrfs_with_sha256_is_completed() { _completes --csum sha256; }
a_btrfs_with_blake2_is_completed() { _completes --csum blake2; }
a_btrfs_with_mixed_block_groups_is_completed() { _completes --mixed; }

a_btrfs_whose_backup_is_lost_is_completed() {
	_btrfs_device
	zeros 4096 | put "$disk" $MIRROR
	first_run tree "$disk"
	assert_json '.action == "completed"'
	mount_top "$disk"
	assert_content top/file mine
}

a_btrfs_that_does_not_mount_is_a_failure_and_unchanged() {
	_btrfs_device
	superblock "$disk" set incompat+=0x4000000000000000
	assert_fails_unchanged tree "$disk" 'mount'
}

# slow
a_btrfs_whose_trees_are_garbage_is_a_failure_and_unchanged() {
	local offset
	_btrfs_device
	# The chunk tree and all else but the superblocks.
	for offset in 1M 16M 32M 48M; do
		garbage 15M | put "$disk" $offset
	done
	garbage 100M | put "$disk" 80M
	assert_fails_unchanged tree "$disk" "${disk#/dev/}"
}

# --- blank=zero -----------------------------------------------------------------------------

_strict_device() {
	make_tree tree
	only_var tree subvol=var,x-init-storage.blank=zero
	make_device disk 192M
}

_assert_unknown_data() {
	assert_refuses tree "$disk" foreign 'unknown data'
}

strictly_a_device_of_zeros_is_blank() {
	_strict_device
	assert_formats tree "$disk"
}

strictly_a_device_of_ones_is_blank() {
	_strict_device
	ones 1048576 | put "$disk" 0
	assert_formats tree "$disk"
}

strictly_a_device_with_data_is_foreign() {
	_strict_device
	garbage 1048576 | put "$disk" 0
	_assert_unknown_data
}

strictly_one_byte_at_the_end_of_the_first_mib_is_data() {
	_strict_device
	printf 'x' | put "$disk" 1048575
	_assert_unknown_data
}

strictly_zeros_and_ones_are_data() {
	_strict_device
	ones 524288 | put "$disk" 524288
	_assert_unknown_data
}

strictly_data_around_a_wiped_signature_counts() {
	_strict_device
	mkfs.btrfs -q "$disk"
	wipefs -q -a "$disk"
	garbage 65536 | put "$disk" 0
	_assert_unknown_data
}

strictly_the_place_of_the_superblock_does_not_count() {
	_strict_device
	garbage 4096 | put "$disk" 65536
	assert_formats tree "$disk"
}

strictly_the_bytes_around_the_superblock_count() {
	_strict_device
	printf 'x' | put "$disk" 65535
	_assert_unknown_data
	zeros 1 | put "$disk" 65535
	printf 'x' | put "$disk" $((65536 + 4096))
	_assert_unknown_data
}

strictly_what_lies_behind_the_first_mib_does_not_count() {
	_strict_device
	garbage 1048576 | put "$disk" 1048576
	assert_formats tree "$disk"
}

strictly_a_btrfs_is_completed_as_ever() {
	_strict_device
	make_btrfs "$disk"
	garbage 4096 | put "$disk" 0
	first_run tree "$disk"
	assert_json '.action == "completed"'
	assert_complete tree "$disk"
}

# --- several devices -------------------------------------------------------------------------

_two_devices() {
	make_tree tree
	make_device disk 192M
	make_device second 192M
	make_btrfs -d raid1 -m raid1 "$disk" "$second"
	btrfs device scan "$disk" "$second" >/dev/null
}

a_file_system_of_two_devices_is_completed() {
	local before
	_two_devices
	first_run tree "$disk"
	assert_json '.state == "btrfs" and .action == "completed"'
	mount_top "$disk"
	assert_usual_subvolumes top
	compare --extra lib/aimee-os tree/var top/var
	unmount_top
	before=$(device_sum "$second")
	assert_nothing_to_do tree "$disk"
	[[ $(device_sum "$second") == "$before" ]] || fail "$second was written to"
	# Either device stands for the whole.
	assert_nothing_to_do tree "$second"
}

a_file_system_with_one_device_missing_is_a_failure_and_unchanged() {
	_two_devices
	btrfs device scan --forget "$second"
	detach_device "$second"
	assert_fails_unchanged tree "$disk" "${disk#/dev/}"
}

a_file_system_of_two_devices_is_never_wiped() {
	_two_devices
	superblock "$disk" zero-magic
	remember_device "$disk"
	init tree "$disk"
	assert_refused "$disk"
	superblock "$second" whole
}

a_file_system_of_two_devices_is_not_wiped_for_a_zeroed_beginning() {
	_two_devices
	zeros 16777216 | put "$disk" 0
	superblock "$disk" whole --mirror=1
	remember_device "$disk"
	init tree "$disk"
	assert_refused "$disk"
}

# --- unreadable -------------------------------------------------------------------------------

# _bad_blocks OFFSET...: a writable device on which those blocks cannot be read: they lie on
# a btrfs below, whose checksums they no longer fit.
_bad_blocks() {
	local offset file
	file=lower/$(inner_name)
	make_tree tree
	truncate -s 512M lower.img
	make_btrfs -m single -d single lower.img
	mkdir lower
	mount -o loop,datasum lower.img lower
	truncate -s 128M "$file"
	for offset; do
		"${PYTHON[@]}" -c 'import sys; sys.stdout.buffer.write(b"\0-a-block-that-goes-bad\n" * 171)' | dd bs=4096 count=1 iflag=fullblock status=none | put "$file" "$offset"
	done
	umount lower
	"${PYTHON[@]}" - <<-'END'
		import os
		image = os.open("lower.img", os.O_RDWR)
		pattern = b"\0-a-block-that-goes-bad\n" * 8
		place, end = 0, os.fstat(image).st_size
		while place < end:
		    try:
		        place = os.lseek(image, place, os.SEEK_DATA)
		    except OSError:
		        break
		    block = os.pread(image, 4096, place)
		    if block.startswith(pattern):
		        os.pwrite(image, b"X", place + 100)
		    place += 4096
	END
	mount -o loop,datasum lower.img lower
	attach_device disk "$file"
	! dd if="$disk" of=/dev/null bs=4096 skip="$(($1 / 4096))" count=1 status=none 2>/dev/null || fail "the bad block can be read"
}

_assert_unreadable() {
	init tree "$disk"
	assert_status 1
	assert_message 'input/output error'
	assert_message "${disk#/dev/}"
	assert_json '.state == "unreadable" and .action == "failed"'
	[[ ! $(blkid -p "$disk" 2>/dev/null) ]] || fail "it was formatted: $(blkid -p "$disk")"
}

an_unreadable_primary_is_a_failure() {
	_bad_blocks 65536
	_assert_unreadable
}

an_unreadable_beginning_is_a_failure() {
	_bad_blocks 0
	_assert_unreadable
}

an_unreadable_backup_is_a_failure() {
	_bad_blocks 67108864
	_assert_unreadable
}

an_unreadable_block_that_strictly_counts_is_a_failure() {
	_bad_blocks 524288
	only_var tree subvol=var,x-init-storage.blank=zero
	_assert_unreadable
}

# limit: 150
# slow
any_failing_read_of_the_device_is_a_failure_that_writes_nothing() {
	local call number last
	make_tree tree
	make_device disk 128M
	init tree "$disk" --dry-run
	strace -f -o calls -P "$disk" -e trace=read,pread64,preadv,preadv2 \
		"$INIT_STORAGE" --root=tree --device="$disk" --dry-run
	[[ -s calls ]] || fail "no reads of the device were seen"
	remember_device "$disk"
	while read -r call last; do
		for ((number = 1; number <= last; number++)); do
			WRAPPER=(strace -f -o /dev/null -P "$disk" -e "trace=$call" -e "inject=$call:error=EIO:when=$number")
			init tree "$disk"
			assert_status 1
			assert_message 'input/output error'
			assert_device_unchanged "$disk"
		done
	done < <(count_calls calls)
}
