# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Failures half way: nothing half is committed, and the next boot makes up for it.

# --- no space ---------------------------------------------------------------------------------

# slow
a_tree_larger_than_the_device_is_not_committed_and_completed_once_there_is_room() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/cache/large" 160
	make_device disk 128M
	init tree "$disk"
	assert_status 1
	assert_message 'no space left'
	mount_top "$disk"
	assert_absent top/var
	[[ ! -d top/home ]] || compare tree/home top/home
	unmount_top
	truncate -s 512M disk.img
	losetup --set-capacity "$disk"
	change_top "$disk"
	btrfs filesystem resize max top >/dev/null
	unmount_top
	first_run tree "$disk"
	assert_json '.action == "completed"'
	assert_complete tree "$disk"
}

no_space_for_one_subvolume_leaves_the_earlier_ones() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/home/user/large" 160
	make_device disk 128M
	init tree "$disk"
	assert_status 1
	assert_message 'no space left'
	mount_top "$disk"
	assert_absent top/home
	[[ ! -d top/var ]] || compare --extra lib/aimee-os tree/var top/var
}

# The kernel frees what was removed only later.
# slow
no_space_once_does_not_keep_a_smaller_image_from_fitting() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/lib/app/large" 400
	make_device disk 300M
	init tree "$disk"
	assert_status 1
	assert_message 'no space left'
	rm -r tree/var/lib/app/large
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/lib/app/smaller" 100
	first_run tree "$disk"
	assert_complete tree "$disk"
}

# --- unreadable sources -----------------------------------------------------------------------

# _damaged_image FILE: "root", an image in which the data of that one file cannot be read,
# and "good", the same as it should be.
_damaged_image() {
	[[ -d tree ]] || make_tree tree
	printf 'data that is compressed%.0s\n' {1..4000} >"tree/$1"
	touch -d 2023-01-01 "tree/$1" "tree/$(dirname "$1")"
	# It comes first, so that its data lies right behind the superblock of 96 bytes.
	echo "$1 32767" >order
	mksquashfs tree good.squashfs -comp gzip -no-fragments -sort order -no-progress -quiet >/dev/null
	cp good.squashfs bad.squashfs
	garbage 64 | put bad.squashfs 120
	mount_image bad.squashfs root
	mount_image good.squashfs good
	! cat "root/$1" >/dev/null 2>&1 || fail "the damaged file can be read"
	make_device disk 192M
}

an_unreadable_file_is_named_and_its_subvolume_is_not_committed() {
	_damaged_image var/lib/app/bad
	init root "$disk"
	assert_status 1
	assert_message 'lib/app/bad.*input/output error'
	assert_json '.subvolumes[] | select(.path == "var") | .action == "failed"'
	assert_json '.subvolumes[] | select(.path == "home") | .action == "created"'
	mount_top "$disk"
	assert_absent top/var
	compare good/home top/home
	unmount_top
	first_run good "$disk"
	assert_complete good "$disk"
}

an_unreadable_file_of_another_entry_leaves_var_alone() {
	_damaged_image home/user/bad
	init root "$disk"
	assert_status 1
	assert_message 'user/bad.*input/output error'
	mount_top "$disk"
	assert_absent top/home
	compare --extra lib/aimee-os good/var top/var
	compare good/etc/shadow top/var/lib/aimee-os/etc/shadow
	unmount_top
	first_run good "$disk"
	assert_complete good "$disk"
}

an_unreadable_file_in_a_nested_subvolume_is_not_committed_half() {
	_damaged_image var/log/app/bad
	init root "$disk"
	assert_status 1
	assert_message 'log/app/bad'
	mount_top "$disk"
	assert_absent top/var/log
	compare good/home top/home
	unmount_top
	first_run good "$disk"
	assert_complete good "$disk"
}

an_unreadable_file_of_writable_etc_is_not_committed_half() {
	make_tree tree
	echo 'd ssh' >>tree/usr/lib/aimee-os/writable-etc
	_damaged_image etc/ssh/bad
	init root "$disk"
	assert_status 1
	assert_message 'ssh/bad'
	mount_top "$disk"
	assert_absent top/var/lib/aimee-os/etc/ssh
	compare good/etc/shadow top/var/lib/aimee-os/etc/shadow
	compare --extra lib/aimee-os good/var top/var
	unmount_top
	first_run good "$disk"
	mount_top "$disk"
	compare good/etc/ssh top/var/lib/aimee-os/etc/ssh
	[[ $(names_in top/var/lib/aimee-os/etc) == 'shadow ssh ' ]]
}

