# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_reset set variables
#
# Asking for a reset: the words, the confirmation, what is stored, taking it back.

_system() {
	make_tree tree
	make_device disk "${1:-192M}"
	in_use "$disk"
}

# A bare file system, where no tree matters.
_file_system() {
	make_device disk "${1:-128M}"
	make_btrfs --label "${2:-state}" "$disk"
	leave_traces "$disk"
}

# _on_terminal ANSWER ARGUMENT...: leaves STATUS and what was shown in "stderr".
_on_terminal() {
	STATUS=0
	"${PYTHON[@]}" - "$1" "$FACTORY_RESET" "${@:2}" >stderr <<-'END' || STATUS=$?
		import os, pty, sys
		answer, program = sys.argv[1], sys.argv[2:]
		pid, terminal = pty.fork()
		if pid == 0:
		    os.execv(program[0], program)
		seen, answered = b"", False
		while True:
		    try:
		        data = os.read(terminal, 4096)
		    except OSError:
		        break
		    seen += data
		    if not answered and b"Type yes" in seen:
		        os.write(terminal, answer.encode())
		        answered = True
		sys.stdout.buffer.write(seen.replace(b"\r", b""))
		sys.stdout.flush()
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
	END
	sed 's/^/    /' stderr
}

_assert_nothing_asked() {
	assert_device_unchanged "$disk"
	assert_not_armed
}

# --- confirmation ----------------------------------------------------------------------------

a_terminal_is_told_what_will_be_lost_and_asked() {
	_file_system 128M my-label
	_on_terminal $'yes\n' --device="$disk" --erase=zero
	assert_status 0
	assert_message "device: +$disk"
	assert_message '0\.12 GiB|128'
	assert_message "$OLD_FSID"
	assert_message 'label "my-label"'
	assert_message 'used'
	assert_message 'lost: .*(settings|data)'
	assert_message 'zero.*overwritten'
	assert_message 'Type yes'
	assert_armed
	[[ $(stored_request "$disk" | jq -r .erase) == zero ]] || fail "the request is not stored"
}

each_kind_of_erase_is_named_in_the_question() {
	local kind
	_file_system
	remember_device "$disk"
	for kind in signature discard zero; do
		_on_terminal $'no\n' --device="$disk" --erase="$kind"
		assert_message "erase: +$kind: "
	done
	_on_terminal $'no\n' --device="$disk"
	assert_message 'erase: +signature: .*not erased'
	_assert_nothing_asked
}

only_the_word_yes_is_a_yes() {
	local answer
	_file_system
	remember_device "$disk"
	for answer in $'no\n' $'\n' $'y\n' $'YES\n' $'Yes\n' $' yes\n' $'yes \n' $'yes please\n' $'yesyesyesyesyesyesyes\n' $'\004' $'ye\004\004'; do
		_on_terminal "$answer" --device="$disk"
		assert_status 1
		assert_message 'not yes'
		_assert_nothing_asked
	done
}

a_question_that_is_interrupted_asks_for_nothing() {
	_file_system
	remember_device "$disk"
	_on_terminal $'\003' --device="$disk"
	[[ $STATUS != 0 ]] || fail "it went on"
	_assert_nothing_asked
}

with_yes_a_terminal_is_told_and_not_asked() {
	_file_system
	_on_terminal '' --device="$disk" --yes
	assert_status 0
	assert_message 'lost: '
	assert_no_message 'Type yes'
	assert_armed
}

without_a_terminal_nobody_is_asked_and_nothing_done() {
	_file_system
	remember_device "$disk"
	run_reset --device="$disk"
	assert_status 2
	assert_message '--yes'
	_assert_nothing_asked
	STATUS=0
	echo yes | "$FACTORY_RESET" --device="$disk" 2>stderr || STATUS=$?
	assert_status 2
	_assert_nothing_asked
}

a_label_with_control_characters_does_not_reach_the_terminal() {
	_file_system 128M $'evil\e]0;title\a'
	_on_terminal $'no\n' --device="$disk"
	! grep -q $'\e' stderr || fail "an escape sequence was shown"
}

# --- what is stored --------------------------------------------------------------------------

