# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the system tests have in common. Sourced by "run" in the test's namespaces, in the
# test's own folder, with errexit.

# Without the site packages, which take time to look for.
PYTHON=(/usr/bin/python3 -I -S)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REQUEST_XATTR=trusted.aimee-os.factory-reset
REQUEST_FLAG=/run/aimee-os/factory-reset.json
STATUS='' PROGRAM_ARGS=() WRAPPER=() VAR_OPTIONS=()

# shellcheck source=tests/lib.sh
. "$HERE/../lib.sh"

# --- ends of a test ---------------------------------------------------------------------

explain_error() {
	# Standard output may be a variable in the making.
	{
		echo "failed with status $1: $2"
		print_callers
	} >&2
}

fail() {
	trap - ERR
	echo "not as promised: $*"
	print_callers
	exit 1
}

# --- devices ----------------------------------------------------------------------------

# make_device NAME SIZE [SECTOR]: a sparse file NAME.img and a loop device over it, whose
# path the variable NAME gets.
make_device() {
	truncate -s "$2" "$1.img"
	attach_device "$1" "$1.img" ${3:+--sector-size "$3"}
}

# attach_device NAME FILE [losetup option...]
attach_device() {
	local -n attached=$1
	local file
	file=$(realpath "$2")
	shift 2
	# shellcheck disable=SC2034 # set for the caller
	attached=$(losetup --find --show "$@" "$file")
}

