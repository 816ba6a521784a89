# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# security.selinux: from the image, else from its file_contexts. SELinux itself is off.

_contexts() {
	local contexts=tree/etc/selinux/testing/contexts/files
	mkdir -p "$contexts"
	printf 'SELINUX=enforcing\nSELINUXTYPE=testing\n' >tree/etc/selinux/config
	cat >"$contexts/file_contexts" <<-'END'
		/.*	system_u:object_r:default_t:s0
		/home	-d	system_u:object_r:home_root_t:s0
		/home/[^/]+	-d	system_u:object_r:user_home_dir_t:s0
		/var	-d	system_u:object_r:var_t:s0
		/var/.*	system_u:object_r:var_t:s0
		/var/lib	-d	system_u:object_r:var_lib_t:s0
		/var/lib/aimee-os(/.*)?	system_u:object_r:aimee_state_t:s0
		/var/lib/aimee-os/etc/ssh	-d	system_u:object_r:etc_t:s0
		/var/log(/.*)?	system_u:object_r:var_log_t:s0
		/var/tmp	-d	system_u:object_r:tmp_t:s0
		/var/new(/.*)?	system_u:object_r:new_t:s0
		/srv	-d	system_u:object_r:srv_t:s0
		/etc/shadow	--	system_u:object_r:shadow_t:s0
	END
}

_type_is() {
	assert_label "system_u:object_r:$1:s0" "$2"
}

labels_of_the_image_arrive() {
	make_tree tree
	mkfifo tree/var/lib/app/fifo
	setfattr -h -n security.selinux -v system_u:object_r:link_t:s0 tree/var/lib/app/link
	setfattr -n security.selinux -v system_u:object_r:fifo_t:s0 tree/var/lib/app/fifo
	setfattr -n security.selinux -v system_u:object_r:data_t:s0:c1,c2 tree/var/lib/app/data
	setfattr -n security.selinux -v system_u:object_r:dir_t:s0 tree/var/lib/app
	setfattr -n security.selinux -v system_u:object_r:image_var_t:s0 tree/var
	setfattr -n security.selinux -v system_u:object_r:image_log_t:s0 tree/var/log
	setfattr -n security.selinux -v system_u:object_r:image_home_t:s0 tree/home
	setfattr -n security.selinux -v system_u:object_r:shadow_t:s0 tree/etc/shadow
	make_squashfs tree root.squashfs
	mount_image root.squashfs root
	make_device disk 192M
	first_run root "$disk"
	mount_top "$disk"
	assert_whole root top
	_type_is image_var_t top/var
	_type_is image_log_t top/var/log
	_type_is image_home_t top/home
	_type_is link_t top/var/lib/app/link
	_type_is fifo_t top/var/lib/app/fifo
	_type_is shadow_t top/var/lib/aimee-os/etc/shadow
}

# The threads of the copy have current directories of their own.
a_relative_root_is_labelled_like_an_absolute_one() {
	make_tree tree
	_contexts
	rm -r tree/var/log tree/var/tmp
	ln -s target tree/var/a-link
	setfattr -h -n security.selinux -v system_u:object_r:link_t:s0 tree/var/a-link
	setfattr -n security.selinux -v system_u:object_r:image_var_t:s0 tree/var
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	_type_is var_log_t top/var/log
}

subvolumes_and_missing_directories_are_labelled_from_file_contexts() {
	make_tree tree
	_contexts
	rm -r tree/home tree/var/tmp tree/var/log tree/srv
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs subvol=system/var,x-init-storage.subvol=log:tmp:new/below 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	_type_is home_root_t top/home
	_type_is srv_t top/srv
	_type_is var_t top/system/var
	_type_is var_log_t top/system/var/log
	_type_is tmp_t top/system/var/tmp
	_type_is new_t top/system/var/new
	_type_is new_t top/system/var/new/below
	_type_is aimee_state_t top/system/var/lib/aimee-os
	_type_is aimee_state_t top/system/var/lib/aimee-os/etc
}

the_images_own_label_beats_file_contexts() {
	make_tree tree
	_contexts
	setfattr -n security.selinux -v system_u:object_r:image_t:s0 tree/var tree/var/log
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	_type_is image_t top/var
	_type_is image_t top/var/log
	_type_is tmp_t top/var/tmp
	_type_is home_root_t top/home
}

a_mount_point_for_a_lower_entry_is_labelled() {
	make_tree tree
	_contexts
	rm -r tree/var/log
	write_fstab tree <<-END
		PARTLABEL=data /var     btrfs subvol=var 0 0
		PARTLABEL=data /var/log btrfs subvol=log 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	_type_is var_log_t top/log
	_type_is var_log_t top/var/log
}

the_default_subvolume_is_labelled_as_its_target() {
	make_tree tree
	_contexts
	only_var tree defaults
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	_type_is var_t top/@default
	_type_is var_log_t top/@default/log
}

what_is_added_later_is_labelled_too() {
	make_tree tree
	_contexts
	only_var tree subvol=var,x-init-storage.subvol=tmp
	make_device disk 192M
	first_run tree "$disk"
	mkdir -p tree/etc/aimee-os
	echo 'd ssh' >tree/etc/aimee-os/writable-etc
	only_var tree subvol=var,x-init-storage.subvol=tmp:new/below
	echo 'PARTLABEL=data /home btrfs subvol=home 0 0' >>tree/etc/fstab
	first_run tree "$disk"
	mount_top "$disk"
	_type_is home_root_t top/home
	_type_is new_t top/var/new
	_type_is new_t top/var/new/below
}

local_contexts_beat_the_policys() {
	make_tree tree
	_contexts
	printf '/var/tmp\t-d\tsystem_u:object_r:local_t:s0\n' >tree/etc/selinux/testing/contexts/files/file_contexts.local
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	_type_is local_t top/var/tmp
}

without_contexts_nothing_is_labelled() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	[[ ! $(label_of top/var) && ! $(label_of top/var/lib/aimee-os) && ! $(label_of top/home) ]]
}

# A system without a policy of the type that its configuration names.
contexts_that_are_missing_or_broken_do_not_stop_the_boot() {
	make_tree tree
	_contexts
	rm tree/etc/selinux/testing/contexts/files/file_contexts
	make_device disk 192M
	init tree "$disk"
	[[ $STATUS == 0 || $STATUS == 1 ]]
	assert_complete tree "$disk"
}

the_hosts_contexts_are_not_used_for_another_tree() {
	make_tree tree
	mkdir -p /run/selinux/testing/contexts/files
	printf 'SELINUX=permissive\nSELINUXTYPE=testing\n' >/run/selinux/config
	printf '/.*\tsystem_u:object_r:of_the_host_t:s0\n' >/run/selinux/testing/contexts/files/file_contexts
	[[ -d /etc/selinux ]] || skip "no /etc/selinux to mount on"
	mount --bind /run/selinux /etc/selinux
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	[[ ! $(label_of top/var) && ! $(label_of top/home) ]]
}
