# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # make_device and run_program set variables
#
# Others at the same device at the same time: udev, who mounts it, who formats it; and a device that
# goes away in mid-run. Nothing of anybody's is overwritten, failures are said, and once all is quiet
# the next run ends as it should.

# The moments are random, and the same ones each time.
RANDOM=${RACE_SEED:-1}

# _while_probed COMMAND...: with something like udev at the device all the time.
_while_probed() {
	local prober
	rm -f probed
	"$HERE/probe-always" "$disk" >probed &
	prober=$!
	until [[ -s probed ]]; do sleep 0.01; done
	"$@"
	kill -TERM "$prober"
	wait "$prober"
	(($(tail -n 1 probed) > 0)) || fail "nobody probed"
}

# _moment NAME MILLISECONDS: the variable NAME gets a time below that, in seconds. Not to be asked for
# in a subshell, whose random numbers are others each time.
_moment() {
	printf -v "$1" '0.%03d' $((RANDOM % $2))
}

# _nap MILLISECONDS: no longer than that.
_nap() {
	local nap
	_moment nap "$1"
	sleep "$nap"
}

_fresh_device() {
	[[ ! ${disk:-} ]] || detach_device "$disk"
	rm -f disk.img
	make_device disk 128M
}

_requested() {
	_fresh_device
	in_use "$disk"
	request "$disk"
}

# What a shutdown and a boot leave of an old system, whoever was in the way.
_old_or_reset() {
	init tree "$disk"
	assert_status 0
	assert_reset tree "$disk"
}

# _assert_made_up_for DEVICE: a run that said it had made everything has, and the next one makes the rest.
_assert_made_up_for() {
	[[ $STATUS == 0 || $STATUS == 1 ]] || fail "status $STATUS"
	[[ $STATUS == 1 ]] || assert_complete tree "$1"
	first_run tree "$1"
	assert_complete tree "$1"
}

# --- udev ------------------------------------------------------------------------------------

a_first_boot_beside_udev_is_complete() {
	local i
	make_tree tree
	for i in 1 2 3 4 5; do
		_fresh_device
		_while_probed first_run tree "$disk"
		assert_json '.action == "formatted"'
		assert_complete tree "$disk"
	done
}

a_second_run_beside_udev_changes_nothing() {
	local i
	make_tree tree
	_fresh_device
	first_run tree "$disk"
	remember_device "$disk"
	for i in 1 2 3 4 5; do
		_while_probed first_run tree "$disk"
		assert_json '.action == "nothing"'
		assert_device_unchanged "$disk"
	done
}

a_wipe_beside_udev_is_complete() {
	local i
	make_tree tree
	for i in 1 2 3; do
		_requested
		_while_probed run_reset --device="$disk" --now
		assert_status 0
		assert_wiped "$disk"
		lose_run
		_while_probed first_run tree "$disk"
		assert_reset tree "$disk"
	done
}

# limit: 120
several_first_boots_beside_udev_make_it_once() {
	local i
	make_tree tree
	for i in 2 3; do
		_fresh_device
		_while_probed run_at_once tree "$disk" "$i" _nap 20
		[[ $(cat status.*) != *[!0$'\n']* ]] || fail "statuses $(cat status.*): $(cat err.*)"
		[[ $(jq -r .action out.* | grep -c formatted) == 1 ]] || fail "actions: $(jq -r .action out.*)"
		assert_complete tree "$disk"
	done
}

# --- somebody mounts it ------------------------------------------------------------------------

# _have_mounted DEVICE DELAY HOLD OPTIONS: mounts it after that time, as soon as it can be mounted, and has
# it for a moment. Fails if it is not the same afterwards.
_have_mounted() {
	local i was=''
	sleep "$2"
	for ((i = 0; i < 30; i++)); do
		mount -t btrfs -o "$4" "$1" var 2>/dev/null && break
		sleep 0.01
	done
	mountpoint -q var || return 0
	was=$(blkid -p "$1")
	echo "$was" >mounted
	sleep "$3"
	[[ $was && $(blkid -p "$1") == "$was" ]] || was=''
	umount var
	[[ $was ]]
}

# _while_mounted MILLISECONDS COMMAND...: after at most that time (0: before COMMAND begins) somebody
# mounts the device in another namespace.
_while_mounted() {
	local other delay hold options
	local -a kinds=(rw ro 'ro,rescue=nologreplay')
	_moment delay $(($1 + 1))
	hold=0.$((RANDOM % 400 + 100))
	options=${kinds[RANDOM % 3]}
	mkdir -p var
	rm -f mounted
	unshare --mount --propagation private bash -c "$(declare -f _have_mounted); _have_mounted \"\$@\"" \
		_ "$disk" "$delay" "$hold" "$options" &
	other=$!
	(($1)) || until [[ -s mounted ]]; do sleep 0.01; done
	"${@:2}"
	wait "$other" || fail "it was taken from below a mount"
	echo "--- mounted $options after $delay s for $hold s: $(cat mounted 2>/dev/null || echo not at all)"
}

