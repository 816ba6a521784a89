# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# A real /var: this machine's.

# What changes while one looks, or is large and says nothing.
EXCLUDED="var/cache/apt var/tmp var/lib/docker var/lib/containerd var/lib/postgresql var/log/journal
	var/lib/systemd/coredump var/crash var/lib/libvirt"

_make_real_image() {
	local compressor=$1 file=$2 path excludes=()
	for path in $EXCLUDED; do
		excludes+=("${path#var/}")
	done
	mkdir -p real/{usr/lib/aimee-os,etc,home}
	# A copy that does not change while it is made into an image.
	mkdir real/var
	tar -C /var -c --one-file-system --xattrs --xattrs-include='*' --ignore-failed-read \
		"${excludes[@]/#/--exclude=./}" . 2>/dev/null | tar -C real/var -x --xattrs --xattrs-include='*' ||
		fail "this machine's /var cannot be read"
	mkdir -p real/var/{log,tmp}
	(($(du -sm real/var | cut -f1) <= 400)) || skip "this machine's /var is too large"
	echo 'f shadow' >real/usr/lib/aimee-os/writable-etc
	echo 'root:*:1::::::' >real/etc/shadow
	printf 'PARTLABEL=data /var btrfs subvol=var 0 0\nPARTLABEL=data /home btrfs subvol=home 0 0\n' >real/etc/fstab
	make_squashfs real "$file" "$compressor"
	rm -rf real
}

_copy_real_tree() {
	local size
	shared "real-$1.squashfs" _make_real_image "$1"
	mount_image "real-$1.squashfs" root
	make_device disk 1G
	PROGRAM_LIMIT=100 first_run root "$disk"
	jq -c '[.subvolumes[], .seconds]' /run/aimee-os/init-storage.json
	mount_top "$disk"
	assert_subvolumes top home var var/lib/aimee-os/etc var/log var/tmp
	compare --extra lib/aimee-os --holes at-most-blocks --atime root/var top/var
	unmount_top
	assert_nothing_to_do root "$disk"
}

# slow
# limit: 180
a_real_var_in_a_zstd_squashfs_is_copied_whole() { _copy_real_tree zstd; }

# slow
# limit: 180
a_real_var_in_an_xz_squashfs_is_copied_whole() { _copy_real_tree xz; }
