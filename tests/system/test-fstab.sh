# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# fstab as it comes: absent, empty, torn, odd.

_fails_unchanged() {
	make_device disk 192M
	assert_fails_unchanged tree "$disk" "$1"
}

no_fstab_is_a_failure() {
	make_tree tree
	rm tree/etc/fstab
	_fails_unchanged 'fstab'
}

an_empty_fstab_is_a_failure() {
	make_tree tree
	: >tree/etc/fstab
	_fails_unchanged '/var'
}

an_fstab_that_is_a_directory_is_a_failure() {
	make_tree tree
	rm tree/etc/fstab
	mkdir tree/etc/fstab
	_fails_unchanged 'fstab'
}

no_var_line_is_a_failure() {
	make_tree tree
	write_fstab tree <<<'PARTLABEL=data /home btrfs subvol=home 0 0'
	_fails_unchanged '/var'
}

where_no_line_is_right_nothing_is_formatted() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs subvol=../var 0 0
		PARTLABEL=data /home btrfs subvol=/home 0 0
	END
	make_device disk 192M
	assert_fails_unchanged tree "$disk" 'subvol='
	assert_json '.action == "failed" and .subvolumes == []'
}

a_commented_var_line_is_no_var_line() {
	make_tree tree
	write_fstab tree <<-END
		# PARTLABEL=data /var btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_fails_unchanged '/var'
}

a_var_of_another_file_system_type_is_a_failure() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var  ext4  defaults 0 2
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	_fails_unchanged '/var.*btrfs'
}

# _assert_line_named LINE: in the message, with the file.
_assert_line_named() {
	assert_message "fstab.*\\b$1\\b"
}

a_malformed_line_is_named_and_the_others_hold() {
	make_tree tree
	write_fstab tree <<-END
		# the data
		PARTLABEL=data /var  btrfs subvol=var 0 0
		torn-line
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	_assert_line_named 3
	assert_complete tree "$disk"
	# It is no reason to write anything later, and it stays an error.
	remember_device "$disk"
	init tree "$disk"
	assert_status 1
	_assert_line_named 3
	assert_device_unchanged "$disk"
}

each_kind_of_malformed_line_is_named() {
	local line
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	for line in 'one-field' 'two fields' '   indented'; do
		write_fstab tree <<-END
			PARTLABEL=data /var  btrfs subvol=var 0 0
			PARTLABEL=data /home btrfs subvol=home 0 0

			$line
		END
		init tree "$disk"
		assert_status 1
		_assert_line_named 4
	done
}

several_malformed_lines_are_all_named() {
	make_tree tree
	printf 'bad\n%s\n\nworse\n' "$(cat tree/etc/fstab)" >fstab
	mv fstab tree/etc/fstab
	make_device disk 192M
	init tree "$disk"
	assert_status 1
	_assert_line_named 1
	_assert_line_named 5
	assert_complete tree "$disk"
}

comments_tabs_blank_lines_and_a_missing_last_newline_are_no_errors() {
	make_tree tree
	printf '\n# comment\n   # indented\n\tPARTLABEL=data\t\t/var\tbtrfs\tsubvol=var\n\nPARTLABEL=data /home btrfs subvol=home 0 0' >tree/etc/fstab
	make_device disk 192M
	first_run tree "$disk"
	assert_complete tree "$disk"
}

escaped_blanks_in_targets_and_names_are_understood() {
	make_tree tree
	mkdir 'tree/srv/my data'
	echo 'here' >'tree/srv/my data/file'
	printf '%s\n' 'PARTLABEL=data /srv/my\040data btrfs subvol=my\040data 0 0' >>tree/etc/fstab
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	assert_is_subvolume 'top/my data'
	compare 'tree/srv/my data' 'top/my data'
}

a_trailing_slash_at_a_target_does_not_matter() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var/  btrfs subvol=var 0 0
		PARTLABEL=data /home/ btrfs subvol=home 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	assert_complete tree "$disk"
}

a_quoted_source_is_the_same_source() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL="data" /var  btrfs subvol=var 0 0
		PARTLABEL=data   /home btrfs subvol=home 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	assert_complete tree "$disk"
}

the_fstab_option_names_another_file() {
	make_tree tree
	mv tree/etc/fstab other-fstab
	write_fstab tree <<<'PARTLABEL=data /var btrfs subvol=wrong 0 0'
	make_device disk 192M
	first_run tree "$disk" --fstab=other-fstab
	assert_complete tree "$disk"
}

an_fstab_option_that_names_no_file_is_a_failure() {
	make_tree tree
	make_device disk 192M
	remember_device "$disk"
	init tree "$disk" --fstab=nowhere
	assert_status 1
	assert_message 'nowhere'
	assert_device_unchanged "$disk"
}

# fstab(5): the last field of the option decides, as for mount.
options_with_quotes_and_commas_in_them_do_not_hide_others() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs context="system_u:object_r:var_t:s0:c1,c2",subvol=var,compress=zstd 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	assert_complete tree "$disk"
}

a_very_long_line_is_read_whole() {
	make_tree tree
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs x-padding=$(printf 'x%.0s' {1..3000}),subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	make_device disk 192M
	first_run tree "$disk"
	assert_complete tree "$disk"
}
