# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The copy: whatever a file can have arrives.

# _assert_copied ROOT [compare option...]: "top" is mounted, with the copy of every kind.
_assert_copied() {
	local root=$1
	shift
	compare --extra lib/aimee-os "$@" "$root/var" top/var
	compare "$@" "$root/home" top/home
	compare "$@" "$root/etc/shadow" top/var/lib/aimee-os/etc/shadow
	[[ $(ls top/var/lib/deep) ]]
}

_copy_every_kind() {
	local image=$1 options=$2
	shift 2
	mount_image "$image" root "$options"
	make_device disk 512M
	first_run root "$disk"
	mount_top "$disk"
	assert_subvolumes top home var var/lib/aimee-os/etc var/log var/tmp
	_assert_copied root "$@"
	unmount_top
	btrfs check --readonly --force "$disk" >btrfs-check 2>&1 || fail "$(cat btrfs-check)"
	assert_nothing_to_do root "$disk"
}

every_kind_of_file_on_ext4_is_copied_whole() {
	shared every-kind.ext4 make_every_kind_ext4
	_copy_every_kind every-kind.ext4 noload --atime
}

every_kind_of_file_on_a_zstd_squashfs_is_copied_whole() {
	shared every-kind-zstd.squashfs make_every_kind_of squashfs-zstd
	_copy_every_kind every-kind-zstd.squashfs '' --atime --holes at-most-blocks
}

# slow
every_kind_of_file_on_an_xz_squashfs_is_copied_whole() {
	shared every-kind-xz.squashfs make_every_kind_of squashfs-xz
	_copy_every_kind every-kind-xz.squashfs '' --holes at-most-blocks
}

# slow
every_kind_of_file_on_erofs_is_copied_whole() {
	grep -qw erofs /proc/filesystems || modprobe erofs 2>/dev/null || skip "this kernel has no erofs"
	shared every-kind.erofs make_every_kind_of erofs
	_copy_every_kind every-kind.erofs '' --holes at-most
}

# slow
# mkfs.erofs stores zeros for a hole, and the kernel lists no holes.
holes_that_an_erofs_has_no_longer_are_found_as_zeros() {
	grep -qw erofs /proc/filesystems || modprobe erofs 2>/dev/null || skip "this kernel has no erofs"
	make_tree tree
	truncate -s 1G tree/var/lib/app/hole
	mkfs.erofs -zlz4 root.erofs tree >/dev/null 2>&1
	mount_image root.erofs root
	make_device disk 192M
	first_run root "$disk"
	mount_top "$disk"
	(($(stat -c %b top/var/lib/app/hole) == 0)) || fail "the hole has become data"
}

# slow
the_copy_is_whole_with_compression_too() {
	shared every-kind.ext4 make_every_kind_ext4
	printf 'PARTLABEL=data /var btrfs subvol=var,compress-force=zstd 0 0\nPARTLABEL=data /home btrfs subvol=home 0 0\n' >fstab
	mount_image every-kind.ext4 root noload
	make_device disk 512M
	first_run root "$disk" --fstab=fstab
	mount_top "$disk"
	_assert_copied root --holes at-most
}

# slow
every_kind_of_file_in_an_entry_added_later_is_copied_whole() {
	shared every-kind.ext4 make_every_kind_ext4
	mount_image every-kind.ext4 root noload
	echo 'PARTLABEL=data /home btrfs subvol=home 0 0' >first
	printf 'PARTLABEL=data /var btrfs subvol=var 0 0\n' >>first
	printf 'PARTLABEL=data /var btrfs subvol=var,x-init-storage.subvol=tmp 0 0\nPARTLABEL=data /var/lib btrfs subvol=lib 0 0\n' >second
	make_device disk 512M
	first_run root "$disk" --fstab=first
	first_run root "$disk" --fstab=second
	mount_top "$disk"
	compare --extra aimee-os --ignore mtime: root/var/lib top/lib
}