# make_gpt_device NAME SIZE LABEL...: a disk with one partition a label; the variable NAME
# gets the disk's path, the partitions are ${NAME}p1, ...
make_gpt_device() {
	local name=$1 size=$2 count=$(($# - 2)) label share
	shift 2
	truncate -s "$size" "$name.img"
	share=$(($(stat -c %s "$name.img") / 1048576 / count - 2))
	{
		echo 'label: gpt'
		for label; do
			echo "size=${share}MiB, name=\"$label\""
		done
	} | sfdisk --quiet "$name.img"
	attach_device "$name" "$name.img" --partscan
	add_partitions "${!name}"
}

# A kernel without a GPT parser has to be told.
add_partitions() {
	local i
	[[ -b ${1}p1 ]] || partx --add "$1"
	for ((i = 0; i < 50; i++)); do
		[[ -b ${1}p1 ]] && return
		sleep 0.1
	done
	fail "${1}p1 did not appear"
}

# The name for a backing file on a file system that the test mounts.
inner_name() {
	local base=${TEST_DIR%/*}
	echo "${base##*/}.$TEST_NAME.img"
}

image_of() {
	cat "/sys/block/${1#/dev/}/loop/backing_file"
}

# is_detached DEVICE IMAGE: once it is free, any other test may get a device of that number.
is_detached() {
	[[ $(image_of "$1" 2>/dev/null) != "$2" ]]
}

# The kernel detaches in the background while something still has the device open, and takes its time
# for that when the machine is busy.
detach_device() {
	local image
	image=$(image_of "$1")
	partx --delete "$1" 2>/dev/null || :
	losetup --detach "$1"
	wait_until 20 is_detached "$1" "$image" || fail "$1 is still held by something"
}

# The sha256 of every byte of a device (runs of zeros enter it by their place, so that
# sparse images take no time).
device_sum() {
	local file=$1
	[[ -b $1 ]] && blockdev --flushbufs "$1"
	[[ -e /sys/block/${1#/dev/}/loop ]] && file=$(image_of "$1")
	"${PYTHON[@]}" "$HERE/image" sum "$file"
}

remember_device() {
	REMEMBERED=$(device_sum "$1")
}

assert_device_unchanged() {
	[[ $(device_sum "$1") == "$REMEMBERED" ]] || fail "$1 was written to"
}

# put DEVICE OFFSET: standard input becomes the bytes at OFFSET.
put() {
	dd of="$1" bs=64K oflag=seek_bytes seek="$(bytes "$2")" conv=notrunc,fsync iflag=fullblock status=none
}

# bytes NUMBER: decimal, 0x..., or with the suffix K, M or G.
bytes() {
	case $1 in
	*[KMG]) numfmt --from=iec "$1" ;;
	*) echo $(($1)) ;;
	esac
}

zeros() { head -c "$(bytes "$1")" /dev/zero; }
ones() { zeros "$1" | tr '\0' '\377'; }
garbage() { head -c "$(bytes "$1")" /dev/urandom; }

# superblock DEVICE ACTION...: see "image".
superblock() {
	[[ -b $1 ]] && blockdev --flushbufs "$1"
	"${PYTHON[@]}" "$HERE/image" superblock "$@"
}

# A label that no device of this machine bears.
unique_label() {
	echo "t$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')"
}

make_btrfs() {
	# mkfs writes notes about its defaults.
	mkfs.btrfs --quiet "$@" >/dev/null
}

# --- trees ------------------------------------------------------------------------------

# A small image of an appliance in a plain folder: what most tests copy.
make_tree() {
	local tree=$1
	mkdir -p "$tree"/{etc/ssh,usr/lib/aimee-os,home/user,srv,run,proc,sys,dev}
	mkdir -p "$tree"/var/{lib/app/state,log/app,tmp,cache,spool/mail}
	echo 'root:!:19000:0:99999:7:::' >"$tree/etc/shadow"
	echo 'Port 22' >"$tree/etc/ssh/sshd_config"
	echo 'f shadow' >"$tree/usr/lib/aimee-os/writable-etc"
	echo 'shipped' >"$tree/var/lib/app/state/file"
	ln "$tree/var/lib/app/state/file" "$tree/var/lib/app/state/same-file"
	ln -s ../app "$tree/var/lib/app/link"
	garbage 70000 >"$tree/var/lib/app/data"
	echo 'first line' >"$tree/var/log/app/log"
	: >"$tree/var/spool/mail/user"
	echo 'profile' >"$tree/home/user/.profile"
	chmod 1777 "$tree/var/tmp"
	chmod 0640 "$tree/etc/shadow"
	chmod 0750 "$tree/home/user"
	chown 0:42 "$tree/etc/shadow"
	chown -R 1000:1000 "$tree/home/user"
	chown 8:12 "$tree/var/spool/mail/user"
	find "$tree/var" "$tree/home" "$tree/etc" -exec touch -h -d '2023-04-05 06:07:08.123456789' {} +
	write_fstab "$tree" <<-END
		PARTLABEL=data /var  btrfs subvol=var,compress=zstd 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	SUBVOLUMES="home var var/lib/aimee-os/etc var/log var/tmp"
}

write_fstab() {
	cat >"$1/etc/fstab"
}

# The program's default names and an fstab of one line.
only_var() {
	write_fstab "$1" <<<"PARTLABEL=data /var btrfs ${2:-subvol=var} 0 0"
	SUBVOLUMES="var var/lib/aimee-os/etc var/log var/tmp"
}

# shared NAME COMMAND...: a link NAME to an image file that is made once for all tests by
# "COMMAND... FILE".
shared() {
	local name=$1
	shift
	(
		flock 9
		if [[ ! -e $SHARED/$name ]]; then
			"$@" "$SHARED/$name.part"
			mv "$SHARED/$name.part" "$SHARED/$name"
		fi
	) 9>>"$SHARED/$name.lock"
	[[ -e $SHARED/$name ]]
	ln "$SHARED/$name" "$name"
}

# The tree with every kind of file, on an ext4 file system: the one that keeps them all.
make_every_kind_ext4() {
	local mounted="$TEST_DIR/every-kind"
	truncate -s 96M "$1"
	mkfs.ext4 -q -F -b 4096 -O ea_inode -N 16384 "$1"
	mkdir "$mounted"
	mount -o loop "$1" "$mounted"
	"${PYTHON[@]}" "$HERE/make-tree" every-kind "$mounted"
	umount "$mounted"
	rmdir "$mounted"
}

# make_every_kind_of FORMAT FILE: the same tree in another image format.
make_every_kind_of() {
	local format=$1 file=$2 mounted="$TEST_DIR/every-kind-source"
	shared every-kind.ext4 make_every_kind_ext4
	mkdir "$mounted"
	mount -o loop,ro,noload "every-kind.ext4" "$mounted"
	case $format in
	squashfs-*)
		# It says for each ACL that it has no room for it, and goes on.
		mksquashfs "$mounted" "$file" -comp "${format#*-}" -xattrs -no-progress -quiet >/dev/null 2>&1
		;;
	# It cannot take some of the odd names, and makes data of holes.
	erofs) mkfs.erofs -zlz4 --exclude-path=var/lib/names --exclude-path=var/lib/holes/large "$file" "$mounted" >/dev/null 2>&1 ;;
	esac
	umount "$mounted"
	rmdir "$mounted"
	rm every-kind.ext4
}

# mount_image FILE DIR [OPTIONS]
mount_image() {
	mkdir -p "$2"
	mount -o "loop,ro${3:+,$3}" "$1" "$2"
}

# make_squashfs TREE FILE [COMPRESSOR]
make_squashfs() {
	mksquashfs "$1" "$2" -comp "${3:-zstd}" -xattrs -no-progress -quiet >/dev/null
}

# --- running the program ----------------------------------------------------------------

# run_program ARGUMENT...: leaves STATUS and the files stdout and stderr. What holds for
# every run is asserted here.
run_program() {
	local mounts_before
	mounts_before=$(list_mounts)
	PROGRAM_ARGS=("$@")
	STATUS=0
	timeout --foreground --kill-after=5 "${PROGRAM_LIMIT:-50}" "${WRAPPER[@]}" \
		"$INIT_STORAGE" "$@" >stdout 2>stderr </dev/null || STATUS=$?
	echo "init-storage $* -> $STATUS"
	sed 's/^/    /' stderr
	[[ $(list_mounts) == "$mounts_before" ]] || fail "the run changed this namespace's mounts"
	assert_run_is_sound
}

# Without the options of the file systems: a mount elsewhere may change those.
list_mounts() {
	cut -d' ' -f1-6 /proc/self/mountinfo
}

assert_run_is_sound() {
	case $STATUS in
	0 | 1 | 2 | 3) ;;
	*) fail "exit status $STATUS is none of the documented ones" ;;
	esac
	[[ $STATUS == 0 || -s stderr ]] || fail "it ended with $STATUS without a message"
	if [[ " ${PROGRAM_ARGS[*]} " == *' --json '* && $STATUS != 2 ]]; then
		[[ $(jq -s length stdout) == 1 ]] || fail "standard output is not one JSON object"
	else
		[[ ! -s stdout ]] || fail "something is on standard output: $(head -n 1 stdout)"
	fi
}

