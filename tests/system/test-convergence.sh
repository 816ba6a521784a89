# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Later boots: what is there stays, what is missing is made, and nothing else is done.

_filled_device() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
}

a_second_run_changes_not_one_byte() {
	_filled_device
	assert_nothing_to_do tree "$disk"
	assert_nothing_to_do tree "$disk"
	assert_complete tree "$disk"
}

what_the_appliance_did_meanwhile_is_left_alone() {
	_filled_device
	change_top "$disk"
	echo 'changed' >top/var/lib/app/state/file
	rm top/var/lib/app/data
	rm -r top/var/cache
	echo 'new' >top/home/user/new
	chmod 0600 top/var/spool/mail/user
	echo 'root:hash:1::::::' >top/var/lib/aimee-os/etc/shadow
	cp -a --reflink=never top/var before
	unmount_top
	assert_nothing_to_do tree "$disk"
	mount_top "$disk"
	compare before top/var
	assert_content top/home/user/new new
}

# By hand on the appliance: the kernel refuses a file system on a mount of itself.
a_run_while_the_file_system_is_mounted_on_var_adds_what_is_missing() {
	_filled_device
	mount -t btrfs -o subvol=var "$disk" /var
	mkdir -p tree/srv
	echo 'PARTLABEL=data /srv btrfs subvol=srv 0 0' >>tree/etc/fstab
	init tree "$disk"
	assert_status 0
	assert_json '[.subvolumes[] | select(.action == "created") | .path] == ["srv"]'
	[[ -e /var/lib/app/data ]] || fail "/var has gone"
	umount /var
}

a_missing_managed_entry_is_added_and_the_rest_left() {
	_filled_device
	change_top "$disk"
	echo 'mine' >top/var/lib/app/state/file
	unmount_top
	mkdir -p tree/opt/app
	echo 'optional' >tree/opt/app/file
	echo 'PARTLABEL=data /opt btrfs subvol=optional 0 0' >>tree/etc/fstab
	first_run tree "$disk"
	assert_json '.state == "btrfs" and .action == "completed"'
	assert_json '[.subvolumes[] | select(.action == "created") | .path] == ["optional"]'
	mount_top "$disk"
	assert_usual_subvolumes top optional
	compare tree/opt top/optional
	assert_content top/var/lib/app/state/file mine
	unmount_top
	assert_nothing_to_do tree "$disk"
}

a_deleted_subvolume_is_made_again_from_the_image() {
	_filled_device
	change_top "$disk"
	btrfs subvolume delete top/home >/dev/null
	unmount_top
	first_run tree "$disk"
	assert_json '.action == "completed"'
	assert_complete tree "$disk"
}

a_new_nested_entry_is_added_to_an_existing_subvolume() {
	_filled_device
	mkdir -p tree/var/lib/containers/storage
	echo 'layer' >tree/var/lib/containers/storage/file
	only_var tree subvol=var,x-init-storage.subvol=log:tmp:lib/containers
	first_run tree "$disk"
	assert_json '.action == "completed"'
	mount_top "$disk"
	assert_is_subvolume top/var/lib/containers
	compare tree/var/lib/containers top/var/lib/containers
	# Below a directory that it had to make as well.
	unmount_top
	only_var tree subvol=var,x-init-storage.subvol=log:tmp:lib/containers:new/in/depth
	first_run tree "$disk"
	mount_top "$disk"
	assert_is_subvolume top/var/new/in/depth
	assert_is_plain_directory top/var/new/in
	assert_mode '755 0:0' top/var/new
}

a_folder_of_somebody_else_with_our_folders_name_is_left() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	change_top "$disk"
	mkdir -m 0755 top/home/.init-storage
	echo data >top/home/.init-storage/data
	mkdir -m 0700 top/var/tmp/.init-storage
	echo data >top/var/tmp/.init-storage/data
	chown -R 1000 top/var/tmp/.init-storage
	unmount_top
	assert_nothing_to_do tree "$disk"
	echo 'PARTLABEL=data /srv btrfs subvol=srv 0 0' >>tree/etc/fstab
	mkdir -p tree/srv
	first_run tree "$disk"
	mount_top "$disk"
	assert_content top/home/.init-storage/data data
	assert_content top/var/tmp/.init-storage/data data
	assert_is_subvolume top/srv
}

