# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Which entries of fstab are managed, and what their options ask for.

_run_fstab() {
	write_fstab tree
	make_device disk 192M
	init tree "$disk"
}

entries_that_are_not_to_be_made_are_not_made() {
	make_tree tree
	mkdir -p tree/{opt,mnt,data}
	_run_fstab <<-END
		/dev/root      /     squashfs ro 0 0
		PARTLABEL=data /     btrfs subvol=root 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home,noauto 0 0
		PARTLABEL=data /srv  btrfs subvolid=300 0 0
		PARTLABEL=data /opt  btrfs subvol=/ 0 0
		PARTLABEL=data /mnt  ext4  subvol=mnt 0 0
		PARTLABEL=else /data btrfs subvol=data 0 0
		PARTLABEL=data none  swap  sw 0 0
	END
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top var var/lib/aimee-os/etc var/log var/tmp
	[[ $(names_in top) == 'var ' ]]
}

a_subvolume_name_of_several_parts_gets_plain_parents() {
	make_tree tree
	SUBVOLUMES="appliance/a/var appliance/a/var/lib/aimee-os/etc appliance/a/var/log appliance/a/var/tmp appliance/home"
	VAR=appliance/a/var
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=appliance/a/var 0 0
		PARTLABEL=data /home btrfs subvol=appliance/home 0 0
	END
	assert_status 0
	mount_top "$disk"
	assert_usual_subvolumes top
	assert_mode '755 0:0' top/appliance
	assert_mode '755 0:0' top/appliance/a
	assert_is_plain_directory top/appliance/a
	compare --extra lib/aimee-os tree/var top/appliance/a/var
	compare tree/home top/appliance/home
}

an_entry_without_options_of_its_own_on_the_others_needs_no_nested_ones() {
	make_tree tree
	mkdir -p tree/srv/log
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
	END
	assert_status 0
	mount_top "$disk"
	assert_is_plain_directory top/srv/log
}

nested_names_replace_the_usual_ones_and_hold_for_any_entry() {
	make_tree tree
	mkdir -p tree/home/user/cache
	echo 'thumbnail' >tree/home/user/cache/file
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var,x-init-storage.subvol=cache:spool/mail 0 0
		PARTLABEL=data /home btrfs subvol=home,x-init-storage.subvol=user/cache 0 0
	END
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top home home/user/cache var var/cache var/lib/aimee-os/etc var/spool/mail
	compare --extra lib/aimee-os tree/var top/var
	compare tree/home top/home
}

a_nested_name_within_a_nested_name_is_made() {
	make_tree tree
	_run_fstab <<<"PARTLABEL=data /var btrfs subvol=var,x-init-storage.subvol=log:log/app 0 0"
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top var var/lib/aimee-os/etc var/log var/log/app
	compare --extra lib/aimee-os tree/var top/var
}

nested_names_in_any_order_are_made() {
	make_tree tree
	_run_fstab <<<"PARTLABEL=data /var btrfs subvol=var,x-init-storage.subvol=lib/app/state:log/app:log:lib/app 0 0"
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top var var/lib/aimee-os/etc var/lib/app var/lib/app/state var/log var/log/app
	compare --part lib/app/state --extra lib/aimee-os tree/var top/var
}

an_empty_list_of_nested_names_means_none() {
	make_tree tree
	_run_fstab <<<"PARTLABEL=data /var btrfs subvol=var,x-init-storage.subvol= 0 0"
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top var var/lib/aimee-os/etc
	compare --extra lib/aimee-os tree/var top/var
}

repeated_nested_names_do_no_harm() {
	make_tree tree
	_run_fstab <<<"PARTLABEL=data /var btrfs subvol=var,x-init-storage.subvol=log:tmp:log 0 0"
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top var var/lib/aimee-os/etc var/log var/tmp
	compare --extra lib/aimee-os tree/var top/var
}

