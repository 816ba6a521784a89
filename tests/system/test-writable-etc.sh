# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The lists of writable-etc and the copies on the data device.

_builder_list() {
	mkdir -p tree/etc/aimee-os
	cat >tree/etc/aimee-os/writable-etc
}

# Runs with the list on standard input; "top" is mounted afterwards.
_run_list() {
	[[ -d tree ]] || make_tree tree
	_builder_list
	make_device disk 192M
	init tree "$disk"
	mount_top "$disk"
	STATE=top/var/lib/aimee-os/etc
}

files_and_directories_of_both_lists_are_copied_with_all_they_have() {
	make_tree tree
	mkdir -p tree/etc/{ssh/sshd_config.d,security/deep,wpa}
	echo 'key' >tree/etc/ssh/ssh_host_key
	chmod 0600 tree/etc/ssh/ssh_host_key
	ln -s ../passwd tree/etc/ssh/link
	ln tree/etc/ssh/ssh_host_key tree/etc/ssh/same-key
	echo 'old' >tree/etc/security/deep/opasswd
	setfattr -n security.selinux -v 'system_u:object_r:shadow_t:s0' tree/etc/shadow tree/etc/security/deep/opasswd
	setfattr -n trusted.mine -v 1 tree/etc/ssh
	chmod 0711 tree/etc/ssh
	chmod 0750 tree/etc/security
	chgrp 42 tree/etc/security
	touch -d '2020-02-02 02:02:02.222222222' tree/etc/ssh tree/etc/security/deep/opasswd
	_run_list <<-END
		# the builder's
		d ssh

		f security/deep/opasswd
		d wpa
	END
	assert_status 0
	compare tree/etc/shadow "$STATE/shadow"
	compare tree/etc/ssh "$STATE/ssh"
	compare tree/etc/security/deep/opasswd "$STATE/security/deep/opasswd"
	compare tree/etc/wpa "$STATE/wpa"
	assert_is_plain_directory "$STATE/ssh"
	[[ $(names_in "$STATE") == 'security shadow ssh wpa ' ]]
	[[ $(names_in "$STATE/security") == 'deep ' ]]
	assert_json '[.writable_etc[] | .path] | sort == ["security/deep/opasswd","shadow","ssh","wpa"]'
	assert_json 'all(.writable_etc[]; .action == "created")'
	unmount_top
	assert_nothing_to_do tree "$disk"
}

without_any_list_there_is_nothing_to_copy() {
	make_tree tree
	rm tree/usr/lib/aimee-os/writable-etc
	make_device disk 192M
	first_run tree "$disk"
	assert_json '.writable_etc == []'
	mount_top "$disk"
	assert_usual_subvolumes top
	[[ $(names_in top/var/lib/aimee-os/etc) == '' ]]
}

an_entry_added_later_is_copied_and_the_others_are_left() {
	_run_list </dev/null
	unmount_top
	change_top "$disk"
	echo 'root:new:1::::::' >top/var/lib/aimee-os/etc/shadow
	unmount_top
	echo 'd ssh' >tree/etc/aimee-os/writable-etc
	first_run tree "$disk"
	assert_json '.action == "completed"'
	assert_json '.writable_etc | sort_by(.path) == [{"path":"shadow","action":"present"},{"path":"ssh","action":"created"}]'
	mount_top "$disk"
	compare tree/etc/ssh "$STATE/ssh"
	assert_content "$STATE/shadow" 'root:new:1::::::'
	[[ $(names_in "$STATE") == 'shadow ssh ' ]]
	assert_absent top/.init-storage
	unmount_top
	assert_nothing_to_do tree "$disk"
}

an_entry_in_folders_is_added_later_with_the_folders_that_are_missing() {
	make_tree tree
	mkdir -p tree/etc/security/deep
	echo 'one' >tree/etc/security/deep/one
	echo 'two' >tree/etc/security/deep/two
	chmod 0750 tree/etc/security
	chgrp 42 tree/etc/security
	touch -d '2020-02-02 02:02:02.222222222' tree/etc/security/deep/one
	make_device disk 192M
	first_run tree "$disk"
	_builder_list <<<'f security/deep/one'
	first_run tree "$disk"
	assert_json '.writable_etc == [{"path":"security/deep/one","action":"created"},{"path":"shadow","action":"present"}] or
		.writable_etc == [{"path":"shadow","action":"present"},{"path":"security/deep/one","action":"created"}]'
	change_top "$disk"
	STATE=top/var/lib/aimee-os/etc
	compare tree/etc/security/deep/one "$STATE/security/deep/one"
	assert_mode '750 0:42' "$STATE/security"
	echo 'changed' >"$STATE/security/deep/one"
	unmount_top
	_builder_list <<<$'f security/deep/one\nf security/deep/two'
	first_run tree "$disk"
	mount_top "$disk"
	compare tree/etc/security/deep/two "$STATE/security/deep/two"
	assert_content "$STATE/security/deep/one" changed
	[[ $(names_in "$STATE") == 'security shadow ' && $(names_in "$STATE/security") == 'deep ' ]] || fail "something else is there"
	unmount_top
	assert_nothing_to_do tree "$disk"
}