# init TREE DEVICE [option...]
init() {
	run_program --root="$1" --device="$2" "${@:3}"
}

# run_at_once TREE DEVICE NUMBER [COMMAND...]: that many runs, with COMMAND between their starts; their
# outputs in out.N, their messages in err.N, their statuses in status.N.
run_at_once() {
	local i pids=()
	rm -f out.* status.* err.*
	for ((i = 0; i < $3; i++)); do
		(
			status=0
			"$INIT_STORAGE" --root="$1" --device="$2" --json >out.$i 2>err.$i || status=$?
			echo $status >status.$i
		) &
		pids+=($!)
		"${@:4}"
	done
	wait "${pids[@]}"
	tail -n 5 err.* 2>/dev/null || :
}

# The first run of a test that is about a later one.
first_run() {
	init "$@"
	assert_status 0
}

assert_status() {
	[[ $STATUS == "$1" ]] || fail "exit status $STATUS, expected $1"
}

# An extended regular expression, upper and lower case alike.
assert_message() {
	grep -qiE -- "$1" stderr || fail "no message that matches: $1"
}

assert_no_message() {
	! grep -qiE -- "$1" stderr || fail "a message that matches: $1"
}

# assert_json EXPRESSION [FILE]: true for the report.
assert_json() {
	local file=${2:-/run/aimee-os/init-storage.json}
	[[ -e $file ]] || fail "there is no report $file"
	jq -e "$1" "$file" >/dev/null || fail "the report does not fulfil $1: $(jq -c . "$file")"
}