many_entries_are_all_made() {
	local i
	make_tree tree
	for ((i = 0; i < 60; i++)); do
		mkdir "tree/srv/$i"
		echo $i >"tree/srv/$i/file"
		echo "PARTLABEL=data /srv/$i btrfs subvol=srv/$i,x-init-storage.subvol=cache 0 0" >>tree/etc/fstab
	done
	make_device disk 256M
	first_run tree "$disk"
	mount_top "$disk"
	for ((i = 0; i < 60; i++)); do
		assert_content "top/srv/$i/file" $i
		assert_is_subvolume "top/srv/$i/cache"
	done
	unmount_top
	assert_nothing_to_do tree "$disk"
}

an_image_that_ships_the_state_folder_keeps_what_is_in_it() {
	make_tree tree
	mkdir -m 0700 tree/var/lib/aimee-os
	echo 'shipped' >tree/var/lib/aimee-os/notes
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	assert_content top/var/lib/aimee-os/notes shipped
	assert_mode '700 0:0' top/var/lib/aimee-os
	assert_is_subvolume top/var/lib/aimee-os/etc
	compare tree/etc/shadow top/var/lib/aimee-os/etc/shadow
}

a_wrong_nested_name_is_an_error_and_the_others_hold() {
	local name
	for name in ../outside /absolute a/../../b; do
		rm -rf tree
		make_tree tree
		_run_fstab <<-END
			PARTLABEL=data /var  btrfs subvol=var,x-init-storage.subvol=$name:log 0 0
			PARTLABEL=data /home btrfs subvol=home 0 0
		END
		assert_status 1
		assert_message "$name"
		mount_top "$disk"
		compare tree/home top/home
		[[ $(names_in top) == "home " || $(names_in top) == "home var " ]] || fail "at the top: $(names_in top)"
		unmount_top
		detach_device "$disk"
		rm disk.img
	done
}

a_nested_name_that_is_a_symlink_in_the_image_is_an_error_and_the_others_hold() {
	make_tree tree
	ln -s /tmp tree/var/link
	only_var tree subvol=var,x-init-storage.subvol=link:log
	echo 'PARTLABEL=data /home btrfs subvol=home 0 0' >>tree/etc/fstab
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	assert_message 'link'
	mount_top "$disk"
	compare tree/home top/home
}

nodatacow_directories_and_all_below_them_are_marked() {
	local path
	make_tree tree
	mkdir -p tree/var/lib/db/below tree/var/lib/plain
	garbage 200000 >tree/var/lib/db/table
	echo 'row' >tree/var/lib/db/below/small
	: >tree/var/lib/db/below/empty
	garbage 5000 >tree/var/lib/plain/file
	_run_fstab <<<"PARTLABEL=data /var btrfs subvol=var,compress=zstd,x-init-storage.nodatacow=lib/db:log/app:lib/vm 0 0"
	assert_status 0
	mount_top "$disk"
	for path in lib/db lib/db/table lib/db/below lib/db/below/small lib/db/below/empty log/app log/app/log lib/vm; do
		[[ $(lsattr -d "top/var/$path") == *C*\ * ]] || fail "$path has no NOCOW flag"
	done
	for path in lib lib/plain lib/plain/file lib/app/data cache log; do
		[[ $(lsattr -d "top/var/$path") != *C*\ * ]] || fail "$path has the NOCOW flag"
	done
	compare --extra lib/aimee-os --extra lib/vm --ignore mtime:lib tree/var top/var
}

nodatacow_holds_for_a_nested_subvolume_and_for_the_whole() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var btrfs subvol=var,x-init-storage.subvol=log:cache,x-init-storage.nodatacow=log 0 0
	END
	assert_status 0
	mount_top "$disk"
	[[ $(lsattr -d top/var/log) == *C*\ * && $(lsattr top/var/log/app/log) == *C*\ * ]] || fail "no NOCOW in the nested subvolume"
	[[ $(lsattr -d top/var/cache) != *C*\ * ]] || fail "NOCOW where it was not asked for"
}

