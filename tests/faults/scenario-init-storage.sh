# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # for the helpers; the runner sets "disk"
#
# init-storage: a first boot, one that adds something, one with nothing to do, a reset, a rehearsal.

PROGRAM=$INIT_STORAGE

variants() {
	echo 'first-boot converge nothing reset dry-run'
}

# A tree with little in it and one of each kind, for there are many runs to make.
little_tree() {
	make_tree tree
	rm -r tree/var/spool
	mkfifo tree/var/lib/app/fifo
	setfattr -n trusted.mine -v 1 tree/var/lib/app/state/file
	setfattr -n security.selinux -v system_u:object_r:var_log_t:s0 tree/var/log
	chmod 4755 tree/var/lib/app/state/file
	truncate -s 10000 tree/var/lib/app/hole
	touch -d 2023-01-01 tree/var/lib/app/{hole,fifo} tree/var/lib/app/state tree/var/lib/app tree/var
}

shipped_without_home() {
	only_var tree subvol=var,x-init-storage.subvol=tmp
	: >tree/usr/lib/aimee-os/writable-etc
}

wants_more() {
	write_fstab tree <<-END
		PARTLABEL=data /var  btrfs subvol=var,x-init-storage.subvol=tmp:log 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	echo 'f shadow' >tree/usr/lib/aimee-os/writable-etc
}

# before.img is the device as the run finds it.
prepare() {
	little_tree
	make_device disk 128M
	case $VARIANT in
	first-boot) ;;
	converge)
		shipped_without_home
		first_run tree "$disk"
		change_top "$disk"
		mkdir -m 0700 top/.init-storage
		btrfs subvolume create top/.init-storage/home >/dev/null
		: >top/.init-storage/home/file
		btrfs subvolume create top/.init-storage/home/nested >/dev/null
		rmdir top/var/log/app 2>/dev/null || rm -r top/var/log
		unmount_top
		wants_more
		;;
	reset)
		in_use "$disk"
		request "$disk"
		fsid_of "$disk" >old-fsid
		;;
	nothing | dry-run) first_run tree "$disk" ;;
	esac
	[[ $VARIANT != dry-run ]] || add_home
	detach_device "$disk"
	mv disk.img before.img
}

add_home() {
	change_top "$disk"
	btrfs subvolume delete top/home >/dev/null
	unmount_top
}

arrange() {
	SUBVOLUMES="home var var/lib/aimee-os/etc var/log var/tmp"
	[[ $VARIANT != converge ]] || VAR_OPTIONS=(--ignore mtime:)
	[[ $VARIANT != dry-run ]] || remember_device "$disk"
	[[ ! -e old-fsid ]] || OLD_FSID=$(<old-fsid)
}

act() {
	local dry=()
	[[ $VARIANT != dry-run ]] || dry=(--dry-run)
	disturbed "$INIT_STORAGE" --root=tree --device="$disk" "${dry[@]}" </dev/null
}

holds() {
	[[ $VARIANT != dry-run ]] || assert_device_unchanged "$disk"
}

effect() {
	case $VARIANT in
	dry-run) grep -q '^init-storage: home: would be made' stderr || was_silenced || fail "it does not say what it would do" ;;
	*)
		! grep -q 'cannot remove the folder .init-storage: .*; the next run will$' stderr || remove_staging
		complete
		;;
	esac
}

# What is left of it is in nobody's way.
remove_staging() {
	change_top "$disk"
	find top -name .init-storage -exec rm -rf {} +
	unmount_top
	VAR_OPTIONS=(--ignore mtime:)
}

complete() {
	if [[ -e old-fsid ]]; then
		assert_reset tree "$disk"
	else
		assert_complete tree "$disk"
	fi
}

afterwards() {
	first_run tree "$disk"
	complete
	assert_json '.error == null'
	remember_device "$disk"
	first_run tree "$disk"
	assert_device_unchanged "$disk"
}