_first_boot_while_mounted() {
	local i
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_fresh_device
		_while_mounted 60 init tree "$disk"
		_assert_made_up_for "$disk"
	done
}

# The wipe waits for who has it, or leaves it to the next boot; it takes nothing from below a mount.
_wipe_while_mounted() {
	local i
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_requested
		_while_mounted $((i % 2 * 30)) run_reset --device="$disk" --now
		case $STATUS in
		0) assert_wiped "$disk" ;;
		1 | 3) assert_old "$disk" ;;
		esac
		lose_run
		_old_or_reset
	done
}

_boot_that_resets_while_mounted() {
	local i
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_requested
		lose_run
		_while_mounted $((i % 2 * 60)) init tree "$disk"
		if [[ $(fsid_of "$disk") == "$OLD_FSID" ]]; then
			assert_old "$disk"
		fi
		_old_or_reset
	done
}

# A mount for writing would replay the log, which the kernel refuses meanwhile.
a_log_that_is_not_replayed_while_somebody_looks_is_waited_for() {
	local TOP_NAMES='file home var '
	make_tree tree
	_fresh_device
	make_btrfs "$disk"
	change_top "$disk"
	sync -f top
	echo content >top/file
	sync top/file
	cp disk.img crashed.img
	unmount_top
	detach_device "$disk"
	attach_device disk crashed.img
	mkdir var
	unshare --mount --propagation private bash -c \
		"mount -t btrfs -o ro,rescue=nologreplay $disk var; : >mounted; sleep 1; umount var" &
	until [[ -e mounted ]]; do sleep 0.01; done
	first_run tree "$disk"
	wait
	assert_complete tree "$disk"
}

a_first_boot_while_somebody_mounts_it_is_made_up_for() { _first_boot_while_mounted 4; }
a_wipe_while_somebody_mounts_it_is_old_or_wiped() { _wipe_while_mounted 3; }
a_reset_while_somebody_mounts_it_is_old_or_new() { _boot_that_resets_while_mounted 3; }
# slow
# limit: 300
a_first_boot_while_somebody_mounts_it_at_any_moment_is_made_up_for() { _first_boot_while_mounted 25; }
# slow
# limit: 300
a_wipe_while_somebody_mounts_it_at_any_moment_is_old_or_wiped() { _wipe_while_mounted 20; }
# slow
# limit: 300
a_reset_while_somebody_mounts_it_at_any_moment_is_old_or_new() { _boot_that_resets_while_mounted 20; }

# --- somebody formats it -----------------------------------------------------------------------

# Under the disk's lock, as ours is made, so neither can write between the other's writes. mkfs.ext4
# may come after us, and formats over what there is: then its ext4 is what is left, whole.
_first_boot_while_formatted() {
	local i ext4 other delay
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_fresh_device
		_moment delay 60
		(
			sleep "$delay"
			flock "$disk" mkfs.ext4 -q "$disk" >/dev/null 2>&1
		) &
		other=$!
		_nap 60
		init tree "$disk"
		ext4=0
		wait "$other" || ext4=$?
		echo "--- mkfs.ext4 ended with $ext4"
		if ((ext4 == 0)); then
			e2fsck -f -n "$disk" >fsck 2>&1 || fail "the ext4 is not whole: $(tail -n 5 fsck)"
			init tree "$disk"
			assert_status 3
		elif [[ $STATUS == 0 ]]; then
			assert_complete tree "$disk"
		else
			first_run tree "$disk"
			assert_complete tree "$disk"
		fi
	done
}

a_first_boot_while_somebody_formats_it_leaves_one_of_them() { _first_boot_while_formatted 4; }
# slow
# limit: 300
a_first_boot_while_somebody_formats_it_at_any_moment_leaves_one_of_them() { _first_boot_while_formatted 40; }

# --- it goes away ------------------------------------------------------------------------------

# losetup detaches what is in use only when its last user closes it. Not before it is in use: the
# number could be another test's by the time it is opened.
_first_boot_while_detached() {
	local i other image delay
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_fresh_device
		image=$(image_of "$disk")
		rm -f ended
		_moment delay 80
		(
			until _is_open "$disk" || [[ -e ended ]]; do :; done
			sleep "$delay"
			losetup --detach "$disk"
		) &
		other=$!
		init tree "$disk"
		: >ended
		wait "$other"
		assert_status 0 # the run has it open from its first look to its end
		wait_until 10 is_detached "$disk" "$image" || fail "$disk is still attached"
		attach_device disk disk.img
		_assert_made_up_for "$disk"
	done
}