a_wrong_nodatacow_name_is_an_error() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var,x-init-storage.nodatacow=../etc 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	assert_status 1
	assert_message 'nodatacow|\.\./etc'
	mount_top "$disk"
	compare tree/home top/home
}

the_first_copy_is_compressed_as_the_mount_option_says() {
	make_tree tree
	printf 'a line that compresses well%.0s\n' {1..70000} >tree/var/lib/app/text
	cp -a tree other-tree
	only_var tree subvol=var,compress=zstd:3
	only_var other-tree subvol=var
	make_device disk 192M
	make_device other 192M
	first_run tree "$disk"
	first_run other-tree "$other"
	mount_top "$disk"
	is_encoded top/var/lib/app/text || fail "the copy is not compressed"
	unmount_top
	mount_top "$other"
	! is_encoded top/var/lib/app/text || fail "the copy is compressed and was not to be"
}

# --- /var and /var/log, each with a subvolume ----------------------------------------------

_upper_and_lower() {
	make_tree tree
	setfattr -n security.selinux -v 'system_u:object_r:var_log_t:s0' tree/var/log
	_run_fstab <<-END
		PARTLABEL=data /var     btrfs subvol=var 0 0
		PARTLABEL=data /var/log btrfs subvol=$1 0 0
	END
	assert_status 0
	mount_top "$disk"
}

content_of_a_lower_entry_goes_into_its_own_subvolume_only() {
	_upper_and_lower log
	assert_subvolumes top log var var/lib/aimee-os/etc var/tmp
	assert_is_plain_directory top/var/log
	[[ $(names_in top/var/log) == '' ]] || fail "the mount point is not empty"
	assert_label 'system_u:object_r:var_log_t:s0' top/var/log
	compare tree/var/log top/log
	compare --extra lib/aimee-os --empty log --ignore mtime:log tree/var top/var
	unmount_top
	assert_nothing_to_do tree "$disk"
}

a_lower_entrys_subvolume_may_lie_within_the_uppers() {
	_upper_and_lower var/log
	assert_subvolumes top var var/lib/aimee-os/etc var/log var/tmp
	compare tree/var/log top/var/log
	compare --extra lib/aimee-os tree/var top/var
	unmount_top
	assert_nothing_to_do tree "$disk"
}

a_lower_entrys_subvolume_may_lie_elsewhere_within_the_uppers() {
	_upper_and_lower var/volumes/log
	assert_subvolumes top var var/lib/aimee-os/etc var/volumes/log var/tmp
	assert_is_plain_directory top/var/log
	[[ $(names_in top/var/log) == '' ]]
	compare tree/var/log top/var/volumes/log
	unmount_top
	assert_nothing_to_do tree "$disk"
}

an_uppers_subvolume_may_lie_within_the_lowers() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var     btrfs subvol=logs/var 0 0
		PARTLABEL=data /var/log btrfs subvol=logs 0 0
	END
	assert_status 0
	mount_top "$disk"
	assert_subvolumes top logs logs/var logs/var/lib/aimee-os/etc logs/var/tmp
	compare --extra var --ignore mtime: tree/var/log top/logs
	compare --extra lib/aimee-os --empty log --ignore mtime:log tree/var top/logs/var
}

the_order_of_the_lines_does_not_matter() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var/log btrfs subvol=var/log 0 0
		PARTLABEL=data /home    btrfs subvol=home 0 0
		PARTLABEL=data /var     btrfs subvol=var 0 0
	END
	assert_status 0
	assert_complete tree "$disk"
}

a_lower_entry_that_is_managed_later_gets_the_images_content() {
	make_tree tree
	only_var tree subvol=var,x-init-storage.subvol=tmp
	make_device disk 192M
	first_run tree "$disk"
	echo 'PARTLABEL=data /var/log btrfs subvol=log 0 0' >>tree/etc/fstab
	first_run tree "$disk"
	mount_top "$disk"
	compare tree/var/log top/log
	compare --extra lib/aimee-os tree/var top/var
}