# The image may have been made of a running system.
a_copy_that_the_image_brings_along_is_kept() {
	make_tree tree
	mkdir -p tree/var/lib/aimee-os/etc
	echo 'root:brought along' >tree/var/lib/aimee-os/etc/shadow
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	assert_content top/var/lib/aimee-os/etc/shadow 'root:brought along'
	unmount_top
	assert_nothing_to_do tree "$disk"
}

an_entry_that_is_no_longer_listed_is_left() {
	_run_list <<<'d ssh'
	unmount_top
	rm tree/etc/aimee-os/writable-etc
	assert_nothing_to_do tree "$disk"
	mount_top "$disk"
	compare tree/etc/ssh "$STATE/ssh"
}

a_changed_copy_is_not_replaced_when_the_image_changes() {
	_run_list </dev/null
	unmount_top
	echo 'root:shipped-later:2::::::' >tree/etc/shadow
	assert_nothing_to_do tree "$disk"
}

_replace_shadow() {
	_run_list </dev/null
	unmount_top
	change_top "$disk"
	rm top/var/lib/aimee-os/etc/shadow
	"$@"
	unmount_top
	init tree "$disk"
	mount_top "$disk"
}

an_empty_directory_where_a_file_belongs_is_replaced() {
	_replace_shadow mkdir top/var/lib/aimee-os/etc/shadow
	assert_status 0
	compare tree/etc/shadow "$STATE/shadow"
	[[ $(names_in "$STATE") == 'shadow ' ]]
	assert_json '.writable_etc == [{"path":"shadow","action":"created"}]'
}

a_directory_with_something_in_it_where_a_file_belongs_is_an_error() {
	_replace_shadow mkdir -p top/var/lib/aimee-os/etc/shadow/mine
	assert_status 1
	assert_message 'shadow'
	[[ -d $STATE/shadow/mine ]]
}

a_symlink_where_a_file_belongs_is_not_followed() {
	_replace_shadow ln -s ../../../../home/user/.profile top/var/lib/aimee-os/etc/shadow
	compare tree/home top/home
	[[ -L $STATE/shadow && $STATUS == 1 ]] || compare tree/etc/shadow "$STATE/shadow"
}

a_missing_copy_is_made_again() {
	_replace_shadow true
	assert_status 0
	compare tree/etc/shadow "$STATE/shadow"
}

# --- wrong lines ------------------------------------------------------------------------------

# _wrong_line LINE [MESSAGE]: as the third line of the builder's list, between right ones.
_wrong_line() {
	_run_list <<-END
		# one
		d ssh
		$1
		f issue
	END
	assert_status 1
	assert_message "/etc/aimee-os/writable-etc.*\\b3\\b"
	[[ ! ${2:-} ]] || assert_message "$2"
	compare tree/etc/shadow "$STATE/shadow"
	compare --ignore mtime --ignore content tree/etc/issue "$STATE/issue"
	[[ -d $STATE/ssh ]]
	compare --extra lib/aimee-os tree/var top/var
	compare tree/home top/home
	assert_absent top/.init-storage
}

_tree_with_issue() {
	make_tree tree
	echo 'Appliance' >tree/etc/issue
	mkdir tree/etc/dir
	echo 'x' >tree/etc/dir/file
}

_only_right_ones_are_there() {
	[[ $(names_in "$STATE") == 'issue shadow ssh ' ]] || fail "in the state folder: $(names_in "$STATE")"
}

an_absolute_path_is_reported() {
	_tree_with_issue
	_wrong_line 'f /etc/passwd'
	_only_right_ones_are_there
}

dots_in_a_path_are_reported() {
	_tree_with_issue
	echo 'secret' >tree/secret
	_wrong_line 'f ../secret'
	_only_right_ones_are_there
	! grep -rq secret top || fail "a file from outside of /etc was copied"
}

dots_within_a_path_are_reported() {
	_tree_with_issue
	_wrong_line 'f dir/../dir/file'
	_only_right_ones_are_there
}

an_empty_path_is_reported() {
	_tree_with_issue
	_wrong_line 'f'
	_only_right_ones_are_there
}

an_empty_path_after_blanks_is_reported() {
	_tree_with_issue
	_wrong_line 'd   '
	_only_right_ones_are_there
}

a_wrong_type_is_reported() {
	_tree_with_issue
	_wrong_line 'x dir/file'
	_only_right_ones_are_there
}

a_type_of_two_letters_is_reported() {
	_tree_with_issue
	_wrong_line 'ff dir/file'
	_only_right_ones_are_there
}

