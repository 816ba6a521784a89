# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The first boot: a blank device, and everything the image's fstab asks for.

a_blank_device_is_formatted_and_filled() {
	make_tree tree
	make_device disk 192M
	assert_formats tree "$disk"
}

a_device_with_old_bytes_but_no_signature_is_blank() {
	make_tree tree
	make_device disk 192M
	garbage 3M | put "$disk" 0
	garbage 1M | put "$disk" 64M
	assert_formats tree "$disk"
}

a_tree_that_is_a_mounted_squashfs_is_copied() {
	make_tree tree
	make_squashfs tree root.squashfs
	mount_image root.squashfs root
	make_device disk 192M
	first_run root "$disk"
	mount_top "$disk"
	assert_whole root top
}

a_relative_root_and_a_symlink_to_the_device_are_taken() {
	make_tree tree
	make_device disk 192M
	ln -s "$disk" link
	run_program --root=./tree/../tree --device=link
	assert_status 0
	assert_complete tree "$disk"
}

a_partition_is_initialised_and_its_neighbours_are_left() {
	make_tree tree
	make_gpt_device disk 400M first second
	garbage 1M | put "${disk}p1" 0
	remember_device "${disk}p1"
	first_run tree "${disk}p2"
	assert_device_unchanged "${disk}p1"
	assert_complete tree "${disk}p2"
	sfdisk --verify "$disk"
}

a_device_with_4_kib_sectors_is_initialised() {
	make_tree tree
	make_device disk 192M 4096
	assert_formats tree "$disk"
}

standard_output_stays_empty() {
	make_tree tree
	make_device disk 192M
	init tree "$disk"
	[[ ! -s stdout ]]
}

the_state_folder_is_private() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	assert_mode '700 0:0' top/var/lib/aimee-os
	assert_is_subvolume top/var/lib/aimee-os/etc
	assert_is_plain_directory top/var/lib/aimee-os
}

directories_that_the_image_lacks_are_made() {
	make_tree tree
	rm -r tree/var/log tree/var/tmp tree/home
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	assert_usual_subvolumes top
	assert_mode '755 0:0' top/var/log
	assert_mode '755 0:0' top/home
	[[ $(names_in top/home)$(names_in top/var/log) == '' ]]
	compare --extra lib/aimee-os --extra log --extra tmp --ignore mtime: tree/var top/var
}

an_image_with_an_empty_var_gets_its_subvolumes() {
	make_tree tree
	rm -r tree/var
	mkdir -m 0711 tree/var
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	assert_usual_subvolumes top
	assert_mode '711 0:0' top/var
}

a_restrictive_umask_changes_no_mode() {
	make_tree tree
	rm -r tree/var/log
	make_device disk 192M
	umask 0777
	init tree "$disk"
	umask 0022
	assert_status 0
	mount_top "$disk"
	assert_mode '755 0:0' top/var/log
	assert_mode '700 0:0' top/var/lib/aimee-os
	compare --extra lib/aimee-os --extra log --ignore mtime: tree/var top/var
}

# A file opened by a program without standard descriptors gets their numbers.
closed_standard_descriptors_let_no_message_reach_the_device() {
	make_tree tree
	make_device foreign 192M
	mkfs.ext4 -q "$foreign"
	remember_device "$foreign"
	STATUS=0
	"$INIT_STORAGE" --root=tree --device="$foreign" <&- >&- 2>&- || STATUS=$?
	assert_status 3
	assert_device_unchanged "$foreign"
	make_device disk 192M
	STATUS=0
	"$INIT_STORAGE" --root=tree --device="$disk" <&- >&- 2>&- || STATUS=$?
	assert_status 0
	assert_complete tree "$disk"
}

nothing_is_mounted_outside_of_the_programs_own_namespace() {
	local pid
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/cache/large" 24
	make_device disk 256M
	# What is mounted below a shared mount would show here.
	mount --bind . .
	mount --make-rshared /
	"$INIT_STORAGE" --root=tree --device="$disk" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		! grep -q btrfs /proc/self/mountinfo || fail "the mount of the data device is seen from outside"
	done
	wait "$pid"
	mount --make-rprivate /
}

# Mounts below the tree (a running system has many) hide what the image has there.
the_image_is_copied_and_not_what_is_mounted_on_it() {
	make_tree tree
	mkdir hidden
	echo 'not of the image' >hidden/stranger
	make_device disk 192M
	mount --bind hidden tree/var/cache
	mount --bind hidden tree/home
	mount -t tmpfs tmpfs tree/var/lib/app
	first_run tree "$disk"
	umount tree/var/cache tree/home tree/var/lib/app
	assert_complete tree "$disk"
}

a_mounted_var_does_not_hide_the_images_var() {
	make_tree tree
	make_device disk 192M
	mount -t tmpfs tmpfs tree/var
	: >tree/var/stranger
	first_run tree "$disk"
	umount tree/var
	assert_complete tree "$disk"
}

the_device_is_free_afterwards() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	"${PYTHON[@]}" -c 'import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)' "$disk"
}