# refused DEVICE: the run that was just made refused and left the device alone.
assert_refused() {
	assert_status 3
	assert_device_unchanged "$1"
	assert_message "${1#/dev/}"
	assert_json '.action == "refused" and (.error | type) == "string"'
}

# assert_refuses TREE DEVICE STATE MESSAGE: a whole test of a device that must not be touched.
assert_refuses() {
	remember_device "$2"
	init "$1" "$2"
	assert_refused "$2"
	assert_json ".state == \"$3\""
	assert_message "$4"
	init "$1" "$2" --dry-run
	assert_status 3
	assert_device_unchanged "$2"
}

# assert_formats TREE DEVICE: a run that finds a blank device and makes everything.
assert_formats() {
	first_run "$@"
	assert_json '.state == "blank" and .action == "formatted" and .error == null'
	assert_complete "$1" "$2"
}

# assert_fails_unchanged TREE DEVICE MESSAGE: status 1 and not one byte written.
assert_fails_unchanged() {
	remember_device "$2"
	init "$1" "$2"
	assert_status 1
	assert_device_unchanged "$2"
	assert_message "$3"
}

# assert_nothing_to_do TREE DEVICE
assert_nothing_to_do() {
	remember_device "$2"
	init "$1" "$2"
	assert_status 0
	assert_json '.state == "btrfs" and .action == "nothing" and .error == null'
	assert_device_unchanged "$2"
}

# --- asking for a reset -----------------------------------------------------------------

# run_reset ARGUMENT...: like run_program, the other program.
run_reset() {
	local mounts_before
	mounts_before=$(list_mounts)
	PROGRAM_ARGS=("$@")
	STATUS=0
	timeout --foreground --kill-after=5 "${PROGRAM_LIMIT:-50}" "${WRAPPER[@]}" \
		"$FACTORY_RESET" "$@" >stdout 2>stderr </dev/null || STATUS=$?
	echo "factory-reset $* -> $STATUS"
	sed 's/^/    /' stdout stderr
	[[ $(list_mounts) == "$mounts_before" ]] || fail "the run changed this namespace's mounts"
	case $STATUS in
	0 | 1 | 2 | 3) ;;
	*) fail "exit status $STATUS is none of the documented ones" ;;
	esac
	[[ $STATUS == 0 || -s stderr ]] || fail "it ended with $STATUS without a message"
	[[ " $* " == *' --status '* || ! -s stdout ]] || fail "something is on standard output: $(head -n 1 stdout)"
}

# request DEVICE [option...]: a request that is taken.
request() {
	run_reset --device="$1" --yes "${@:2}"
	assert_status 0
}

# The time without power: what was in /run is gone.
lose_run() {
	rm -rf /run/aimee-os
}

# in_use DEVICE: an appliance that lived for a while. OLD_FSID is its file system's, and the
# file system has a text in it that the disk can be searched for.
in_use() {
	first_run tree "$1"
	leave_traces "$1"
}

leave_traces() {
	# shellcheck disable=SC2034 # for the caller
	OLD_FSID=$(fsid_of "$1")
	change_top "$1"
	mkdir -p top/var
	yes 'the-old-life-of-this-disk' | head -c 1000000 >top/var/old-file || :
	unmount_top
}

fsid_of() {
	superblock "$1" show | sed -n 's/^fsid //p'
}

# stored_request DEVICE: the request in the file system, or nothing.
stored_request() {
	mount_top "$1"
	getfattr --only-values -n "$REQUEST_XATTR" top 2>/dev/null || :
	unmount_top
}

