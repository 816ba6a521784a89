# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; make_device sets variables
#
# set-root-password: what changes nothing, and says why.

# shellcheck source=tests/system/lib-password.sh
. "$HERE/lib-password.sh"

# --- the command line and the input ---------------------------------------------------------------

a_wrong_command_line_is_told_from_a_failure() {
	local -a wrong
	appliance
	for wrong in --nonsense --stdin=secret -secret secret '--stdin secret' ''; do
		# shellcheck disable=SC2086 # words
		run_password ${wrong:-''} <<<secret
		assert_status 2
		assert_message 'see set-root-password --help'
		assert_no_message secret
		assert_unchanged
	done
}

what_is_no_password_is_refused() {
	appliance
	run_password --stdin </dev/null
	assert_status 2
	assert_message 'the password is empty'
	run_password --stdin <<<''
	assert_status 2
	run_password --stdin < <(printf 'one\ntwo\n')
	assert_status 2
	assert_message 'more than one line'
	run_password --stdin < <(printf 'one\ntwo')
	assert_status 2
	run_password --stdin < <(printf '\nx\n')
	assert_status 2
	run_password --stdin < <(printf 'a\0b\n')
	assert_status 2
	assert_message NUL
	run_password --stdin < <(printf '\0\n')
	assert_status 2
	run_password --stdin < <(printf 'word\r\n')
	assert_status 2
	assert_message 'carriage return'
	run_password --stdin < <(zeros 1M)
	assert_status 2
	run_password --stdin < <(yes)
	assert_status 2
	run_password --stdin <.
	assert_status 1
	assert_message 'cannot read the password: Is a directory'
	run_password --stdin <&-
	assert_status 2
	assert_unchanged
}

help_and_version_need_nothing() {
	local status=0
	setpriv --reuid=65534 --clear-groups "$SET_ROOT_PASSWORD" --help >stdout
	grep -q -- --stdin stdout
	setpriv --reuid=65534 --clear-groups "$SET_ROOT_PASSWORD" --version >stdout
	grep -qx 'set-root-password [0-9.]*' stdout
	"$SET_ROOT_PASSWORD" --help >/dev/full 2>stderr || status=$?
	[[ $status == 1 && -s stderr ]] || fail "a full device gives $status"
}

# --- who calls it -------------------------------------------------------------------------------

only_root_can_use_it() {
	appliance
	chmod 755 .
	cp "$SET_ROOT_PASSWORD" program
	WRAPPER=(setpriv --reuid=65534 --clear-groups)
	SET_ROOT_PASSWORD=./program run_password --stdin <<<secret
	assert_fails 'only root'
}

a_set_user_id_bit_makes_it_refuse() {
	appliance
	# A folder of this test may be mounted with nosuid.
	mkdir programs
	mount -t tmpfs tmpfs programs
	cp "$SET_ROOT_PASSWORD" programs/program
	chmod 755 .
	WRAPPER=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 4755 programs/program
	SET_ROOT_PASSWORD=programs/program run_password --stdin <<<secret
	assert_fails 'only root'
	chmod 0755 programs/program
	setcap cap_setuid,cap_sys_admin,cap_dac_override=ep programs/program
	SET_ROOT_PASSWORD=programs/program run_password --stdin <<<secret
	assert_fails 'only root'
	setcap -r programs/program
	chgrp 42 programs/program
	chmod 2755 programs/program
	WRAPPER=()
	SET_ROOT_PASSWORD=programs/program run_password --stdin <<<secret
	assert_fails 'must not be set-user-ID or set-group-ID'
	umount programs
}

# --- PAM refuses --------------------------------------------------------------------------------

two_passwords_that_differ_are_passwds_to_tell() {
	appliance
	on_terminal 'New password:' 'one\n' 'Retype' 'other\n'
	assert_fails 'passwords do not match'
	assert_message 'password unchanged'
	assert_message 'passwd: ended with status 10'
}

an_empty_answer_is_passwds_to_tell() {
	appliance
	on_terminal 'New password:' '\n' 'Retype' '\n' 'New password:' '\n' 'Retype' '\n' 'New password:' '\n' 'Retype' '\n'
	assert_fails 'No password has been supplied'
}