# A name is bytes; the report is JSON, and messages go to consoles.
an_unreadable_file_with_an_odd_name_is_reported_in_valid_utf8_without_control_characters() {
	local name=$'var/lib/app/bad \xff\n\033[2J"'
	_damaged_image var/lib/app/bad
	umount root good
	detach_device "$disk"
	rm bad.squashfs good.squashfs disk.img
	mv tree/var/lib/app/bad "tree/$name"
	# The order file cannot hold such a name: the others come later.
	find tree -type f ! -path 'tree/var/lib/app/bad*' -printf '%P -1\n' >order
	mksquashfs tree bad.squashfs -comp gzip -no-fragments -sort order -no-progress -quiet >/dev/null
	garbage 64 | put bad.squashfs 120
	mount_image bad.squashfs root
	make_device disk 192M
	init root "$disk" --json
	assert_status 1
	assert_message 'lib/app/bad'
	"${PYTHON[@]}" -c 'import json; json.loads(open("stdout", "rb").read().decode("utf-8"))' || fail "the report is not UTF-8"
	! grep -q $'\033' stderr || fail "a control character of a file name is in the messages"
}

# --- sources that change ------------------------------------------------------------------------

# _while_changing PYTHON: runs while that code, in which f is a large file of /var opened for
# writing, is done again and again.
_while_changing() {
	local pid
	make_tree tree
	garbage 24M >tree/var/lib/app/busy
	make_device disk 256M
	rm -f started
	"${PYTHON[@]}" - "$1" <<-'END' &
		import os, sys
		f = os.open("tree/var/lib/app/busy", os.O_RDWR)
		code = compile(sys.argv[1], "change", "exec")
		i = 0
		while True:
		    exec(code)
		    i += 1
		    open("started", "w").close()
	END
	pid=$!
	wait_until 10 test -e started
	init tree "$disk"
	kill "$pid"
	wait "$pid" 2>/dev/null || :
	assert_status 1
	assert_message 'lib/app/busy'
	mount_top "$disk"
	assert_absent top/var
	compare tree/home top/home
	unmount_top
	first_run tree "$disk"
	assert_complete tree "$disk"
}

a_file_that_is_written_to_meanwhile_is_an_error_that_names_it() {
	_while_changing 'os.pwrite(f, b"%08d" % i, 1000000 * (i % 24))'
}

a_file_that_grows_meanwhile_is_an_error_that_names_it() {
	_while_changing 'os.ftruncate(f, (24 << 20) + i)'
}

a_file_that_shrinks_meanwhile_is_an_error_that_names_it() {
	_while_changing 'os.ftruncate(f, max(1 << 20, (24 << 20) - 100 * i))'
}

# --- mkfs.btrfs -------------------------------------------------------------------------------

_with_mkfs() {
	make_tree tree
	make_device disk 192M
	replace_mkfs
	init tree "$disk"
	restore_mkfs
	assert_status 1
	assert_message 'mkfs\.btrfs'
}

_next_boot_formats() {
	assert_formats tree "$disk"
}

a_failing_mkfs_is_a_failure_that_says_so() {
	_with_mkfs <<-'END'
		#!/bin/sh
		echo 'ERROR: the moon is full' >&2
		exit 7
	END
	assert_message 'the moon is full'
	assert_message '\b7\b'
	assert_json '.state == "blank" and .action == "failed"'
	_next_boot_formats
}

a_killed_mkfs_is_a_failure_that_says_so() {
	_with_mkfs <<-'END'
		#!/bin/sh
		kill -SEGV $$
	END
	assert_message 'signal|segmentation|killed'
	_next_boot_formats
}

a_mkfs_that_cannot_be_run_is_a_failure() {
	make_tree tree
	make_device disk 192M
	mount --bind /dev/null "$(mkfs_path)"
	assert_fails_unchanged tree "$disk" 'mkfs\.btrfs'
	restore_mkfs
	_next_boot_formats
}

a_mkfs_that_does_nothing_and_claims_success_is_a_failure() {
	_with_mkfs <<-'END'
		#!/bin/sh
		exit 0
	END
	_next_boot_formats
}

