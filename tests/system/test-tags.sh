# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Which device: the tags of fstab. The program runs without --root and --device here, with
# the test's tree as its root file system, and labels that no device of this machine bears.

# The tree as a root file system "root", with what mkfs.btrfs needs.
_appliance() {
	local library
	make_tree tree
	mkdir -p "tree$(dirname "$(mkfs_path)")" tree/mnt
	cp "$(mkfs_path)" "tree$(mkfs_path)"
	# The path that the program was built with may be the other one of a merged /usr.
	[[ -e tree/sbin ]] || ln -s usr/sbin tree/sbin
	while read -r library; do
		mkdir -p "tree$(dirname "$library")"
		cp -L "$library" "tree$library"
	done < <(ldd "$(mkfs_path)" | grep -o '/[^ ]*')
	label=$(unique_label)
	sed -i "s/PARTLABEL=data/PARTLABEL=$label/" tree/etc/fstab
}

_mount_root() {
	mkdir -p root
	mount --bind tree root
	mount -o remount,bind,ro root
}

_boot() {
	WRAPPER=("${PYTHON[@]}" "$HERE/in-root" "$PWD/root")
	run_program "$@"
	WRAPPER=()
}

# _fstab_for SOURCE [OPTION]: both entries on that source.
_fstab_for() {
	write_fstab tree <<-END
		$1 /var  btrfs subvol=var${2:+,$2} 0 0
		$1 /home btrfs subvol=home 0 0
	END
}

a_blank_partition_is_found_by_its_label_and_initialised() {
	_appliance
	_mount_root
	make_gpt_device disk 256M "$label"
	_boot
	assert_status 0
	assert_json ".action == \"formatted\" and .device == \"${disk}p1\""
	assert_complete tree "${disk}p1"
	remember_device "${disk}p1"
	_boot
	assert_status 0
	assert_json '.action == "nothing"'
	assert_device_unchanged "${disk}p1"
}

a_squashfs_root_with_var_mounted_over_is_initialised_from_the_image() {
	_appliance
	make_squashfs tree root.squashfs
	mount_image root.squashfs root
	mount -t tmpfs tmpfs root/var
	: >root/var/stranger
	make_gpt_device disk 256M "$label"
	_boot
	assert_status 0
	umount root/var
	assert_complete root "${disk}p1"
}

a_partition_is_found_by_its_uuid() {
	_appliance
	make_gpt_device disk 256M "$label"
	_fstab_for "PARTUUID=$(blkid -p -o value -s PART_ENTRY_UUID "${disk}p1")"
	_mount_root
	_boot
	assert_status 0
	assert_complete tree "${disk}p1"
}

a_device_is_found_by_its_path() {
	_appliance
	make_device disk 192M
	_fstab_for "$disk"
	_mount_root
	_boot
	assert_status 0
	assert_complete tree "$disk"
}

a_whole_disk_is_left_when_one_of_its_partitions_is_meant() {
	_appliance
	_mount_root
	make_gpt_device disk 512M other "$label"
	garbage 1M | put "${disk}p1" 0
	remember_device "${disk}p1"
	_boot
	assert_status 0
	assert_device_unchanged "${disk}p1"
	assert_complete tree "${disk}p2"
}

_refuses_two() {
	remember_device "$1"
	_boot
	assert_status 3
	assert_message "${2#/dev/}"
	assert_message "${3#/dev/}"
	assert_device_unchanged "$1"
}

one_label_on_two_partitions_of_a_disk_is_refused() {
	_appliance
	_mount_root
	make_gpt_device disk 400M "$label" "$label"
	_refuses_two "$disk" "${disk}p1" "${disk}p2"
}

one_label_on_partitions_of_two_disks_is_refused() {
	_appliance
	_mount_root
	make_gpt_device disk 192M "$label"
	make_gpt_device second 192M "$label"
	remember_device "$second"
	_boot
	assert_device_unchanged "$second"
	_refuses_two "$disk" "${disk}p1" "${second}p1"
}

one_label_on_two_partitions_is_refused_in_a_dry_run_too() {
	_appliance
	_mount_root
	make_gpt_device disk 400M "$label" "$label"
	remember_device "$disk"
	_boot --dry-run
	assert_status 3
	assert_device_unchanged "$disk"
}

a_second_partition_that_is_ambivalent_counts() {
	_appliance
	make_gpt_device disk 400M "$label" "$label"
	mkfs.ext4 -q "${disk}p2"
	head -c 4096 "${disk}p2" >ext4
	mkfs.btrfs -q -f "${disk}p2"
	dd if=ext4 of="${disk}p2" conv=notrunc status=none
	_mount_root
	remember_device "$disk"
	_boot --dry-run
	assert_status 3
	assert_message "${disk}p1.*${disk}p2"
	_boot
	assert_status 3
	assert_device_unchanged "$disk"
}