a_module_that_refuses_is_shown_in_its_own_words() {
	local script
	own_etc
	own_state noatime
	script=$(pam_script judge <<-'END'
		#!/bin/sh
		[ -e /run/be-content ] && exit 0
		echo "BAD PASSWORD: it is WAY too short"
		exit 1
	END
	)
	pam "password requisite pam_exec.so stdout $script" 'password required pam_unix.so yescrypt'
	read_only_etc
	state_file shadow
	on_terminal
	assert_fails 'it is WAY too short'
	# The module's words come where the caller has standard output.
	PAM_SPEAKS=1
	run_password --stdin <<<short
	cat stdout >>stderr
	assert_fails 'it is WAY too short'
	assert_message 'chpasswd: ended with status 1'
	: >/run/be-content
	set_password 'long enough'
	assert_password 'long enough'
}

a_module_that_does_nothing_is_no_success() {
	own_etc
	own_state noatime
	pam 'password required pam_permit.so'
	read_only_etc
	state_file shadow
	run_password --stdin <<<secret
	assert_fails 'succeeded and did not change it'
}

without_the_program_it_says_so() {
	appliance
	: >nothing
	mount --bind nothing "$(realpath /usr/sbin/chpasswd)"
	run_password --stdin <<<secret
	umount "$(realpath /usr/sbin/chpasswd)"
	assert_fails 'running /usr/sbin/chpasswd failed: '
}

# --- what passwd made of the file is refused ------------------------------------------------------

# _made_of_it REASON: standard input is a script that does something to /etc/shadow after PAM did.
_made_of_it() {
	local script
	own_etc
	own_state noatime
	script=$({ echo '#!/bin/sh'; cat; } | pam_script spoil)
	pam 'password required pam_unix.so yescrypt' "password required pam_exec.so quiet $script"
	read_only_etc
	state_file shadow
	run_password --stdin <<<secret
	assert_fails "/etc/shadow: what passwd made of it is refused: $1"
}

a_new_user_is_refused() { _made_of_it 'line 4 is new' <<<'echo "eve:x:1:0:9:7:::" >>/etc/shadow'; }
a_lost_user_is_refused() { _made_of_it 'line 3, the entry of ada, is lost' <<<'sed -i /ada/d /etc/shadow'; }
a_changed_user_is_refused() { _made_of_it 'line 2, the entry of daemon, is lost or changed' <<<'sed -i "s/daemon:./daemon:x/" /etc/shadow'; }
a_second_root_is_refused() { _made_of_it 'it has 2 entries for root' <<<'echo "root:x:1:0:9:7:::" >>/etc/shadow'; }
a_lost_root_is_refused() { _made_of_it 'it has 0 entries for root' <<<'sed -i /root/d /etc/shadow'; }
a_moved_root_is_refused() { _made_of_it 'line 1, the entry of root, is lost or moved' <<<'sed -i "1{h;d};\${G}" /etc/shadow'; }
an_empty_file_is_refused() { _made_of_it 'it is empty' <<<': >/etc/shadow'; }
a_torn_line_is_refused() { _made_of_it 'its last line has no end' <<<'truncate -s -5 /etc/shadow'; }
a_nul_is_refused() { _made_of_it 'there is a NUL' <<<'printf "\0\n" >>/etc/shadow'; }
a_removed_file_is_refused() { _made_of_it 'it was removed' <<<'rm /etc/shadow'; }
a_symlink_is_refused() { _made_of_it 'it is no regular file' <<<'ln -sf passwd /etc/shadow'; }
a_fifo_is_refused() { _made_of_it 'it is no regular file' <<<'rm /etc/shadow; mkfifo /etc/shadow'; }
a_directory_is_refused() { _made_of_it 'it is no regular file' <<<'rm /etc/shadow; mkdir /etc/shadow'; }
a_huge_file_is_refused() { _made_of_it 'it is too large' <<<'truncate -s 17M /etc/shadow'; }
a_locked_root_is_refused() { _made_of_it 'line 1, the entry of root, has no hashed password' <<<'sed -i s/root:/root:!/ /etc/shadow'; }
a_root_without_password_is_refused() { _made_of_it 'line 1, the entry of root, has no hashed password' <<<'sed -i s/root:[^:]*:/root::/ /etc/shadow'; }
a_root_with_a_field_less_is_refused() { _made_of_it 'line 1, the entry of root, has too few fields' <<<'sed -i "1s/.$//" /etc/shadow'; }