a_setgid_subvolume_can_be_completed() {
	make_tree tree
	mkdir -p tree/srv
	chmod 2775 tree/srv
	echo 'PARTLABEL=data /srv btrfs subvol=srv 0 0' >>tree/etc/fstab
	make_device disk 192M
	first_run tree "$disk"
	sed -i 's/subvol=srv/subvol=srv,x-init-storage.nodatacow=db/' tree/etc/fstab
	first_run tree "$disk"
	assert_nothing_to_do tree "$disk"
	mount_top "$disk"
	assert_absent top/srv/.init-storage
	[[ $(lsattr -d top/srv/db) == *C* ]] || fail "db is not NOCOW"
}

what_is_to_be_nocow_and_is_there_already_is_marked_if_it_is_a_directory() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	sed -i '/\/var /s/subvol=var/subvol=var,x-init-storage.nodatacow=lib\/app:cache:lib\/app\/data:lib\/app\/link/' tree/etc/fstab
	first_run tree "$disk"
	assert_message 'var/lib/app: new files in it are NOCOW'
	assert_message 'var/cache: new files in it are NOCOW'
	mount_top "$disk"
	[[ $(lsattr -d top/var/lib/app) == *C* && $(lsattr -d top/var/cache) == *C* ]] || fail "not NOCOW"
	compare tree/var/lib/app/data top/var/lib/app/data
	[[ -L top/var/lib/app/link && $(lsattr top/var/lib/app/data) != *C* ]] || fail "more than the directory was changed"
	unmount_top
	assert_nothing_to_do tree "$disk"
}

default_names_that_the_image_has_as_links_are_left() {
	make_tree tree
	rm -r tree/var/log tree/var/tmp
	ln -s volatile/log tree/var/log
	ln -s volatile/tmp tree/var/tmp
	make_device disk 192M
	first_run tree "$disk"
	assert_nothing_to_do tree "$disk"
	mount_top "$disk"
	[[ -L top/var/log && -L top/var/tmp ]] || fail "the links are gone"
}

an_acl_of_the_subvolume_is_not_passed_on_to_what_is_added() {
	make_tree tree
	mkdir tree/var/acl
	make_device disk 192M
	first_run tree "$disk"
	change_top "$disk"
	setfacl -m d:u:1000:rwx top/var
	unmount_top
	mkdir -m 0750 tree/var/lib/db
	sed -i '/\/var /s/subvol=var/subvol=var,x-init-storage.nodatacow=lib\/db/' tree/etc/fstab
	first_run tree "$disk"
	mount_top "$disk"
	! getfacl --skip-base --omit-header top/var/lib/db | grep -q . || fail "it got $(getfacl top/var/lib/db)"
	[[ $(stat -c %a top/var/lib/db) == 750 ]] || fail "its mode is $(stat -c %a top/var/lib/db)"
}

a_deleted_nested_subvolume_is_made_again() {
	_filled_device
	change_top "$disk"
	btrfs subvolume delete top/var/log top/var/lib/aimee-os/etc >/dev/null
	unmount_top
	first_run tree "$disk"
	assert_json '.action == "completed"'
	mount_top "$disk"
	assert_usual_subvolumes top
	compare tree/var/log top/var/log
	compare tree/etc/shadow top/var/lib/aimee-os/etc/shadow
}

a_plain_directory_at_a_nested_name_is_left_and_reported() {
	_filled_device
	mkdir -p tree/var/lib/containers
	echo 'of the image' >tree/var/lib/containers/file
	change_top "$disk"
	mkdir -p top/var/lib/containers
	echo 'mine' >top/var/lib/containers/mine
	unmount_top
	only_var tree subvol=var,x-init-storage.subvol=log:tmp:lib/containers
	init tree "$disk"
	assert_status 0
	assert_message 'lib/containers'
	mount_top "$disk"
	assert_is_plain_directory top/var/lib/containers
	[[ $(names_in top/var/lib/containers) == 'mine ' ]]
}

