# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A data device that fstab knows by its label, and a copy that takes its time.
# images: labelled

a_label_is_given_to_the_blank_device_that_the_locator_names() {
	first_boot labelled 4G
	assert_report '.action == "formatted" and .error == null'
	[[ $(guest findmnt -no SOURCE /var) == "$(guest realpath /dev/disk/by-label/state)"* ]] || fail "/var is not on the labelled device"
	restart
	assert_healthy
	assert_report '.action == "nothing"'
}

a_long_copy_shows_how_far_it_is() {
	grep -aoE 'copying /var: +[0-9]+ %' serial.1.log | tr -dc '0-9\n' | sort -nu >percent
	(($(wc -l <percent) >= 3)) || fail "the console shows only $(paste -sd ' ' percent)"
}

other_partitions_come_up_while_the_copy_runs() {
	power_cut
	first_boot labelled 4G
	in_guest <<-'END'
	mounted=$(systemctl show --value -p ActiveEnterTimestampMonotonic mnt-extra.mount)
	finished=$(systemctl show --value -p ExecMainExitTimestampMonotonic init-storage.service)
	echo "extra mounted at $mounted us, copy finished at $finished us"
	((mounted > 0 && mounted < finished))
	END
}
