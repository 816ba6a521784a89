# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The entry without subvol=, which uses the default subvolume.

_tree_without_subvol() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs compress=zstd 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	SUBVOLUMES="@default @default/lib/aimee-os/etc @default/log @default/tmp home"
	VAR=@default
	TOP_NAMES="@default home "
}

_assert_default() {
	mount_top "$1"
	[[ $(default_subvolume top) == "$2" ]] || fail "the default subvolume is $(default_subvolume top)"
	unmount_top
}

a_blank_device_gets_a_default_subvolume() {
	_tree_without_subvol
	make_device disk 192M
	assert_formats tree "$disk"
	_assert_default "$disk" @default
	# As fstab says it is mounted without any subvolume named.
	mkdir var
	mount -t btrfs -o ro "$disk" var
	compare --extra lib/aimee-os tree/var var
	umount var
	assert_nothing_to_do tree "$disk"
}

an_interrupted_set_default_is_made_up_for() {
	_tree_without_subvol
	make_device disk 192M
	first_run tree "$disk"
	change_top "$disk"
	btrfs subvolume set-default 5 top
	echo 'changed' >top/@default/lib/app/state/file
	unmount_top
	first_run tree "$disk"
	_assert_default "$disk" @default
	mount_top "$disk"
	assert_content top/@default/lib/app/state/file changed
	assert_usual_subvolumes top
	unmount_top
	assert_nothing_to_do tree "$disk"
}

the_default_name_as_subvol_is_an_error_in_either_order() {
	local first
	for first in yes no; do
		make_tree tree
		{
			[[ $first == no ]] || echo 'PARTLABEL=data /home btrfs subvol=@default 0 0'
			echo 'PARTLABEL=data /var  btrfs defaults 0 0'
			[[ $first == yes ]] || echo 'PARTLABEL=data /home btrfs subvol=@default 0 0'
		} | write_fstab tree
		make_device disk 192M
		init tree "$disk"
		assert_status 1
		assert_message '/home: subvol=@default'
		mount_top "$disk"
		compare --extra lib/aimee-os tree/var top/@default
		unmount_top
		detach_device "$disk"
		rm -r tree disk.img
	done
}

an_interrupted_set_default_is_made_up_for_though_other_names_are_there() {
	_tree_without_subvol
	make_device disk 192M
	first_run tree "$disk"
	change_top "$disk"
	btrfs subvolume set-default 5 top
	mkdir top/.init-storage
	btrfs subvolume create top/.init-storage/home >/dev/null
	unmount_top
	first_run tree "$disk"
	_assert_default "$disk" @default
	assert_complete tree "$disk"
}

a_var_made_by_hand_at_the_top_is_left() {
	_tree_without_subvol
	only_var tree defaults
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	mkdir -p top/lib/app top/cache
	echo 'mine' >top/lib/app/file
	cp -a top before
	unmount_top
	init tree "$disk"
	assert_status 0
	_assert_default "$disk" 5
	mount_top "$disk"
	assert_absent top/@default
	assert_absent top/.init-storage
	compare --ignore mtime --extra lib/aimee-os --extra log --extra tmp before top ||
		compare before top
}

# Names that fstab explains are no reason to take the top for a /var.
a_top_with_nothing_but_managed_names_is_no_var() {
	_tree_without_subvol
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs defaults 0 0
		PARTLABEL=data /home btrfs subvol=users/home 0 0
	END
	SUBVOLUMES="@default @default/lib/aimee-os/etc @default/log @default/tmp users/home"
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	mkdir -p top/users top/.init-storage
	btrfs subvolume create top/users/home >/dev/null
	unmount_top
	first_run tree "$disk"
	_assert_default "$disk" @default
	mount_top "$disk"
	assert_usual_subvolumes top
}

a_default_subvolume_of_another_name_is_used() {
	_tree_without_subvol
	only_var tree defaults
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	btrfs subvolume create top/mine >/dev/null
	echo 'kept' >top/mine/file
	btrfs subvolume set-default top/mine
	unmount_top
	first_run tree "$disk"
	_assert_default "$disk" mine
	mount_top "$disk"
	assert_absent top/@default
	assert_content top/mine/file kept
	assert_absent top/mine/cache
	# It is the subvolume of /var: what is nested in that and missing is made.
	assert_subvolumes top mine mine/log mine/tmp mine/lib/aimee-os/etc
	unmount_top
	assert_nothing_to_do tree "$disk"
}

a_second_entry_without_subvol_is_an_error_and_the_others_hold() {
	_tree_without_subvol
	echo 'PARTLABEL=data /srv btrfs noatime 0 0' >>tree/etc/fstab
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	assert_message '/srv'
	_assert_default "$disk" @default
	assert_complete tree "$disk"
}

an_entry_besides_var_may_be_the_one_without_subvol() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs defaults 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	_assert_default "$disk" @default
	mount_top "$disk"
	assert_subvolumes top @default var var/lib/aimee-os/etc var/log var/tmp
	compare tree/home top/@default
	compare --extra lib/aimee-os tree/var top/var
}

a_plain_directory_named_like_the_default_subvolume_is_an_error() {
	_tree_without_subvol
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	mkdir top/@default
	unmount_top
	init tree "$disk"
	assert_status 1
	assert_message '@default'
	_assert_default "$disk" 5
	mount_top "$disk"
	assert_is_plain_directory top/@default
	compare tree/home top/home
}