a_state_folder_that_is_a_plain_directory_still_serves() {
	_filled_device
	change_top "$disk"
	btrfs subvolume delete top/var/lib/aimee-os/etc >/dev/null
	mkdir top/var/lib/aimee-os/etc
	unmount_top
	init tree "$disk"
	assert_status 0
	mount_top "$disk"
	compare tree/etc/shadow top/var/lib/aimee-os/etc/shadow
}

an_empty_subvolume_made_by_hand_is_present_and_not_filled() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	btrfs subvolume create top/var >/dev/null
	btrfs subvolume create top/home >/dev/null
	unmount_top
	first_run tree "$disk"
	assert_json '.action == "completed"'
	mount_top "$disk"
	assert_usual_subvolumes top
	[[ $(names_in top/home) == '' ]]
	assert_absent top/var/cache
	compare tree/etc/shadow top/var/lib/aimee-os/etc/shadow
	compare tree/var/log top/var/log
}

a_btrfs_made_by_hand_keeps_every_file_and_gets_what_is_missing() {
	make_tree tree
	make_device disk 192M
	make_btrfs --label mine "$disk"
	change_top "$disk"
	mkdir -p top/photos/2020
	garbage 300000 >top/photos/2020/one
	echo 'note' >top/note
	btrfs subvolume create top/snapshots >/dev/null
	echo 'old' >top/snapshots/file
	cp -a top before
	unmount_top
	first_run tree "$disk"
	assert_json '.state == "btrfs" and .action == "completed"'
	mount_top "$disk"
	assert_usual_subvolumes top snapshots
	compare --extra var --extra home --ignore mtime: before top
	compare --extra lib/aimee-os tree/var top/var
	[[ $(blkid -p -o value -s LABEL "$disk") == mine ]]
}

a_stale_staging_folder_is_removed_with_its_subvolumes() {
	_filled_device
	change_top "$disk"
	mkdir -m 0700 top/.init-storage
	btrfs subvolume create top/.init-storage/home >/dev/null
	btrfs subvolume create top/.init-storage/home/nested >/dev/null
	mkdir -p top/.init-storage/home/nested/a/b
	btrfs subvolume create top/.init-storage/home/nested/a/b/deep >/dev/null
	echo 'half' >top/.init-storage/home/nested/a/b/deep/file
	mkdir -p top/.init-storage/plain/directory
	echo 'half' >top/.init-storage/plain/directory/file
	ln -s /etc top/.init-storage/plain/link
	btrfs subvolume delete top/home >/dev/null
	unmount_top
	first_run tree "$disk"
	assert_complete tree "$disk"
}

# It is the only thing wrong here.
a_stale_staging_folder_is_removed_when_nothing_is_missing() {
	_filled_device
	change_top "$disk"
	mkdir -m 0700 top/.init-storage
	btrfs subvolume create top/.init-storage/var >/dev/null
	unmount_top
	first_run tree "$disk"
	assert_complete tree "$disk"
}

a_read_only_subvolume_in_the_staging_folder_is_removed_too() {
	_filled_device
	change_top "$disk"
	mkdir -m 0700 top/.init-storage
	btrfs subvolume create top/.init-storage/var >/dev/null
	btrfs subvolume create top/.init-storage/var/log >/dev/null
	: >top/.init-storage/var/log/file
	btrfs property set top/.init-storage/var/log ro true
	btrfs property set top/.init-storage/var ro true
	unmount_top
	first_run tree "$disk"
	assert_complete tree "$disk"
}

a_symlink_in_the_place_of_the_staging_folder_is_not_followed() {
	_filled_device
	change_top "$disk"
	mkdir top/precious
	echo 'precious' >top/precious/file
	ln -s precious top/.init-storage
	btrfs subvolume delete top/home >/dev/null
	unmount_top
	init tree "$disk"
	mount_top "$disk"
	assert_content top/precious/file precious
	[[ $(names_in top/precious) == 'file ' ]]
}