the_request_is_stored_and_armed_with_the_same_content() {
	_file_system
	request "$disk" --erase=discard
	assert_message 'requested by'
	stored_request "$disk" >stored
	[[ $(stat -c %s stored) -le 1024 ]] || fail "it is longer than 1 KiB"
	[[ $(jq -r 'keys_unsorted | join(" ")' stored) == 'version fsid boot_id time by erase' ]] || fail "its keys are $(jq -c keys_unsorted stored)"
	jq -e ".version == 1 and .fsid == \"$OLD_FSID\" and .erase == \"discard\"
		and .boot_id == \"$(</proc/sys/kernel/random/boot_id)\"
		and (.time | fromdateiso8601 > now - 600 and fromdateiso8601 <= now + 1)
		and (.by | test(\"uid 0\"))" stored >/dev/null || fail "it says $(<stored)"
	cmp stored <(tr -d '\n' <"$REQUEST_FLAG") || fail "the flag says something else"
	assert_mode '644 0:0' "$REQUEST_FLAG"
	assert_old "$disk"
}

sudo_s_user_is_named_and_cannot_break_the_format() {
	_file_system
	SUDO_USER=alice request "$disk"
	[[ $(stored_request "$disk" | jq -r .by) == *alice* ]] || fail "alice is not named"
	SUDO_USER='al"i\ce' request "$disk"
	stored_request "$disk" | jq -e '.by | test("uid 0")' >/dev/null || fail "it is no JSON"
	SUDO_USER=$(printf 'x%.0s' {1..2000}) request "$disk"
	[[ $(stored_request "$disk" | wc -c) -le 1024 ]] || fail "it is longer than 1 KiB"
	run_reset --device="$disk" --status --json
	jq -e .persistent stdout >/dev/null || fail "it cannot be read back"
}

a_second_request_replaces_the_first() {
	_file_system
	request "$disk"
	request "$disk" --erase=zero
	[[ $(stored_request "$disk" | jq -r .erase) == zero ]]
	[[ $(jq -r .erase "$REQUEST_FLAG") == zero ]]
}

a_request_is_taken_while_the_file_system_is_in_use() {
	_system
	mkdir var
	mount -t btrfs -o subvol=var "$disk" var
	request "$disk"
	! grep -q 'survive' stderr || fail "it was not stored"
	[[ $(names_in var) == *old-file* ]]
	umount var
	[[ $(stored_request "$disk" | jq -r .fsid) == "$OLD_FSID" ]] || fail "nothing is stored"
	assert_old "$disk"
}

# As on the appliance itself: the kernel refuses a file system on a mount of itself.
a_request_is_stored_while_the_file_system_is_mounted_on_var() {
	_system
	mount -t btrfs -o subvol=var "$disk" /var
	request "$disk"
	! grep -q 'survive' stderr || fail "it was not stored"
	[[ $(names_in /var) == *old-file* ]] || fail "/var has gone"
	umount /var
	[[ $(stored_request "$disk" | jq -r .fsid) == "$OLD_FSID" ]] || fail "nothing is stored"
}

# When it returned 0, a copy of what was on the medium then has the request.
the_request_is_durable_when_the_command_returns() {
	_system
	mkdir var
	mount -t btrfs -o subvol=var,commit=300 "$disk" var
	: >var/not-synced
	request "$disk"
	cp --sparse=always disk.img copy.img
	umount var
	detach_device "$disk"
	rm disk.img
	lose_run
	attach_device copy copy.img
	init tree "$copy"
	assert_status 0
	assert_json '.state == "reset-requested" and .action == "formatted"'
	assert_reset tree "$copy"
}

# To the last byte: no file can be made any more, neither data nor metadata fit.
_fill() {
	mount -t btrfs "$disk" full
	dd if=/dev/urandom of=full/one bs=1M status=none 2>/dev/null || :
	dd if=/dev/urandom of=full/two bs=4K status=none 2>/dev/null || :
	"${PYTHON[@]}" - <<-'END'
		import os
		number, size = 0, 2000
		while size:
		    try:
		        with open("full/small-%d" % number, "wb", buffering=0) as file:
		            file.write(os.urandom(size))
		        number += 1
		        if number % 500 == 0:
		            os.sync()
		    except OSError:
		        size //= 4
		os.sync()
	END
	! mkdir full/no-room 2>/dev/null || rmdir full/no-room
}

a_request_is_taken_on_a_full_file_system() {
	_system 192M
	mkdir full
	_fill
	request "$disk"
	assert_no_message 'survive'
	umount full
	[[ $(stored_request "$disk" | jq -r .fsid) == "$OLD_FSID" ]] || fail "nothing is stored"
	lose_run
	init tree "$disk"
	assert_status 0
	assert_json '.reset.from == "request"'
	assert_reset tree "$disk"
}

a_request_on_a_full_file_system_can_be_taken_back() {
	_system 192M
	mkdir full
	_fill
	request "$disk"
	run_reset --device="$disk" --cancel
	assert_status 0
	umount full
	[[ ! $(stored_request "$disk") ]]
}

# --- damaged, read-only -----------------------------------------------------------------------

# Its trees are gone, its superblocks are not.
_break_trees() {
	"${PYTHON[@]}" - "$disk" <<-'END'
		import os, subprocess, sys, re
		text = subprocess.run(["/usr/bin/btrfs", "inspect-internal", "dump-tree", "-t", "chunk", sys.argv[1]],
		                      capture_output=True, text=True, check=True).stdout
		image = os.open(sys.argv[1], os.O_RDWR)
		kind = None
		for line in text.splitlines():
		    if "length" in line and "type" in line:
		        kind = line.split("type")[1].strip()
		        length = int(re.search(r"length (\d+)", line).group(1))
		    place = re.search(r"stripe \d+ devid \d+ offset (\d+)", line)
		    if place and kind and kind.startswith("METADATA"):
		        os.pwrite(image, os.urandom(1 << 20), int(place.group(1)))
		        os.pwrite(image, os.urandom(length - (1 << 20)), int(place.group(1)) + (1 << 20))
		os.fsync(image)
	END
	blockdev --flushbufs "$disk"
	! mount -t btrfs "$disk" /mnt 2>/dev/null || fail "it still mounts"
}

a_file_system_that_does_not_mount_is_armed_for_the_shutdown_only() {
	make_tree tree
	_file_system
	_break_trees
	request "$disk"
	assert_message 'not survive a power cut'
	assert_armed
	run_reset --device="$disk" --now
	assert_status 0
	assert_wiped "$disk"
	assert_not_armed
	init tree "$disk"
	assert_status 0
	assert_reset tree "$disk"
}

a_file_system_with_a_wrong_checksum_is_armed_for_the_shutdown_only() {
	make_tree tree
	_file_system
	superblock "$disk" flip 200
	request "$disk"
	assert_message 'DAMAGED'
	assert_message 'not survive a power cut'
	run_reset --device="$disk" --now
	assert_status 0
	assert_wiped "$disk"
	init tree "$disk"
	assert_status 0
}

without_a_place_for_the_flag_the_next_boot_does_it() {
	_system
	: >/run/aimee-os.file
	lose_run
	ln -s /nowhere /run/aimee-os
	request "$disk"
	assert_message 'next boot'
	rm /run/aimee-os
	[[ $(stored_request "$disk" | jq -r .fsid) == "$OLD_FSID" ]]
}

with_no_place_at_all_it_fails() {
	_file_system
	_break_trees
	ln -s /nowhere /run/aimee-os
	run_reset --device="$disk" --yes
	assert_status 1
	assert_message 'nothing will be reset'
}

# Which of the two the system has mounted, and which the next boot finds, is anybody's guess.
a_tag_that_two_devices_bear_is_refused() {
	local label
	label=$(unique_label)
	make_gpt_device disk 192M "$label"
	make_gpt_device other 192M "$label"
	make_btrfs "${disk}p1"
	make_btrfs "${other}p1"
	echo "PARTLABEL=$label /var btrfs subvol=var 0 0" >fstab
	mount --bind fstab /etc/fstab
	run_reset --yes
	umount /etc/fstab
	assert_status 3
	assert_not_armed
	[[ ! $(stored_request "${disk}p1")$(stored_request "${other}p1") ]] || fail "one of them has a request"
}