# The bind mounts of writable-etc have /var/lib/aimee-os/etc as their source.
with_a_managed_var_lib_the_state_folder_is_where_the_running_system_looks() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var     btrfs subvol=var 0 0
		PARTLABEL=data /var/lib btrfs subvol=lib 0 0
	END
	assert_status 0
	mkdir system
	mount -t btrfs -o ro,subvol=var "$disk" system
	mount -t btrfs -o ro,subvol=lib "$disk" system/lib
	compare tree/etc/shadow system/lib/aimee-os/etc/shadow
	assert_mode '700 0:0' system/lib/aimee-os
	umount system/lib
	[[ $(names_in system/lib) == '' ]] || fail "the mount point is not empty: $(names_in system/lib)"
}

the_tree_below_a_managed_entry_that_is_foreign_is_copied() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var       btrfs subvol=var 0 0
		tmpfs          /var/tmp   tmpfs mode=1777 0 0
		PARTLABEL=else /var/cache ext4  defaults 0 0
	END
	assert_status 0
	mount_top "$disk"
	compare --extra lib/aimee-os tree/var top/var
}

# --- names of subvolumes that cannot be ------------------------------------------------------

_assert_entry_fails_and_home_holds() {
	local message=$1
	assert_status 1
	assert_message "$message"
	mount_top "$disk"
	compare tree/home top/home
}

dots_in_a_subvolume_name_are_an_error_of_that_entry() {
	local name
	for name in ../srv a/../srv . a/./b ..; do
		rm -rf tree
		make_tree tree
		_run_fstab <<-END
			PARTLABEL=data /var  btrfs subvol=var 0 0
			PARTLABEL=data /srv  btrfs subvol=$name 0 0
			PARTLABEL=data /home btrfs subvol=home 0 0
		END
		_assert_entry_fails_and_home_holds '/srv|subvol='
		assert_usual_subvolumes top
		unmount_top
		detach_device "$disk"
		rm disk.img
	done
}

an_absolute_subvolume_name_is_an_error_of_that_entry() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /srv  btrfs subvol=/srv 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_assert_entry_fails_and_home_holds '/srv'
	assert_usual_subvolumes top
}

an_empty_subvolume_name_is_an_error_of_that_entry() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /srv  btrfs subvol= 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_assert_entry_fails_and_home_holds '/srv|subvol'
}

options_that_cannot_be_read_are_an_error_and_not_an_entry_without_subvol() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /srv  btrfs noatime,subvol="srv 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_assert_entry_fails_and_home_holds '/srv|fstab.*\b2\b'
	assert_usual_subvolumes top
	[[ $(default_subvolume top) == 5 ]] || fail "the default subvolume was changed"
}

the_name_of_the_staging_folder_is_an_error_of_that_entry() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /srv  btrfs subvol=.init-storage 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_assert_entry_fails_and_home_holds '\.init-storage'
}

a_second_line_for_a_mount_point_adds_nothing() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /var  btrfs subvol=var2,x-init-storage.subvol=cache 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	assert_status 1
	assert_message '/var: a second line for this mount point'
	mount_top "$disk"
	assert_usual_subvolumes top
}

one_subvolume_for_two_targets_is_an_error_or_the_first_entrys() {
	make_tree tree
	_run_fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
		PARTLABEL=data /srv  btrfs subvol=home 0 0
	END
	[[ $STATUS == 0 || $STATUS == 1 ]]
	assert_complete tree "$disk"
}

# _occupied COMMAND...: the name "srv" is taken by something that is no subvolume.
_occupied() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	"$@"
	unmount_top
	write_fstab tree <<-END
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	init tree "$disk"
	_assert_entry_fails_and_home_holds 'srv'
	assert_json '[.subvolumes[] | select(.target == "/srv") | .action] == ["failed"]'
	assert_usual_subvolumes top
	assert_absent top/.init-storage
}