a_staging_folder_with_the_default_subvolume_in_it_is_kept() {
	_filled_device
	change_top "$disk"
	mkdir -m 0700 top/.init-storage
	btrfs subvolume create top/.init-storage/root >/dev/null
	echo 'kept' >top/.init-storage/root/file
	btrfs subvolume set-default top/.init-storage/root
	unmount_top
	init tree "$disk"
	mount_top "$disk"
	assert_content top/.init-storage/root/file kept
	[[ $(default_subvolume top) == .init-storage/root ]]
}

a_name_at_the_top_that_only_begins_like_the_staging_folder_is_left() {
	_filled_device
	change_top "$disk"
	mkdir top/.init-storage-mine
	echo 'mine' >top/.init-storage-mine/file
	btrfs subvolume delete top/home >/dev/null
	unmount_top
	first_run tree "$disk"
	mount_top "$disk"
	assert_content top/.init-storage-mine/file mine
}

a_read_only_subvolume_that_lacks_something_is_an_error_and_the_others_hold() {
	_filled_device
	change_top "$disk"
	btrfs subvolume delete top/var/log top/home >/dev/null
	btrfs property set top/var ro true
	unmount_top
	init tree "$disk"
	assert_status 1
	assert_message 'log'
	mount_top "$disk"
	compare tree/home top/home
	assert_absent top/var/log
}

mount_options_that_concern_only_mount_or_a_read_only_boot_do_no_harm() {
	make_tree tree
	chmod 4755 tree/var/lib/app/data
	mkfifo tree/var/lib/app/fifo
	mknod tree/var/lib/app/device c 1 3
	only_var tree subvol=var,ro,nosuid,nodev,noexec,noatime,nofail,_netdev,user,x-systemd.device-timeout=5,x-foo,context=system_u:object_r:var_t:s0,rootcontext=a:b:c,comment=hello,x-init-storage.subvol=log:tmp
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	compare --extra lib/aimee-os tree/var top/var
	unmount_top
	assert_nothing_to_do tree "$disk"
}

options_that_the_kernel_refuses_are_an_error() {
	make_tree tree
	only_var tree subvol=var,nosuchoption
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	assert_message 'mount'
	# Mended, the next boot does it all.
	only_var tree
	first_run tree "$disk"
	assert_complete tree "$disk"
}

# The log of files that were fsynced before the power was cut.
a_file_system_that_was_not_unmounted_is_completed_and_loses_nothing() {
	_filled_device
	change_top "$disk"
	btrfs subvolume delete top/home >/dev/null
	sync -f top
	echo 'synced' >top/var/lib/app/synced
	sync top/var/lib/app/synced
	cp --sparse=always disk.img crashed.img
	unmount_top
	detach_device "$disk"
	attach_device crashed crashed.img
	first_run tree "$crashed"
	mount_top "$crashed"
	assert_content top/var/lib/app/synced synced
	compare tree/home top/home
}

# What lies on the data device is the appliance's, and may lead anywhere.
symlinks_on_the_device_are_not_followed() {
	_filled_device
	mkdir outside
	change_top "$disk"
	btrfs subvolume delete top/var/lib/aimee-os/etc >/dev/null
	rmdir top/var/lib/aimee-os
	ln -s "$PWD/outside" top/var/lib/aimee-os
	ln -s "$PWD/outside" top/var/spool/link
	unmount_top
	only_var tree subvol=var,x-init-storage.subvol=log:tmp:spool/link/below
	init tree "$disk"
	assert_status 1
	[[ $(names_in outside) == '' ]] || fail "it wrote through a symlink: $(names_in outside)"
	mount_top "$disk"
	[[ -L top/var/lib/aimee-os && -L top/var/spool/link ]]
}

relative_symlinks_on_the_device_are_not_followed_either() {
	_filled_device
	change_top "$disk"
	mkdir top/var/elsewhere
	mv top/var/lib top/var/elsewhere/lib
	ln -s elsewhere/lib top/var/lib
	rm -f top/var/elsewhere/lib/aimee-os/etc/shadow
	unmount_top
	init tree "$disk"
	assert_status 1
	mount_top "$disk"
	assert_absent top/var/elsewhere/lib/aimee-os/etc/shadow
}