a_link_of_udev_in_fstab_is_taken_for_its_tag() {
	_appliance
	make_gpt_device disk 192M "$label"
	_fstab_for "/dev/disk/by-partlabel/$label"
	_mount_root
	_boot
	assert_status 0
	assert_json '.action == "formatted"'
}

of_two_partitions_of_one_label_none_is_ever_formatted() {
	_appliance
	_mount_root
	make_gpt_device disk 400M "$label" "$label"
	first_run tree "${disk}p1"
	remember_device "$disk"
	_boot
	[[ $STATUS == 0 || $STATUS == 3 ]]
	assert_device_unchanged "$disk"
}

a_label_that_no_device_bears_is_a_failure_at_once() {
	local start=$SECONDS
	_appliance
	_mount_root
	_boot
	assert_status 1
	assert_message "$label"
	((SECONDS - start < 6)) || fail "it waited for the device"
}

a_path_that_is_not_there_is_a_failure_at_once() {
	local start=$SECONDS
	_appliance
	_fstab_for "/dev/$label"
	_mount_root
	_boot
	assert_status 1
	assert_message "/dev/$label"
	((SECONDS - start < 6)) || fail "it waited for the device"
}

a_blank_device_with_a_file_system_label_and_no_locator_is_a_failure_that_says_what_to_do() {
	_appliance
	make_gpt_device disk 192M "$label"
	_fstab_for "LABEL=$label"
	_mount_root
	remember_device "$disk"
	_boot
	assert_status 1
	assert_message 'x-init-storage\.device'
	assert_message "LABEL=$label"
	assert_device_unchanged "$disk"
}

a_uuid_without_a_locator_is_a_failure_that_says_what_to_do() {
	_appliance
	make_gpt_device disk 192M "$label"
	_fstab_for UUID=12345678-9abc-4def-8123-456789abcdef
	_mount_root
	_boot
	assert_status 1
	assert_message 'x-init-storage\.device'
}

a_locator_finds_the_blank_device_and_mkfs_gets_the_label() {
	_appliance
	make_gpt_device disk 192M "$label"
	_fstab_for "LABEL=fs-$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	_boot
	assert_status 0
	[[ $(blkid -p -o value -s LABEL "${disk}p1") == "fs-$label" ]] || fail "the file system has another label"
	assert_complete tree "${disk}p1"
	# From now on the label itself is found.
	remember_device "${disk}p1"
	_boot
	assert_status 0
	assert_json '.action == "nothing"'
	assert_device_unchanged "${disk}p1"
}

a_locator_finds_the_blank_device_and_mkfs_gets_the_uuid() {
	local uuid
	_appliance
	uuid=$(</proc/sys/kernel/random/uuid)
	make_gpt_device disk 192M "$label"
	_fstab_for "UUID=$uuid" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	_boot
	assert_status 0
	[[ $(blkid -p -o value -s UUID "${disk}p1") == "$uuid" ]] || fail "the file system has another UUID"
	assert_json ".fsid == \"$uuid\""
	assert_complete tree "${disk}p1"
}

a_locator_that_is_a_path_serves_as_well() {
	_appliance
	make_device disk 192M
	_fstab_for "LABEL=$label" "x-init-storage.device=$disk"
	_mount_root
	_boot
	assert_status 0
	[[ $(blkid -p -o value -s LABEL "$disk") == "$label" ]]
	assert_complete tree "$disk"
}

with_a_device_of_the_label_the_locator_is_not_looked_at() {
	_appliance
	make_gpt_device disk 192M "$label"
	make_device labelled 192M
	make_btrfs --label "$label" "$labelled"
	_fstab_for "LABEL=$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	remember_device "$disk"
	_boot
	assert_status 0
	assert_device_unchanged "$disk"
	assert_complete tree "$labelled"
}

a_locator_that_nothing_bears_is_a_failure_at_once() {
	local start=$SECONDS
	_appliance
	_fstab_for "LABEL=$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	_boot
	assert_status 1
	assert_message "$label"
	((SECONDS - start < 6)) || fail "it waited for the device"
}

a_locator_that_two_partitions_bear_is_refused() {
	_appliance
	make_gpt_device disk 400M "$label" "$label"
	_fstab_for "LABEL=fs-$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	_refuses_two "$disk" "${disk}p1" "${disk}p2"
}

a_located_device_that_is_foreign_is_refused() {
	_appliance
	make_gpt_device disk 192M "$label"
	mkfs.ext4 -q "${disk}p1"
	_fstab_for "LABEL=fs-$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	remember_device "$disk"
	_boot
	assert_status 3
	assert_message ext4
	assert_device_unchanged "$disk"
}

# No label can be read from a damaged superblock.
a_located_device_that_is_damaged_is_refused() {
	_appliance
	make_gpt_device disk 192M "$label"
	make_btrfs --label "fs-$label" "${disk}p1"
	superblock "${disk}p1" flip 0x300
	_fstab_for "LABEL=fs-$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	remember_device "$disk"
	_boot
	assert_status 3
	assert_json '.state == "damaged"'
	assert_device_unchanged "$disk"
}

