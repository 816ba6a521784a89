# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# The harness itself: it cleans up after any end of a test, and tells.

# A harness of its own, with the tests on standard input.
_copy_harness() {
	mkdir -p inner/{temporary,system}
	cp "$HERE/../lib.sh" inner
	cp "$HERE"/{run,lib.sh,image} inner/system
	cat >inner/system/test-inner.sh
}

# Runs the tests on standard input; the output is in "output".
_run_tests() {
	_copy_harness
	STATUS=0
	TMPDIR=$PWD/inner/temporary inner/system/run "$@" >output 2>&1 || STATUS=$?
	cat output
	_assert_nothing_left
}

_assert_nothing_left() {
	[[ $(names_in inner/temporary) == '' ]] || fail "files are left: $(find inner/temporary)"
	! grep -F "$TEST_NAME/inner/" /sys/block/loop*/loop/backing_file 2>/dev/null || fail "a loop device is left"
	! grep "$TEST_DIR" /proc/self/mountinfo || fail "a mount is left"
}

_assert_says() {
	grep -qE "$1" output || fail "the harness does not say: $1"
}

good_bad_and_impossible_tests_are_told_apart_and_counted() {
	_run_tests <<-'END'
		good() { make_device disk 1M; }
		bad() { make_device disk 1M; fail 'this is bad'; }
		broken() { make_device disk 1M; false; true; }
		undefined() { : "$NO_SUCH_VARIABLE"; }
		impossible() { skip 'there is no such thing here'; }
	END
	[[ $STATUS == 1 ]]
	_assert_says '^ok   good \([0-9.]+ s\)$'
	_assert_says '^FAIL bad '
	_assert_says 'this is bad'
	_assert_says '^FAIL broken '
	_assert_says '^FAIL undefined '
	_assert_says '^skip impossible: there is no such thing here$'
	[[ $(tail -n 1 output) == '1 passed, 3 failed, 1 skipped' ]]
}

mounts_and_devices_of_any_test_are_removed() {
	_run_tests <<-'END'
		everything() {
			make_device disk 192M
			make_btrfs "$disk"
			mkdir mounted
			mount "$disk" mounted
			truncate -s 1M "mounted/$(inner_name)"
			attach_device inner "mounted/$(inner_name)"
			make_gpt_device parted 16M one
			chattr +i mounted
		}
		the_same_and_a_failure() { everything; false; }
	END
	_assert_says '^ok   everything'
	_assert_says '^FAIL the_same_and_a_failure'
}

a_process_left_behind_fails_the_test_and_ends() {
	_run_tests <<-'END'
		forgetful() {
			make_device disk 1M
			sleep 987 <"$disk" &
		}
	END
	[[ $STATUS == 1 ]]
	_assert_says 'left behind: process .*sleep 987'
	is_gone sleep
}

a_test_that_hangs_is_ended_and_cleaned_up() {
	_run_tests <<-'END'
		# limit: 2
		hanging() {
			make_device disk 192M
			make_btrfs "$disk"
			mkdir mounted
			mount "$disk" mounted
			attach_device other disk.img
			truncate -s 1M "mounted/$(inner_name)"
			attach_device inner "mounted/$(inner_name)"
			trap '' TERM
			sleep 987
		}
	END
	[[ $STATUS == 1 ]]
	_assert_says '^FAIL hanging'
	_assert_says 'still running after 2 s'
	is_gone sleep
}

an_interrupted_harness_cleans_up() {
	local pid
	_copy_harness <<-'END'
		waiting() {
			make_device disk 192M
			mkdir mounted
			mount -t tmpfs tmpfs mounted
			: >"$HERE/begun"
			sleep 987
		}
	END
	TMPDIR=$PWD/inner/temporary inner/system/run >output 2>&1 &
	pid=$!
	wait_until 10 test -e inner/system/begun
	kill -TERM "$pid"
	wait "$pid" || STATUS=$?
	[[ $STATUS != 0 ]]
	_assert_nothing_left
	is_gone sleep
}

slow_tests_are_left_out_of_a_quick_run() {
	_run_tests --quick <<-'END'
		quick() { :; }
		# slow
		# Why it is.
		slow() { :; }
		another() { :; }
	END
	[[ $STATUS == 0 && $(tail -n 1 output) == '2 passed, 0 failed, 0 skipped' ]]
	_run_tests slow <<-'END'
		quick() { :; }
		# slow
		slow() { :; }
	END
	[[ $(tail -n 1 output) == '1 passed, 0 failed, 0 skipped' ]]
}

# Numbers are given anew at once: another test's device is not waited for.
a_device_is_detached_though_its_number_is_in_use_again() {
	make_device disk 1M
	truncate -s 1M other.img
	losetup() {
		command losetup "$@"
		[[ $1 != --detach || $2 != "$disk" ]] || command losetup "$disk" other.img
	}
	detach_device "$disk"
	[[ $(image_of "$disk") == */other.img ]]
	command losetup --detach "$disk"
}
