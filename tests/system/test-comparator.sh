# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The comparator that the other tests trust: it sees each single thing that a copy can lose.

# Two equal trees "a" and "b" on a file system that keeps everything.
_two_trees() {
	truncate -s 256M both.img
	mkfs.ext4 -q -F -b 4096 -O ea_inode both.img
	mkdir both
	mount -o loop both.img both
	cd both || exit
	mkdir a
	printf 'some text\n' >a/file
	garbage 9000 >a/linked
	ln a/linked a/linked-too
	ln -s target a/symlink
	mknod a/device c 1 3
	mkfifo a/fifo
	mkdir -p a/directory/below
	truncate -s 1M a/sparse
	garbage 4096 | put a/sparse 0x40000
	setfattr -n user.one -v 1 a/file
	setfattr -h -n trusted.one -v 1 a/symlink
	setfacl -m u:1000:rwx a/file
	setfacl -m d:u:1000:rwx a/directory
	cp -a a b
}

_caught() {
	local expected=$1 output status=0
	shift
	output=$("${PYTHON[@]}" "$HERE/compare-trees" "$@" a b) || status=$?
	echo "$output"
	[[ $status == 1 ]] || fail "a difference of $expected went unseen"
	grep -qF "$expected" <<<"$output" || fail "it does not name: $expected"
	[[ $(wc -l <<<"$output") == 2 ]] || fail "more than one difference for one change of $expected"
	rm -r b
	cp -a a b
	"${PYTHON[@]}" "$HERE/compare-trees" a b >/dev/null || fail "equal trees differ"
}

equal_trees_of_every_kind_compare_equal() {
	shared every-kind.ext4 make_every_kind_ext4
	cp --sparse=always every-kind.ext4 again.ext4
	mount_image every-kind.ext4 a noload
	mount_image again.ext4 b noload
	compare --atime a b
}

each_lost_property_of_a_file_is_seen() {
	_two_trees
	chmod 0600 b/linked; _caught 'linked-too: mode' --ignore mode:linked
	chmod 4711 b/fifo; _caught 'fifo: mode'
	chown 5 b/fifo; _caught 'fifo: owner'
	chgrp 5 b/fifo; _caught 'fifo: group'
	chown -h 5 b/symlink; _caught 'symlink: owner'
	touch -d '2001-02-03 04:05:06.000000001' b/fifo; _caught 'fifo: mtime'
	touch -h -d '2001-02-03' b/symlink; _caught 'symlink: mtime'
	touch -d "@$(stat -c %Y a/directory)" b/directory; _caught 'directory: mtime'
	touch -a -d '2001-02-03' b/file; _caught 'file: atime' --atime
	rm b/device; mknod b/device c 1 5; touch -r a/device b/device; touch -r a b; _caught 'device: rdev'
	rm b/device; mknod b/device b 1 3; touch -r a/device b/device; touch -r a b; _caught 'device: character device, in the copy block device'
	ln -sfn other b/symlink; touch -h -r a/symlink b/symlink; touch -r a b; _caught 'symlink: target' --ignore-xattr trusted.one
	touch -d '2001-02-03' b; _caught '.: mtime'
}

a_lost_or_changed_attribute_is_seen() {
	_two_trees
	setfattr -x user.one b/file; _caught 'file: xattr user.one'
	setfattr -n user.one -v 2 b/file; _caught 'file: xattr user.one'
	setfattr -n user.one -v '' b/file; _caught 'file: xattr user.one'
	setfattr -n security.selinux -v x_t b/fifo; _caught 'fifo: xattr security.selinux'
	setfattr -h -x trusted.one b/symlink; _caught 'symlink: xattr trusted.one'
	setfacl -m u:1000:rw b/file; setfacl -m m::rwx b/file; _caught 'file: xattr system.posix_acl_access'
	setfacl -k b/directory; _caught 'directory: xattr system.posix_acl_default'
}

a_difference_of_content_is_seen() {
	_two_trees
	# One byte of garbage may be an X already.
	printf 'XXXXXXXX' | put b/linked 8992; touch -r a/linked b/linked; _caught 'content' --ignore content:linked
	printf 'more' >>b/file; touch -r a/file b/file; _caught 'file: size' --ignore content:file
	printf 'XXXXXXXX' | put b/sparse 0x40100; touch -r a/sparse b/sparse; _caught 'sparse: content'
	# Data where the source has a hole.
	printf 'X' | put b/sparse 0x80000; touch -r a/sparse b/sparse; _caught 'sparse: content' --holes no
}

a_filled_hole_is_seen() {
	_two_trees
	zeros 4096 | put b/sparse 0x80000; touch -r a/sparse b/sparse; _caught 'sparse: holes'
	zeros 4096 | put b/sparse 0x80000; touch -r a/sparse b/sparse; _caught 'sparse: holes' --holes at-most
	zeros 4096 | put b/sparse 0x80000; touch -r a/sparse b/sparse; _caught 'sparse: holes' --holes at-most-blocks
	# A hole more is no loss where the kernel cannot list the source's.
	fallocate --punch-hole --offset 0x40000 --length 4096 b/sparse
	zeros 4096 | put a/sparse 0x40000
	touch -r a/sparse b/sparse
	compare --holes at-most a b
	! "${PYTHON[@]}" "$HERE/compare-trees" a b || fail "a hole more went unseen"
}

a_broken_hard_link_is_seen() {
	_two_trees
	cp -a b/linked b/copy; mv b/copy b/linked-too; touch -r a b; _caught 'hard links only in the source'
	ln -f b/file b/other; rm b/other; touch -r a b
	compare a b
	printf 'some text\n' >a/twin; rm b/file; cp -a a/file b/file; cp -a a/file a/twin
	ln b/file b/twin; touch -r a b; _caught 'hard links only in the copy'
}

missing_and_extra_names_are_seen() {
	_two_trees
	rmdir b/directory/below; touch -r a/directory b/directory; _caught 'directory/below: missing in the copy'
	: >b/directory/new; touch -r a/directory b/directory; _caught 'directory/new: only in the copy'
	_caught 'directory/new: should be in the copy alone' --extra directory/new
}

allowed_differences_are_allowed_where_they_are_named_only() {
	_two_trees
	: >b/directory/new
	compare --extra directory/new --ignore mtime:directory a b
	compare --exclude directory a b
	touch -d 2001-02-03 b/fifo b/file
	compare --exclude directory --ignore mtime a b
	_caught 'fifo: mtime' --exclude directory --ignore mtime:file
	rmdir b/directory/below; touch -r a/directory b/directory
	compare --empty directory a b
	: >b/directory/below; touch -r a/directory b/directory
	_caught 'directory/below: only in the copy' --empty directory
}

hard_links_end_at_the_borders_of_a_part() {
	_two_trees
	ln a/linked a/directory/linked
	touch -r b a; touch -r b/directory a/directory
	cp -a b/linked b/directory/linked; touch -r a/directory b/directory
	compare --part directory a b
}

two_single_files_can_be_compared() {
	_two_trees
	compare a/file b/file
	chmod 600 b/fifo
	! "${PYTHON[@]}" "$HERE/compare-trees" a/fifo b/fifo || fail "a difference went unseen"
}