# store_request DEVICE TEXT: by hand, what the program would or would not.
store_request() {
	change_top "$1"
	setfattr -n "$REQUEST_XATTR" -v "$2" top
	unmount_top
}

# request_text FSID [ERASE]
request_text() {
	printf '{"version":1,"fsid":"%s","boot_id":"%s","time":"2024-05-06T07:08:09Z","by":"uid 0","erase":"%s"}' \
		"$1" "$(</proc/sys/kernel/random/boot_id)" "${2:-signature}"
}

assert_armed() {
	[[ -e $REQUEST_FLAG ]] || fail "the shutdown is not armed"
}

assert_not_armed() {
	assert_absent "$REQUEST_FLAG"
}

# assert_old DEVICE: the old system, whole.
assert_old() {
	[[ $(fsid_of "$1") == "$OLD_FSID" ]] || fail "it is not the old file system any more"
	btrfs check --readonly --force "$1" >btrfs-check 2>&1 || fail "btrfs check: $(tail -n 3 btrfs-check)"
	mount_top "$1"
	[[ -s top/var/old-file ]] || fail "the old file is gone"
	unmount_top
}

# assert_reset TREE DEVICE: an undisturbed first run would have left it so.
assert_reset() {
	[[ $(fsid_of "$2") != "$OLD_FSID" ]] || fail "it is still the old file system"
	assert_complete "$1" "$2"
	mount_top "$2"
	assert_absent top/var/old-file
	[[ ! $(getfattr --only-values -n "$REQUEST_XATTR" top 2>/dev/null) ]] || fail "the new file system has a request"
	unmount_top
}

# assert_wiped DEVICE: libblkid and the copies of the superblock say so.
assert_wiped() {
	local mirror size
	local -a places=(65536 67108864 274877906944)
	size=$(blockdev --getsize64 "$1")
	[[ ! $(blkid -p "$1" 2>/dev/null) ]] || fail "still found: $(blkid -p "$1")"
	[[ ! $(wipefs "$1") ]] || fail "wipefs finds: $(wipefs "$1")"
	for mirror in 0 1 2; do
		((places[mirror] + 4096 <= size)) || continue
		! superblock "$1" has-magic --mirror="$mirror" || fail "copy $mirror of the superblock is there"
	done
}

# --- looking at the result --------------------------------------------------------------

# mount_top DEVICE: the file system's own root, read-only, as the folder "top".
mount_top() {
	mkdir -p top
	mount -t btrfs -o ro,noatime,subvolid=5 "$1" top
}

change_top() {
	mkdir -p top
	mount -t btrfs -o noatime,subvolid=5 "$1" top
}

unmount_top() {
	umount top
}

names_in() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%P\n' | sort | tr '\n' ' '
}

list_subvolumes() {
	btrfs subvolume list "$1" | sed 's/.* path //' | sort
}

# assert_subvolumes DIR NAME...: these and no others.
assert_subvolumes() {
	local dir=$1 found expected
	shift
	found=$(list_subvolumes "$dir")
	expected=$(printf '%s\n' "$@" | sort)
	[[ $found == "$expected" ]] || fail "subvolumes $(tr '\n' ' ' <<<"$found"), expected $(tr '\n' ' ' <<<"$expected")"
}

# assert_usual_subvolumes DIR NAME...: those of the tree in use, and these.
assert_usual_subvolumes() {
	# shellcheck disable=SC2086 # a list
	assert_subvolumes "$1" $SUBVOLUMES "${@:2}"
}

assert_is_subvolume() {
	# Every subvolume's root directory has this inode number.
	[[ -d $1 && $(stat -c %i "$1") == 256 ]] || fail "$1 is not a subvolume"
}

assert_is_plain_directory() {
	[[ -d $1 && ! -L $1 && $(stat -c %i "$1") != 256 ]] || fail "$1 is not a plain directory"
}