# The kernel's message is passwd's own: there is no room for its new file.
a_view_without_room_changes_nothing() {
	local script
	own_etc
	own_state noatime
	script=$(printf '#!/bin/sh\ncat /dev/zero >/etc/fill 2>/run/full\nexit 0\n' | pam_script fill)
	pam "password required pam_exec.so quiet $script" 'password required pam_unix.so yescrypt'
	read_only_etc
	state_file shadow
	run_password --stdin <<<secret
	assert_fails 'chpasswd: ended with status 1'
	grep -q 'No space' /run/full || fail "there was room: $(</run/full)"
}

# --- somebody else -----------------------------------------------------------------------------

another_program_that_changes_the_file_meanwhile_is_not_overwritten() {
	local script
	own_etc
	own_state noatime
	script=$(printf '#!/bin/sh\necho "eve:x:1:0:9:7:::" >>%s/top/var/lib/aimee-os/etc/shadow\n' "$PWD" | pam_script meanwhile)
	pam "password required pam_exec.so quiet $script" 'password required pam_unix.so yescrypt'
	read_only_etc
	state_file shadow
	remember_system
	STATUS=0
	"$SET_ROOT_PASSWORD" --stdin <<<secret 2>stderr || STATUS=$?
	assert_status 1
	assert_message 'was changed by another program meanwhile'
	[[ $(</etc/shadow) == "root:*:19000:0:99999:7:::
$OTHERS
eve:x:1:0:9:7:::" ]] || fail "the file is $(</etc/shadow)"
}

a_second_one_at_the_same_time_leaves() {
	appliance
	begin_question
	STATUS=0
	"$SET_ROOT_PASSWORD" --stdin <<<another 2>second || STATUS=$?
	assert_status 1
	grep -q 'another set-root-password is running.*try again' second || fail "it says $(<second)"
	assert_unchanged
	kill "$(processes "$COMM" | sed -n 1p)"
	end_question
	set_password second
	assert_password second
}

of_many_at_once_each_changes_it_whole_or_leaves() {
	local i pids=() changed=0
	appliance
	for i in 1 2 3 4 5 6 7 8; do
		"$SET_ROOT_PASSWORD" --stdin <<<"word $i" 2>"stderr.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		if wait "$i"; then changed=$((changed + 1)); fi
	done
	((changed > 0)) || fail "none changed it: $(cat stderr.*)"
	[[ $(grep -L "root's password is changed" stderr.* | xargs -r grep -L 'another set-root-password is running') == '' ]] ||
		fail "another failure: $(cat stderr.*)"
	for i in 1 2 3 4 5 6 7 8; do
		if is_password "word $i" "$(root_hash)"; then
			assert_password "word $i"
			return
		fi
	done
	fail "the password is none of theirs"
}

# --- interrupted -------------------------------------------------------------------------------

ctrl_c_at_either_question_leaves_no_trace() {
	appliance
	on_terminal 'New password:' '\x03'
	assert_fails 'stopped by a signal'
	on_terminal 'New password:' 'secret\n' 'Retype' '\x03'
	assert_fails 'stopped by a signal'
}

# passwd ignores it.
ctrl_backslash_changes_nothing() {
	appliance
	on_terminal 'New password:' '\x1c' '' 'secret\n' 'Retype' 'secret\n'
	assert_status 0
	assert_password secret
}

a_signal_to_the_program_leaves_no_trace() {
	local signal
	appliance
	for signal in 1 2 15; do
		on_terminal 'New password:' "!$signal"
		assert_fails 'stopped by a signal'
	done
}

# _killed NAME NUMBER: at the question, SIGKILL for one of the processes of that name.
_killed() {
	local victim
	appliance
	begin_question
	victim=$(processes "$1" | sed -n "$2p")
	[[ $victim ]] || fail "there is no $1 number $2"
	kill -KILL "$victim"
	end_question
}

a_killed_parent_takes_all_with_it() { _killed "$COMM" 1; }
a_killed_keeper_takes_all_with_it() { _killed "$COMM" 2; assert_message 'was killed with all around it'; assert_no_message 'without echo'; }
a_killed_passwd_is_told() { _killed passwd 1; assert_message 'passwd: ended by signal 9'; assert_no_message 'without echo'; }

# What PAM leaves running must not keep the view, and with it a hash, in memory.
a_process_that_pam_leaves_running_ends_with_it() {
	local script
	own_etc
	own_state noatime
	script=$(printf '#!/bin/sh\nsetsid sleep 1000 </dev/null >/dev/null 2>&1 &\n' | pam_script daemon)
	pam "password required pam_exec.so quiet $script" 'password required pam_unix.so yescrypt'
	read_only_etc
	state_file shadow
	set_password secret
	assert_password secret
	[[ ! $(processes sleep) ]] || fail "it goes on"
}

closed_standard_streams_do_no_harm() {
	appliance
	remember_system
	"$SET_ROOT_PASSWORD" --stdin <<<one >&- 2>&-
	assert_password one
	STATUS=0
	"$SET_ROOT_PASSWORD" <&- >&- 2>&- || STATUS=$?
	assert_status 1
	assert_password one
}

a_caller_that_ignores_signals_changes_nothing() {
	appliance
	remember_system
	(
		trap '' CHLD PIPE INT TERM HUP QUIT XFSZ ALRM
		exec "$SET_ROOT_PASSWORD" --stdin <<<one
	)
	assert_password one
	on_terminal 'New password:' 'two\n' 'Retype' 'two\n'
	assert_status 0
	assert_password two
}

# A hard limit that this root cannot raise is told like any other failure.
a_limit_on_the_size_of_files_is_an_error_and_no_death() {
	appliance
	printf 'secret\n' >input
	remember_system
	STATUS=0
	setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource \
		sh -c 'ulimit -f 0; exec "$0" --stdin' "$SET_ROOT_PASSWORD" <input 2> >(cat >stderr) || STATUS=$?
	wait_until 5 test -s stderr
	assert_fails 'File too large; root.s password was not changed'
}

# Else what is typed to the shell meanwhile would become the password.
ctrl_z_does_not_give_the_terminal_to_the_shell() {
	appliance
	# Only what has a shell with job control above it can be stopped.
	WRAPPER=(/bin/bash -mc '"$0" "$@"; exit')
	on_terminal 'New password:' '\x1a' '' 'secret\n' 'Retype' '\x1asecret\n'
	assert_status 0
	assert_password secret
}

# For the shell that comes next: cat stands for it.
half_a_password_is_not_left_on_the_terminal() {
	appliance
	remember_system
	printf '#!/bin/sh\n%s\necho the shell begins\nread -r line\necho "the shell got: $line"\n' "$SET_ROOT_PASSWORD" >caller
	chmod +x caller
	"$HERE/on-terminal" 'New password:' 'half' 'the shell begins' 'x\n' -- ./caller >stderr &
	wait_until 10 _asks || fail "it does not ask"
	# What was typed has come to the terminal.
	sleep 0.5
	kill "$(processes "$COMM" | head -n 1)"
	wait $! || :
	sed 's/^/    /' stderr
	assert_message 'the shell got: x$'
}

a_name_below_a_covered_mount_is_no_obstacle() {
	own_etc
	own_state noatime
	mkdir -p etc/aa/bb
	mount -t tmpfs tmpfs /etc/aa/bb
	mount -t tmpfs tmpfs /etc/aa
	read_only_etc
	state_file shadow
	set_password secret
	assert_password secret
	umount /etc/aa
	umount /etc/aa/bb
}