a_path_without_a_type_is_reported() {
	_tree_with_issue
	_wrong_line 'dir/file'
	_only_right_ones_are_there
}

a_file_that_is_a_directory_in_the_image_is_reported() {
	_tree_with_issue
	_wrong_line 'f dir' 'dir'
	_only_right_ones_are_there
}

a_directory_that_is_a_file_in_the_image_is_reported() {
	_tree_with_issue
	_wrong_line 'd dir/file' 'dir/file'
	_only_right_ones_are_there
}

a_symlink_in_the_image_is_reported() {
	_tree_with_issue
	ln -s dir/file tree/etc/link
	_wrong_line 'f link' 'link'
	_only_right_ones_are_there
}

a_path_through_a_symlink_is_reported() {
	_tree_with_issue
	ln -s /home/user tree/etc/link
	_wrong_line 'f link/.profile' 'link'
	_only_right_ones_are_there
}

a_path_that_the_image_lacks_is_reported() {
	_tree_with_issue
	_wrong_line 'f nowhere' 'nowhere'
	_only_right_ones_are_there
}

a_path_whose_folder_the_image_lacks_is_reported() {
	_tree_with_issue
	_wrong_line 'd nowhere/at/all' 'nowhere'
	_only_right_ones_are_there
}

a_path_below_another_entry_is_reported() {
	_tree_with_issue
	_wrong_line 'f ssh/sshd_config' 'ssh'
	_only_right_ones_are_there
	compare tree/etc/ssh "$STATE/ssh"
}

# Whichever line comes first: the lower one is the wrong one.
a_path_below_an_entry_that_follows_is_reported() {
	_tree_with_issue
	_run_list <<-END
		f dir/file
		d dir
	END
	assert_status 1
	assert_message 'writable-etc.*dir/file|writable-etc.*\b[12]\b'
	compare tree/etc/shadow "$STATE/shadow"
	compare tree/etc/dir/file "$STATE/dir/file"
}

a_device_node_in_the_image_is_reported() {
	_tree_with_issue
	mkfifo tree/etc/fifo
	_wrong_line 'f fifo' 'fifo'
	_only_right_ones_are_there
}

every_wrong_line_is_reported_with_its_own_number() {
	local number
	_tree_with_issue
	_run_list <<-END
		f /etc/passwd
		f issue
		x dir
		f nowhere
		d shadow
	END
	assert_status 1
	for number in 1 3 4 5; do
		assert_message "/etc/aimee-os/writable-etc.*\\b$number\\b"
	done
	[[ $(names_in "$STATE") == 'issue shadow ' ]]
	assert_json '[.writable_etc[] | select(.action == "created") | .path] | sort == ["issue","shadow"]'
}

a_wrong_line_of_our_own_list_is_named_with_that_file() {
	make_tree tree
	printf 'f shadow\nf gone\n' >tree/usr/lib/aimee-os/writable-etc
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	assert_message '/usr/lib/aimee-os/writable-etc.*\b2\b'
	mount_top "$disk"
	compare tree/etc/shadow top/var/lib/aimee-os/etc/shadow
}

a_wrong_line_stays_an_error_on_a_complete_device_and_writes_nothing() {
	_tree_with_issue
	_wrong_line 'f nowhere'
	unmount_top
	remember_device "$disk"
	init tree "$disk"
	assert_status 1
	assert_message 'nowhere'
	assert_device_unchanged "$disk"
}

a_list_with_odd_bytes_does_no_harm() {
	_tree_with_issue
	printf 'f issue\nf a\0b\nf \xff\xfe\n\r\nf %s\nd ssh' "$(printf 'x%.0s' {1..5000})" >list
	_run_list <list
	assert_status 1
	compare tree/etc/issue "$STATE/issue"
	compare tree/etc/ssh "$STATE/ssh"
	[[ $(names_in "$STATE") == 'issue shadow ssh ' ]]
}

blanks_and_comments_are_no_errors() {
	_tree_with_issue
	printf '  # indented comment\n\n   \n\tf\tissue  \n#\nd   ssh\n' >list
	_run_list <list
	assert_status 0
	[[ $(names_in "$STATE") == 'issue shadow ssh ' ]]
}

a_path_with_a_blank_in_it_is_one_path() {
	_tree_with_issue
	mkdir 'tree/etc/connections'
	echo 'net' >'tree/etc/connections/My WLAN'
	_run_list <<<'f connections/My WLAN'
	assert_status 0
	compare 'tree/etc/connections/My WLAN' "$STATE/connections/My WLAN"
}

a_list_that_is_a_directory_is_reported_and_the_rest_done() {
	make_tree tree
	mkdir -p tree/etc/aimee-os/writable-etc
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	assert_message 'writable-etc'
	assert_complete tree "$disk"
}