assert_absent() {
	[[ ! -e $1 && ! -L $1 ]] || fail "$1 is there"
}

assert_mode() {
	[[ $(stat -c '%a %u:%g' "$2") == "$1" ]] || fail "$2 has $(stat -c '%a %u:%g' "$2"), expected $1"
}

assert_content() {
	[[ -f $1 && $(<"$1") == "$2" ]] || fail "$1 has not the content it should have"
}

default_subvolume() {
	btrfs subvolume get-default "$1" | sed 's/.* path //; s/.*FS_TREE.*/5/'
}

compare() {
	"${PYTHON[@]}" "$HERE/compare-trees" "$@" || fail "these differ: $*"
}

# assert_whole TREE TOP: what make_tree holds has arrived, with the default names. Where a
# later run has added to a directory, VAR_OPTIONS says that its mtime may differ.
assert_whole() {
	local expected
	assert_usual_subvolumes "$2"
	compare --extra lib/aimee-os "${VAR_OPTIONS[@]}" "$1/var" "$2/${VAR:-var}"
	[[ " $SUBVOLUMES " != *' home '* ]] || compare "$1/home" "$2/home"
	assert_mode '700 0:0' "$2/${VAR:-var}/lib/aimee-os"
	compare "$1/etc/shadow" "$2/${VAR:-var}/lib/aimee-os/etc/shadow"
	[[ $(names_in "$2/${VAR:-var}/lib/aimee-os/etc") == "shadow " ]] || fail "more than shadow in the folder of writable-etc"
	expected=${TOP_NAMES:-$(tr ' ' '\n' <<<"$SUBVOLUMES" | cut -d/ -f1 | sort -u | tr '\n' ' ')}
	[[ $(names_in "$2") == "$expected" ]] || fail "at the top: $(names_in "$2"), expected: $expected"
}

# assert_complete TREE DEVICE: a device that an undisturbed first run would leave so.
assert_complete() {
	mount_top "$2"
	assert_whole "$1" top
	unmount_top
	# --force: not to look at all other devices, of which one may be going away just now.
	btrfs check --readonly --force "$2" >btrfs-check 2>&1 || fail "btrfs check: $(tail -n 3 btrfs-check)"
}

is_encoded() {
	filefrag -v "$1" | grep encoded >/dev/null
}

label_of() {
	{ getfattr --no-dereference --only-values -n security.selinux "$1" 2>/dev/null || :; } | tr -d '\0'
}

assert_label() {
	[[ $(label_of "$2") == "$1" ]] || fail "$2 is labelled $(label_of "$2"), expected $1"
}

# --- disturbing a run -------------------------------------------------------------------

mkfs_path() {
	realpath "$(command -v mkfs.btrfs)"
}

# replace_mkfs: the script on standard input stands in for mkfs.btrfs, whose true self
# becomes mkfs.real here. Only this test's mount namespace sees it.
replace_mkfs() {
	cp "$(mkfs_path)" mkfs.real
	cat >mkfs.script
	chmod +x mkfs.script
	mount --bind mkfs.script "$(mkfs_path)"
}

restore_mkfs() {
	umount "$(mkfs_path)"
}

# wait_until SECONDS COMMAND...
wait_until() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# The numbers of calls of each system call that a run makes, as "NAME COUNT": the most by
# any one process, because strace counts them so.
count_calls() {
	awk '{ name = $2; sub(/\(.*/, "", name) }
		name ~ /^[a-z_0-9]+$/ { count[$1 " " name]++ }
		END {
			for (key in count) {
				split(key, part, " ")
				if (count[key] > most[part[2]]) most[part[2]] = count[key]
			}
			for (name in most) print name, most[name]
		}' "$1" | sort
}

# is_gone NAME: no process of that name runs in this test.
is_gone() {
	local file
	for file in /proc/[0-9]*/comm; do
		[[ $(cat "$file" 2>/dev/null) != "$1" ]] || return 1
	done
}
