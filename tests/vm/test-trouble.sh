# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What goes wrong, and what is seen of it.
# images: plain newer broken

_assert_up_but_for() {
	[[ $(guest systemctl is-system-running --wait) == degraded ]] || fail "the system is not degraded"
	guest systemctl --failed --no-legend --plain | awk '{ print $1 }' | sort >failed
	[[ $(<failed) == "$1" ]] || fail "failed units: $(paste -sd ' ' failed), expected $1"
}

_assert_mounted() {
	in_guest <<-'END' || fail "the subvolumes are not all mounted"
	for mounted in /var /home /etc/shadow; do findmnt "$mounted" >/dev/null; done
	END
}

a_bad_entry_leaves_the_system_up_and_is_seen_as_a_failure() {
	running_appliance
	in_guest <<<'echo kept >/home/user/kept'
	restart broken
	_assert_up_but_for init-storage.service
	_assert_mounted
	[[ $(guest cat /home/user/kept) == kept ]] || fail "the data is gone"
	assert_console 'x-init-storage.subvolumes'
	assert_console 'not-in-the-image'
}

a_curious_admin_may_restart_init_storage() {
	running_appliance
	guest systemctl restart init-storage && fail "it could be restarted"
	_assert_mounted
	assert_healthy
	restart broken
	guest systemctl start init-storage && fail "it did not fail again"
	guest systemctl restart init-storage || :
	_assert_mounted
	_assert_up_but_for init-storage.service
}

a_full_data_partition_leaves_the_system_up() {
	running_appliance
	in_guest <<-'END'
	mkdir /home/user/filler
	count=0
	for size in 1G 256M 64M 16M 4M 1M; do
		while fallocate -l "$size" "/home/user/filler/$((++count))" 2>/dev/null; do :; done
	done
	sync
	END
	restart newer
	_assert_up_but_for $'init-storage.service\nsrv.mount'
	_assert_mounted
	assert_console 'srv: not made'
	guest rm -r /home/user/filler
	restart newer
	assert_healthy
}

foreign_data_is_left_alone_and_named_on_the_console() {
	local before
	power_cut
	make_disk disk.img
	attach_data
	mkfs.ext4 -q -F -L photos "$DATA"
	detach_data
	before=$(data_sum)
	boot plain
	wait_for_console 'emergency mode'
	assert_console 'init-storage: /dev/vdb2: holds something else: ext4'
	power_cut
	[[ $(data_sum) == "$before" ]] || fail "the partition was written to"
}

a_read_only_data_device_is_mounted_read_only() {
	running_appliance
	shut_down
	DISK_OPTIONS=readonly=on boot
	wait_for_ssh
	assert_report '.action == "nothing" and .error == null'
	[[ $(guest findmnt -no OPTIONS /var) == ro,* ]] || fail "/var is not read-only"
	echo 'another secret' | in_guest_run set-root-password --stdin && fail "a password was set"
	assert_password "$SHIPPED_PASSWORD"
	echo "note: $(guest systemctl is-system-running), failed: $(guest systemctl --failed --no-legend --plain)"
	power_cut
}
