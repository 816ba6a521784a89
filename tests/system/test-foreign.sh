# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The table of states, foreign: what is on the device belongs to somebody.

_device() {
	make_tree tree
	make_device disk 192M "$@"
}

# _refuses WHAT: the message names it.
_refuses() {
	blkid -p "$disk" || :
	assert_refuses tree "$disk" foreign "$1"
	assert_json ".error | test(\"$1\"; \"i\")"
}

ext4_is_refused() {
	_device
	mkfs.ext4 -q "$disk"
	_refuses ext4
	# Where its magic is: 1024 + 0x38.
	assert_message '0x438|\b1080\b'
}

xfs_is_refused() {
	_device 512
	truncate -s 400M disk.img
	losetup -c "$disk"
	mkfs.xfs -q "$disk"
	_refuses xfs
}

vfat_is_refused() {
	_device
	mkfs.vfat "$disk" >/dev/null
	_refuses 'vfat|fat'
}

swap_is_refused() {
	_device
	mkswap "$disk" >/dev/null
	_refuses swap
}

a_gpt_is_refused() {
	_device
	echo 'type=L' | sfdisk --quiet --no-reread --no-tell-kernel --label gpt "$disk"
	_refuses gpt
}

a_gpt_without_any_partition_is_refused() {
	_device
	echo 'label: gpt' | sfdisk --quiet --no-reread --no-tell-kernel "$disk"
	_refuses gpt
}

a_gpt_whose_first_header_is_lost_is_refused() {
	_device
	echo 'type=L' | sfdisk --quiet --no-reread --no-tell-kernel --label gpt "$disk"
	garbage 512 | put "$disk" 512
	_refuses 'gpt|pmbr|dos'
}

an_mbr_is_refused() {
	_device
	echo ',,83' | sfdisk --quiet --no-reread --no-tell-kernel "$disk"
	_refuses 'dos|mbr'
}

luks2_is_refused() {
	_device
	echo password | cryptsetup luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -q "$disk" -
	_refuses luks
}

luks2_whose_first_header_is_lost_is_refused() {
	_device
	echo password | cryptsetup luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -q "$disk" -
	zeros 4096 | put "$disk" 0
	blkid -p "$disk" || skip "this libblkid does not look for the second header"
	_refuses luks
}

luks1_is_refused() {
	_device
	echo password | cryptsetup luksFormat --type luks1 --pbkdf-force-iterations 1000 -q "$disk" -
	_refuses luks
}

lvm_is_refused() {
	_device
	mkdir lvm
	LVM_SYSTEM_DIR=$PWD/lvm LVM_SUPPRESS_FD_WARNINGS=1 pvcreate -q -y --config 'devices{use_devicesfile=0}' "$disk" >/dev/null
	_refuses lvm
}

mdraid_is_refused() {
	_device
	"${PYTHON[@]}" "$HERE/image" mdraid "$disk"
	_refuses raid
}

squashfs_is_refused() {
	_device
	make_squashfs tree tree.squashfs
	put "$disk" 0 <tree.squashfs
	_refuses squashfs
}

iso9660_is_refused() {
	_device
	# A primary volume descriptor.
	printf '\1CD001\1\0LINUX                           CDROM' | put "$disk" 32768
	_refuses iso9660
}

ambivalent_signatures_are_refused_and_both_are_named() {
	local status=0
	_device
	mkfs.ext4 -q "$disk"
	"${PYTHON[@]}" "$HERE/image" swap "$disk"
	blkid -p "$disk" || status=$?
	[[ $status == 8 ]] || fail "libblkid does not find this ambivalent"
	_refuses 'ext4|swap|ambivalent|several|more than one'
	assert_message ext4
	assert_message swap
}

a_btrfs_with_another_signature_beside_it_is_refused() {
	local status=0
	_device
	make_btrfs "$disk"
	"${PYTHON[@]}" "$HERE/image" swap "$disk"
	blkid -p "$disk" || status=$?
	[[ $status == 8 ]] || fail "libblkid does not find this ambivalent"
	_refuses 'swap|ambivalent|several|more than one'
}

a_btrfs_under_a_partition_table_is_refused() {
	_device
	make_btrfs "$disk"
	echo 'type=L' | sfdisk --quiet --no-reread --no-tell-kernel --label gpt "$disk"
	_refuses 'gpt|ambivalent|several|more than one|partition'
}

a_wipefsd_btrfs_with_another_signature_is_refused() {
	_device
	make_btrfs "$disk"
	superblock "$disk" zero-magic
	"${PYTHON[@]}" "$HERE/image" swap "$disk"
	_refuses swap
}

an_unfinished_mkfs_with_another_signature_is_refused() {
	_device
	make_btrfs "$disk"
	superblock "$disk" set 'magic=!BHRfS_M'
	zeros 4096 | put "$disk" 64M
	"${PYTHON[@]}" "$HERE/image" swap "$disk"
	_refuses swap
}

# Zeroed at the beginning on purpose, and yet something at the end claims the device.
a_zeroed_beginning_with_a_raid_signature_at_the_end_is_refused() {
	_device
	make_btrfs "$disk"
	zeros 16777216 | put "$disk" 0
	# Metadata 0.90 lies in the last full 64 KiB.
	"${PYTHON[@]}" - "$disk" <<-'END'
		import os, struct, sys
		disk = os.open(sys.argv[1], os.O_RDWR)
		size = os.lseek(disk, 0, os.SEEK_END)
		block = struct.pack("<IIIIIIIIIIIII", 0xA92B4EFC, 0, 90, 0, 0, 1, 1600000000, 1, 100000, 2, 2, 0, 0)
		os.pwrite(disk, block.ljust(4096, b"\0"), (size & -65536) - 65536)
		os.fsync(disk)
	END
	blkid -p "$disk" | grep raid || fail "libblkid does not know this fixture"
	_refuses raid
}

# Its checksum does not fit, yet somebody's data may be behind it.
a_superblock_with_a_wrong_checksum_is_refused() {
	_device 512
	truncate -s 400M disk.img
	losetup -c "$disk"
	mkfs.xfs -q "$disk"
	# The label.
	printf 'changed' | put "$disk" 108
	_refuses xfs
}

a_foreign_device_is_refused_with_blank_zero_too() {
	_device
	mkfs.ext4 -q "$disk"
	only_var tree subvol=var,x-init-storage.blank=zero
	_refuses 'ext4|unknown data'
}

# The safe side of what was meant.
another_value_of_blank_is_an_error_and_taken_for_zero() {
	make_tree tree
	only_var tree subvol=var,x-init-storage.blank=yes
	make_device disk 192M
	garbage 512 | put "$disk" 4096
	remember_device "$disk"
	init tree "$disk"
	assert_refused "$disk"
	assert_message 'x-init-storage.blank= can only be zero'
	zeros 512 | put "$disk" 4096
	init tree "$disk"
	assert_status 1
	assert_complete tree "$disk"
}

a_refusal_does_not_depend_on_a_working_mkfs() {
	_device
	mkfs.ext4 -q "$disk"
	replace_mkfs <<-END
		#!/bin/sh
		exit 1
	END
	_refuses ext4
	restore_mkfs
}

a_read_only_foreign_device_is_refused() {
	_device
	mkfs.ext4 -q "$disk"
	detach_device "$disk"
	attach_device disk disk.img --read-only
	_refuses ext4
}