a_mkfs_that_makes_another_file_system_is_a_failure() {
	make_tree tree
	make_device disk 192M
	replace_mkfs <<-END
		#!/bin/sh
		for last; do :; done
		exec $(command -v mkfs.ext4) -q -F "\$last"
	END
	init tree "$disk"
	restore_mkfs
	assert_status 1
}

mkfs_gets_a_clean_environment_and_is_never_forced() {
	make_tree tree
	make_device disk 192M
	replace_mkfs <<-END
		#!/bin/sh
		echo "\$0" "\$@" >$PWD/arguments
		tr '\\0' '\\n' </proc/\$\$/environ >$PWD/environment
		ls -l /proc/\$\$/fd >$PWD/descriptors
		exec $PWD/mkfs.real "\$@"
	END
	export LD_PRELOAD='' SECRET=secret NOTIFY_SOCKET=/run/nowhere BTRFS_SOMETHING=1
	first_run tree "$disk" --progress=never
	restore_mkfs
	! grep -qE 'SECRET|NOTIFY_SOCKET|BTRFS_SOMETHING|LD_' environment || fail "mkfs got: $(tr '\n' ' ' <environment)"
	! grep -qwE -- '-f|--force' arguments || fail "mkfs was forced: $(cat arguments)"
	grep -qF -- "$disk" arguments
	[[ $(cut -d' ' -f1 arguments) == /* ]] || fail "mkfs was not run by an absolute path"
	# The lock alone: it must last as long as mkfs, whatever becomes of who ran it.
	! grep -E "$disk|$PWD/tree" descriptors | grep -qv " 3 -> $disk\$" || fail "mkfs inherited: $(cat descriptors)"
	grep -q " 3 -> $disk\$" descriptors || fail "mkfs has no lock: $(cat descriptors)"
}

# Otherwise the mkfs that goes on would write over what the next run made.
a_killed_run_leaves_the_lock_to_its_mkfs() {
	local run i
	make_tree tree
	make_device disk 192M
	replace_mkfs <<-END
		#!/bin/sh
		: >$PWD/begun
		while [ -e $PWD/hold ]; do sleep 0.1; done
		exec $PWD/mkfs.real "\$@"
	END
	: >hold
	"$INIT_STORAGE" --root=tree --device="$disk" 2>first &
	run=$!
	for ((i = 0; i < 100; i++)); do
		[[ ! -e begun ]] || break
		sleep 0.1
	done
	[[ -e begun ]] || fail "mkfs was not run"
	kill -KILL "$run"
	wait "$run" || :
	! flock --nonblock "$disk" true || fail "the lock ended with the run"
	(sleep 1 && rm hold) &
	first_run tree "$disk"
	restore_mkfs
	assert_complete tree "$disk"
}

# An error number that the program could take for one of its own.
a_call_that_is_cancelled_is_a_failure() {
	local call
	make_tree tree
	for call in pwrite64 fsetxattr mkdirat; do
		make_device disk 192M
		WRAPPER=(strace -f -o /dev/null -e "trace=$call" -e "inject=$call:error=ECANCELED:when=3")
		init tree "$disk"
		WRAPPER=()
		if [[ $STATUS == 0 ]]; then
			assert_complete tree "$disk"
		else
			assert_status 1
			first_run tree "$disk"
			assert_complete tree "$disk"
		fi
		detach_device "$disk"
		rm disk.img
	done
}

# What is missing then is missing because of the failure.
a_failure_with_a_copy_of_etc_to_make_is_not_called_a_signal() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	echo 'f ssh/sshd_config' >>tree/usr/lib/aimee-os/writable-etc
	WRAPPER=(strace -f -o /dev/null -e trace=mkdirat -e inject=mkdirat:error=EIO:when=1)
	init tree "$disk"
	WRAPPER=()
	assert_status 1
	assert_message 'cannot make the folder .init-storage: Input/output error'
	assert_no_message 'stopped by'
	first_run tree "$disk"
	assert_nothing_to_do tree "$disk"
}

a_signal_before_only_a_directory_is_missing_is_told() {
	make_tree tree
	make_device disk 192M
	first_run tree "$disk"
	sed -i '/\/var /s/subvol=var/subvol=var,x-init-storage.nodatacow=lib\/db/' tree/etc/fstab
	WRAPPER=(strace -f -o /dev/null -e trace=flock -e inject=flock:signal=TERM:when=2)
	init tree "$disk"
	WRAPPER=()
	assert_status 1
	assert_message 'stopped by'
	first_run tree "$disk"
	mount_top "$disk"
	[[ $(lsattr -d top/var/lib/db) == *C* ]] || fail "lib/db is not NOCOW"
}

# It is told to stop; what it leaves is no btrfs yet.
a_signal_while_mkfs_runs_is_passed_on_to_it() {
	local pid
	make_tree tree
	make_device disk 192M
	replace_mkfs <<-END
		#!/bin/bash
		trap 'kill \$!; touch "$PWD/stopped"; exit 1' TERM
		sleep 30 >/dev/null 2>&1 &
		touch "$PWD/started"
		wait
	END
	"$INIT_STORAGE" --root=tree --device="$disk" >stdout 2>stderr </dev/null &
	pid=$!
	wait_until 10 test -e started
	kill -TERM "$pid"
	STATUS=0
	wait "$pid" || STATUS=$?
	assert_status 1
	assert_message "$disk: stopped by a signal while mkfs.btrfs ran"
	[[ -e stopped ]] || fail "mkfs.btrfs was left running"
	restore_mkfs
	assert_formats tree "$disk"
}

# --- signals ------------------------------------------------------------------------------------

_large_tree() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/cache/large" 20
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/home/user/large" 10
	"${PYTHON[@]}" "$HERE/make-tree" wide "$PWD/tree/var/lib/wide" 1000
}

# What has its final name is whole, whenever the run ended.
_assert_nothing_half() {
	btrfs check --readonly --force "$disk" >/dev/null 2>&1 || fail "btrfs check finds an error"
	mount_top "$disk"
	[[ ! -e top/var ]] || compare --extra lib/aimee-os --exclude log --exclude tmp tree/var top/var
	[[ ! -e top/var/log ]] || compare tree/var/log top/var/log
	[[ ! -e top/home ]] || compare tree/home top/home
	unmount_top
}

_milliseconds() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# _signalled_at SIGNAL MILLISECONDS
_signalled_at() {
	local pid start
	zeros 1M | put "$disk" 0
	zeros 4096 | put "$disk" 64M
	"$INIT_STORAGE" --root=tree --device="$disk" >stdout 2>stderr &
	pid=$!
	sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
	start=$(_milliseconds)
	kill -"$1" "$pid" 2>/dev/null || :
	STATUS=0
	wait "$pid" || STATUS=$?
	echo "SIG$1 after $2 ms: status $STATUS, after $(($(_milliseconds) - start)) ms more"
	[[ $1 == KILL ]] || (($(_milliseconds) - start < 5000)) || fail "it took too long to end"
}

_interrupt_at_random() {
	local signal=$1 rounds=$2 duration start i
	_large_tree
	make_device disk 192M
	start=$(_milliseconds)
	first_run tree "$disk"
	duration=$(($(_milliseconds) - start))
	for ((i = 0; i < rounds; i++)); do
		# In turn over the run, and a little by chance.
		_signalled_at "$signal" $((duration * i / rounds + RANDOM % (duration / rounds + 1)))
		# A killed run's mkfs must have come to its end.
		wait_until 10 is_gone mkfs.btrfs
		if [[ $(blkid -p -o value -s TYPE "$disk") == btrfs ]]; then
			_assert_nothing_half
		fi
		[[ $STATUS != 0 ]] || assert_complete tree "$disk"
		first_run tree "$disk"
		assert_complete tree "$disk"
	done
}

# slow
# limit: 120
sigterm_at_any_moment_leaves_nothing_half() { _interrupt_at_random TERM 8; }

# slow
# limit: 120
sigint_at_any_moment_leaves_nothing_half() { _interrupt_at_random INT 5; }

# slow
# limit: 120
sigkill_at_any_moment_leaves_nothing_half() { _interrupt_at_random KILL 8; }

sigterm_during_the_copy_ends_it_with_a_failure() {
	_large_tree
	make_device disk 192M
	# It comes while the first file's data is being synced, at the latest.
	STATUS=0
	strace -f -o /dev/null -e trace=syncfs -e inject=syncfs:signal=TERM:when=1 \
		"$INIT_STORAGE" --root=tree --device="$disk" 2>stderr || STATUS=$?
	echo "status $STATUS"
	sed 's/^/    /' stderr
	[[ $STATUS != 0 ]] || assert_complete tree "$disk"
	_assert_nothing_half
	first_run tree "$disk"
	assert_complete tree "$disk"
}