_is_open() {
	[[ $(find /proc/[0-9]*/fd -lname "$1" 2>/dev/null) ]]
}

# What disk.img takes, in KiB.
_room() {
	sync disk.img
	du -k disk.img | cut -f 1
}

# The file system below has no room after some megabytes: from then on each write is an I/O error. In
# every other round that is after mkfs.btrfs, which writes most.
_first_boot_with_failing_writes() {
	local i inner by_mkfs all size
	make_tree tree
	_fresh_device
	make_btrfs "$disk"
	by_mkfs=$(_room)
	_fresh_device
	first_run tree "$disk"
	all=$(_room)
	mkdir lower
	for ((i = 0; i < $1; i++)); do
		size=$((i % 2 ? 30 + RANDOM % by_mkfs : by_mkfs + RANDOM % (all - by_mkfs)))
		mount -t tmpfs -o "size=${size}k" tmpfs lower
		truncate -s 128M "lower/$(inner_name)"
		attach_device inner "lower/$(inner_name)"
		init tree "$inner"
		assert_no_message 'NOTE: |default' # what mkfs.btrfs adds to an error, whatever it is
		mount -o remount,size=128m lower
		detach_device "$inner"
		attach_device inner "lower/$(inner_name)"
		# mkfs.btrfs can have been cut off between any two of its writes.
		_assert_made_up_for "$inner"
		detach_device "$inner"
		umount lower
	done
}

# _plug: the device becomes a loop device over a file of tests/powercut's recorder. _pull: that is killed,
# so that all that is read or written fails from then on. _plug_in_again: with what had arrived.
_plug() {
	detach_device "$disk"
	[[ -x $RECORDER ]] || skip "no $RECORDER: make check-system builds it"
	rm -f log data
	mkdir -p plug
	"$RECORDER" plug disk.img log data
	attach_device disk plug/image
}

_pull() {
	pkill -KILL --oldest --exact powercut-record
}

_plug_in_again() {
	detach_device "$disk"
	umount --lazy plug # the kernel lets go of the file after it has said so
	attach_device disk disk.img
}

# _while_pulled MILLISECONDS COMMAND...
_while_pulled() {
	local delay other
	_moment delay "$1"
	(
		sleep "$delay"
		_pull
	) &
	other=$!
	"${@:2}"
	[[ $STATUS == 0 || $STATUS == 1 ]] || fail "status $STATUS"
	assert_no_message 'stopped by'
	wait "$other"
	_plug_in_again
}

_first_boot_while_pulled() {
	local i
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_fresh_device
		_plug
		_while_pulled 150 init tree "$disk"
		_assert_made_up_for "$disk"
	done
}

_wipe_while_pulled() {
	local i
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_requested
		_plug
		_while_pulled 60 run_reset --device="$disk" --now
		[[ $STATUS != 0 ]] || assert_wiped "$disk"
		lose_run
		_old_or_reset
	done
}

_boot_that_resets_while_pulled() {
	local i
	make_tree tree
	for ((i = 0; i < $1; i++)); do
		_requested
		lose_run
		_plug
		_while_pulled 200 init tree "$disk"
		[[ $STATUS != 0 ]] || assert_reset tree "$disk"
		_old_or_reset
	done
}

a_first_boot_on_a_device_that_is_pulled_out_is_made_up_for() { _first_boot_while_pulled 4; }
a_wipe_on_a_device_that_is_pulled_out_is_old_or_wiped() { _wipe_while_pulled 3; }
a_reset_on_a_device_that_is_pulled_out_is_old_or_new() { _boot_that_resets_while_pulled 3; }
# slow
# limit: 300
a_first_boot_on_a_device_that_is_pulled_out_at_any_moment_is_made_up_for() { _first_boot_while_pulled 40; }
# slow
# limit: 300
a_wipe_on_a_device_that_is_pulled_out_at_any_moment_is_old_or_wiped() { _wipe_while_pulled 20; }
# slow
# limit: 300
a_reset_on_a_device_that_is_pulled_out_at_any_moment_is_old_or_new() { _boot_that_resets_while_pulled 25; }

a_first_boot_on_a_device_that_is_detached_is_made_up_for() { _first_boot_while_detached 3; }
a_first_boot_on_a_device_that_stops_to_write_is_made_up_for() { _first_boot_with_failing_writes 4; }
# slow
# limit: 300
a_first_boot_on_a_device_that_is_detached_at_any_moment_is_made_up_for() { _first_boot_while_detached 30; }
# slow
# limit: 300
a_first_boot_on_a_device_that_stops_to_write_at_any_place_is_made_up_for() { _first_boot_with_failing_writes 40; }