a_located_file_system_of_another_label_is_never_formatted() {
	_appliance
	make_gpt_device disk 192M "$label"
	make_btrfs --label "other-$label" "${disk}p1"
	_fstab_for "LABEL=fs-$label" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	_boot
	[[ $(blkid -p -o value -s LABEL "${disk}p1") == "other-$label" ]] || fail "the file system was replaced"
}

a_uuid_that_is_none_is_a_failure_that_writes_nothing() {
	_appliance
	make_gpt_device disk 192M "$label"
	_fstab_for "UUID=no-such-thing" "x-init-storage.device=PARTLABEL=$label"
	_mount_root
	remember_device "$disk"
	_boot
	assert_status 1
	assert_message 'no-such-thing'
	assert_device_unchanged "$disk"
}

# The option replaces the source; what the source promises must hold all the same, or the
# image that a factory makes would not be found by its own fstab.
a_device_given_on_the_command_line_gets_the_label_of_fstab() {
	make_tree tree
	label=$(unique_label)
	_fstab_for "LABEL=$label"
	make_device disk 192M
	first_run tree "$disk"
	[[ $(blkid -p -o value -s LABEL "$disk") == "$label" ]] || fail "the label of fstab was not given to mkfs"
	assert_complete tree "$disk"
}

a_device_given_on_the_command_line_gets_the_uuid_of_fstab() {
	local uuid
	uuid=$(</proc/sys/kernel/random/uuid)
	make_tree tree
	_fstab_for "UUID=$uuid"
	make_device disk 192M
	first_run tree "$disk"
	[[ $(blkid -p -o value -s UUID "$disk") == "$uuid" ]] || fail "the UUID of fstab was not given to mkfs"
	assert_complete tree "$disk"
}

a_label_that_looks_like_an_option_is_a_label() {
	make_tree tree
	_fstab_for LABEL=-f
	make_device disk 192M
	first_run tree "$disk"
	[[ $(blkid -p -o value -s LABEL "$disk") == -f ]] || fail "the label is $(blkid -p -o value -s LABEL "$disk")"
}

a_label_that_is_too_long_is_a_failure_that_writes_nothing() {
	make_tree tree
	_fstab_for "LABEL=$(printf 'x%.0s' {1..300})"
	make_device disk 192M
	assert_fails_unchanged tree "$disk" 'label'
}

a_partition_label_with_a_blank_in_it_is_found() {
	_appliance
	make_gpt_device disk 192M "my $label"
	_fstab_for "PARTLABEL=my\\040$label"
	_mount_root
	_boot
	assert_status 0
	assert_complete tree "${disk}p1"
}

entries_by_label_and_by_partition_label_are_the_same_device() {
	_appliance
	make_gpt_device disk 192M "$label"
	make_btrfs --label "fs-$label" "${disk}p1"
	write_fstab tree <<-END
		LABEL=fs-$label     /var  btrfs subvol=var 0 0
		PARTLABEL=$label /home btrfs subvol=home 0 0
	END
	_mount_root
	_boot
	assert_status 0
	assert_complete tree "${disk}p1"
}

entries_by_path_and_by_uuid_are_the_same_device() {
	_appliance
	make_gpt_device disk 192M "$label"
	make_btrfs "${disk}p1"
	write_fstab tree <<-END
		PARTLABEL=$label /var  btrfs subvol=var 0 0
		${disk}p1        /home btrfs subvol=home 0 0
		UUID=$(blkid -p -o value -s UUID "${disk}p1") /srv btrfs subvol=srv 0 0
		PARTLABEL=no-$label /mnt btrfs subvol=mnt 0 0
	END
	_mount_root
	_boot
	assert_status 0
	mount_top "${disk}p1"
	assert_usual_subvolumes top srv
	compare tree/home top/home
}

a_blank_device_of_several_names_is_one_device() {
	_appliance
	make_gpt_device disk 192M "$label"
	write_fstab tree <<-END
		PARTLABEL=$label /var  btrfs subvol=var 0 0
		${disk}p1        /home btrfs subvol=home 0 0
	END
	_mount_root
	_boot
	assert_status 0
	assert_complete tree "${disk}p1"
}

a_root_without_mkfs_is_a_failure_that_names_it() {
	_appliance
	rm "tree$(mkfs_path)"
	_mount_root
	make_gpt_device disk 192M "$label"
	remember_device "$disk"
	_boot
	assert_status 1
	assert_message 'mkfs\.btrfs'
	assert_device_unchanged "$disk"
}

the_root_directory_spelt_out_is_the_default_one() {
	_appliance
	_mount_root
	make_gpt_device disk 192M "$label"
	_boot --root=/
	assert_status 0
	assert_complete tree "${disk}p1"
}