_fill_directory() {
	mkdir top/srv
	echo 'mine' >top/srv/file
}

a_plain_directory_at_a_subvolumes_name_is_left() {
	_occupied _fill_directory
	assert_content top/srv/file mine
}

an_empty_plain_directory_at_a_subvolumes_name_is_left() {
	_occupied mkdir top/srv
	assert_is_plain_directory top/srv
}

a_plain_file_at_a_subvolumes_name_is_left() {
	_occupied eval 'echo mine >top/srv'
	assert_content top/srv mine
}

a_symlink_at_a_subvolumes_name_is_left() {
	_occupied ln -s nowhere top/srv
	[[ $(readlink top/srv) == nowhere ]]
}

# Half of it would be there, in a place that is not its own.
a_subvolume_below_one_that_fails_fails_with_it() {
	make_tree tree
	mkdir tree/opt
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	_fill_directory
	unmount_top
	write_fstab tree <<-END
		PARTLABEL=data /opt  btrfs subvol=srv 0 0
		PARTLABEL=data /srv  btrfs subvol=srv/below 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	init tree "$disk"
	_assert_entry_fails_and_home_holds 'srv/below .for /srv.: the subvolume above it cannot be used'
	assert_json '[.subvolumes[] | select(.target == "/srv" or .target == "/opt") | .action] == ["failed","failed"]'
	assert_usual_subvolumes top
	[[ $(names_in top/srv) == 'file ' ]] || fail "something was put into it"
}

a_symlink_as_a_parent_of_a_subvolumes_name_is_an_error() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	mkdir top/elsewhere
	ln -s elsewhere top/link
	ln -s /tmp top/outside
	unmount_top
	mkdir tree/opt
	write_fstab tree <<-END
		PARTLABEL=data /srv  btrfs subvol=link/srv 0 0
		PARTLABEL=data /opt  btrfs subvol=outside/init-storage-test-opt 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	init tree "$disk"
	_assert_entry_fails_and_home_holds 'link'
	assert_absent top/elsewhere/srv
	assert_absent /tmp/init-storage-test-opt
}

a_symlink_to_a_subvolume_at_a_subvolumes_name_is_an_error() {
	make_tree tree
	make_device disk 192M
	make_btrfs "$disk"
	change_top "$disk"
	btrfs subvolume create top/real >/dev/null
	ln -s real top/srv
	unmount_top
	write_fstab tree <<-END
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	init tree "$disk"
	_assert_entry_fails_and_home_holds 'srv'
}

a_target_that_is_a_symlink_in_the_image_is_an_error_and_is_not_followed() {
	make_tree tree
	rmdir tree/srv
	ln -s var/lib tree/srv
	_run_fstab <<-END
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_assert_entry_fails_and_home_holds '/srv'
	assert_usual_subvolumes top
}

a_target_that_is_a_file_in_the_image_is_an_error() {
	make_tree tree
	rmdir tree/srv
	: >tree/srv
	_run_fstab <<-END
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_assert_entry_fails_and_home_holds '/srv'
	assert_usual_subvolumes top
}

a_target_with_dots_cannot_leave_the_tree() {
	make_tree tree/root
	echo 'secret' >tree/secret
	mkdir tree/outside
	echo 'secret' >tree/outside/secret
	write_fstab tree/root <<-END
		PARTLABEL=data /var             btrfs subvol=var 0 0
		PARTLABEL=data /home            btrfs subvol=home 0 0
		PARTLABEL=data /../outside      btrfs subvol=outside 0 0
		PARTLABEL=data /srv/../../outside btrfs subvol=outside2 0 0
	END
	make_device disk 192M
	init tree/root "$disk"
	mount_top "$disk"
	! grep -rq secret top || fail "a file from outside the tree was copied"
	compare tree/root/home top/home
}
