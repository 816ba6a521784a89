# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# Memory: no more than 16 MiB for any tree.

# _peak_kib: of a run; by the high-water mark, asked for again and again until the end.
_peak_kib() {
	"${PYTHON[@]}" - "$INIT_STORAGE" --root=root --device="$disk" <<-'END'
		import re, subprocess, sys, time
		run = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
		peak = 0
		while run.poll() is None:
		    try:
		        status = open(f"/proc/{run.pid}/status").read()
		        found = re.search(r"VmHWM:\s+(\d+)", status)
		        # Before it is the program, it is Python.
		        if found and "Name:\tinit-storage" in status:
		            peak = max(peak, int(found.group(1)))
		    except OSError:
		        pass
		    time.sleep(0.002)
		print(peak)
		sys.exit(run.returncode)
	END
}

_assert_modest() {
	local peak
	peak=$(_peak_kib)
	echo "at most $peak KiB"
	((peak > 100)) || fail "no measurement"
	((peak <= 16384)) || fail "$peak KiB resident"
}

_squashfs_of() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" "$1" "$PWD/tree/var/lib/much" "$2"
	make_squashfs tree root.squashfs
	mount_image root.squashfs root
	make_device disk 512M
}

# slow
a_tree_of_many_files_in_one_directory_takes_little_memory() {
	_squashfs_of wide 30000
	_assert_modest
	mount_top "$disk"
	compare --extra lib/aimee-os root/var top/var
}

# slow
a_tree_of_large_files_takes_little_memory() {
	_squashfs_of random 100
	_assert_modest
}

# slow
a_deep_tree_takes_little_memory() {
	_squashfs_of deep 1000
	_assert_modest
}

# slow
# What has to be remembered of a hard link, for as long as others of it may come.
a_tree_of_many_hard_links_takes_little_memory() {
	make_tree tree
	"${PYTHON[@]}" - <<-'END'
		import os
		os.makedirs("tree/var/lib/a")
		os.makedirs("tree/var/lib/b")
		for i in range(25000):
		    open(f"tree/var/lib/a/a-name-of-some-length-{i}", "w").close()
		    os.link(f"tree/var/lib/a/a-name-of-some-length-{i}", f"tree/var/lib/b/another-name-{i}")
	END
	make_squashfs tree root.squashfs
	mount_image root.squashfs root
	make_device disk 512M
	_assert_modest
	mount_top "$disk"
	compare --extra lib/aimee-os root/var top/var
}