a_tree_on_btrfs_with_a_subvolume_in_it_is_copied_whole() {
	truncate -s 192M source.img
	make_btrfs source.img
	mkdir source
	mount -o loop source.img source
	make_tree source/tree
	mv source/tree/var source/tree/plain
	btrfs subvolume create source/tree/var >/dev/null
	cp -a source/tree/plain/. source/tree/var
	btrfs subvolume create source/tree/home/more >/dev/null
	echo 'nested' >source/tree/home/more/file
	make_device disk 192M
	first_run source/tree "$disk"
	assert_complete source/tree "$disk"
}

# Files of an overlay may have other device numbers than its directories.
a_tree_on_an_overlay_is_copied_whole() {
	make_tree lower
	make_squashfs lower lower.squashfs
	mount_image lower.squashfs image
	mkdir -p upper/var/lib/app work root
	mount -t tmpfs tmpfs upper
	mkdir upper/{upper,work}
	mount -t overlay -o lowerdir=image,upperdir=upper/upper,workdir=upper/work overlay root
	echo 'upper' >root/var/lib/app/state/upper
	rm root/var/lib/app/data
	make_device disk 192M
	first_run root "$disk"
	mount_top "$disk"
	compare --extra lib/aimee-os --holes at-most-blocks root/var top/var
	compare root/home top/home
}

hard_links_over_the_borders_of_subvolumes_are_copies() {
	make_tree tree
	echo 'one file' >tree/var/lib/app/shared
	ln tree/var/lib/app/shared tree/var/log/app/shared
	ln tree/var/lib/app/shared tree/var/log/shared-too
	ln tree/var/lib/app/shared tree/home/user/shared
	ln tree/var/lib/app/shared tree/var/cache/shared
	make_device disk 192M
	first_run tree "$disk"
	mount_top "$disk"
	compare --part log --extra lib/aimee-os tree/var top/var
	compare tree/home top/home
}

# slow
a_directory_deeper_than_there_are_file_descriptors_is_copied() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" deep "$PWD/tree/var/lib/deep" 1200
	make_device disk 192M
	# As systemd starts services: the program may ask for more.
	ulimit -S -n 1024
	first_run tree "$disk"
	mount_top "$disk"
	compare --extra lib/aimee-os tree/var top/var
}

holes_of_gibibytes_are_neither_read_nor_written() {
	make_tree tree
	truncate -s 200G tree/var/lib/app/huge
	printf 'end' >>tree/var/lib/app/huge
	make_device disk 192M
	PROGRAM_LIMIT=20 first_run tree "$disk"
	assert_complete tree "$disk"
}

# An attribute that the data device's file system cannot hold must not be lost in silence.
_too_large_attribute() {
	truncate -s 64M source.img
	mkfs.ext4 -q -b 4096 -O ea_inode source.img
	mkdir source
	mount -o loop source.img source
	make_tree source/tree
	"${PYTHON[@]}" -c 'import os, sys; os.setxattr(sys.argv[1], "user.large", b"x" * 40000)' "source/tree/$1"
	make_device disk 192M
	init source/tree "$disk"
	assert_status 1
	mount_top "$disk"
}

an_attribute_too_large_for_btrfs_is_an_error_that_names_the_file() {
	_too_large_attribute var/lib/app/data
	assert_message 'lib/app/data'
	assert_absent top/var
	compare source/tree/home top/home
}

an_attribute_of_a_directory_too_large_for_btrfs_is_an_error() {
	_too_large_attribute home/user
	assert_message 'home/user|user'
	assert_absent top/home
	compare --extra lib/aimee-os source/tree/var top/var
}

an_attribute_of_a_copied_file_of_etc_too_large_for_btrfs_is_an_error() {
	_too_large_attribute etc/shadow
	assert_message 'shadow'
	assert_absent top/var/lib/aimee-os/etc/shadow
	compare source/tree/home top/home
}

a_default_acl_of_a_parent_is_not_passed_on_to_what_has_none() {
	truncate -s 64M source.img
	mkfs.ext4 -q source.img
	mkdir source
	mount -o loop source.img source
	make_tree source/tree
	setfacl -m d:u:1000:rwx source/tree/var source/tree/var/lib source/tree/home
	make_device disk 192M
	first_run source/tree "$disk"
	assert_complete source/tree "$disk"
}
