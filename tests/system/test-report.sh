# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The report: /run/aimee-os/init-storage.json, and standard output with --json.

_assert_documented_keys() {
	local file=$1
	assert_json '(keys_unsorted | sort) == (["version","state","action","device","fsid","error",
		"subvolumes","writable_etc","seconds","reset"] | sort)' "$file"
	assert_json '.version == 1 and .reset == null' "$file"
	assert_json 'all(.subvolumes[]; (keys | sort) == ["action","bytes","files","path","target"])' "$file"
	assert_json 'all(.writable_etc[]; (keys | sort) == ["action","path"])' "$file"
	assert_json '(.seconds | keys | sort) == ["commit","copy","mkfs","probe","total"]' "$file"
	assert_json 'all(.seconds[]; type == "number" and . >= 0)' "$file"
}

the_report_of_a_first_run_has_the_documented_keys_and_values() {
	local fsid report=/run/aimee-os/init-storage.json
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	_assert_documented_keys "$report"
	assert_json '.state == "blank" and .action == "formatted" and .error == null'
	assert_json ".device == \"$disk\""
	fsid=$(blkid -p -o value -s UUID "$disk")
	assert_json ".fsid == \"$fsid\""
	assert_json '.seconds.total > 0 and .seconds.mkfs > 0 and .seconds.total >= .seconds.mkfs'
	assert_json '[.subvolumes[] | select(.path == "var" and .target == "/var" and .action == "created")] | length == 1'
	assert_json '[.subvolumes[] | select(.path == "home" and .target == "/home" and .action == "created")] | length == 1'
	assert_json 'all(.subvolumes[]; .action == "created")'
	assert_json '.writable_etc == [{"path":"shadow","action":"created"}]'
}

files_and_bytes_are_counted() {
	make_tree tree
	rm -r tree/var/* tree/home/*
	mkdir tree/var/plain
	garbage 100000 >tree/var/plain/one
	garbage 23456 >tree/var/plain/two
	make_device disk 192M
	first_run tree "$disk"
	assert_json '.subvolumes[] | select(.path == "var") | .bytes == 123456 and .files >= 2 and .files <= 8'
	assert_json '.subvolumes[] | select(.path == "home") | .bytes == 0'
}

the_json_option_prints_the_same_object_and_nothing_else() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk" --json
	_assert_documented_keys stdout
	diff <(jq -S . stdout) <(jq -S . /run/aimee-os/init-storage.json)
}

the_report_of_a_second_run_says_that_there_was_nothing_to_do() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	first_run tree "$disk" --json
	_assert_documented_keys stdout
	assert_json '.state == "btrfs" and .action == "nothing" and .error == null' stdout
	assert_json '[.subvolumes[] | select(.path == "var" or .path == "home") | .action] == ["present","present"]' stdout
	assert_json '.writable_etc == [{"path":"shadow","action":"present"}]' stdout
	assert_json ".fsid == \"$(blkid -p -o value -s UUID "$disk")\"" stdout
}

the_report_of_a_refusal_says_why() {
	make_tree tree
	make_device disk 192M
	mkfs.ext4 -q "$disk"
	init tree "$disk" --json
	assert_status 3
	_assert_documented_keys stdout
	assert_json '.state == "foreign" and .action == "refused" and (.error | test("ext4"))' stdout
	assert_json '[.subvolumes[], .writable_etc[]] | all(.action != "created")' stdout
}

the_report_of_a_failure_says_why() {
	make_tree tree
	rm tree/etc/fstab
	make_device disk 192M
	init tree "$disk" --json
	assert_status 1
	_assert_documented_keys stdout
	assert_json '.action == "failed" and (.error | test("fstab"))' stdout
}

a_failed_entry_is_failed_in_the_report_and_the_others_are_not() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs subvol=var 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
		PARTLABEL=data /srv  btrfs subvol=srv 0 0
		PARTLABEL=data /opt  btrfs subvol=opt 0 0
	END
	mkdir tree/opt
	change_top "$disk"
	mkdir top/srv
	unmount_top
	init tree "$disk" --json
	assert_status 1
	assert_json '.subvolumes[] | select(.target == "/srv") | .action == "failed"' stdout
	assert_json '.subvolumes[] | select(.target == "/opt") | .action == "created"' stdout
	assert_json '.subvolumes[] | select(.target == "/var") | .action == "present"' stdout
	assert_json '.error != null' stdout
}

odd_names_make_valid_json() {
	make_tree tree
	mkdir 'tree/srv/a"b'
	printf '%s\n' 'PARTLABEL=data /srv/a"b btrfs subvol=new\011and\134back 0 0' >>tree/etc/fstab
	make_device disk 192M
	init tree "$disk" --json
	assert_status 0
	assert_json '[.subvolumes[] | select(.target == "/srv/a\"b" and .path == "new\tand\\back")] | length == 1' stdout
	mount_top "$disk"
	assert_is_subvolume $'top/new\tand\\back'
}

a_run_directory_that_cannot_be_written_is_a_warning() {
	make_tree tree
	make_device disk 192M
	mount -t tmpfs -o ro tmpfs /run
	init tree "$disk"
	assert_status 0
	assert_message 'warning|/run'
	assert_message '/run'
	umount /run
	assert_complete tree "$disk"
}

a_file_in_the_place_of_the_run_directory_is_a_warning() {
	make_tree tree
	make_device disk 192M
	: >/run/aimee-os
	init tree "$disk" --json
	assert_status 0
	assert_message '/run'
	assert_json '.action == "formatted"' stdout
	assert_complete tree "$disk"
}

# The report of an earlier boot must not pass for this one's.
a_later_report_replaces_the_earlier_one() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	mkfs.ext4 -q -F "$disk"
	init tree "$disk"
	assert_status 3
	assert_json '.action == "refused"'
	[[ $(names_in /run/aimee-os) == 'init-storage.json ' ]] || fail "a temporary file is left in /run/aimee-os"
}
