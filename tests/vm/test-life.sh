# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The appliance's ordinary life: its first boots, root's password, an update.
# images: plain newer

a_blank_disk_becomes_a_running_system() {
	first_boot
	assert_report '.state == "blank" and .action == "formatted" and .error == null'
	assert_console 'init-storage: /dev/vdb2: blank, making a btrfs on it'
}

a_second_boot_makes_nothing_and_keeps_everything() {
	local keys
	running_appliance
	keys=$(host_keys)
	[[ $keys ]] || fail "there are no host keys"
	in_guest <<-'END'
	echo mine >/home/user/mine
	echo 'brightness = 80' >/etc/appliance/settings
	echo '127.0.0.1 kitchen' >/etc/hosts
	logger remember-this
	END
	restart
	assert_healthy
	[[ $(host_keys) == "$keys" ]] || fail "the host keys are others: $(host_keys), not $keys"
	[[ $(guest cat /home/user/mine /etc/appliance/settings /etc/hosts) == $'mine\nbrightness = 80\n127.0.0.1 kitchen' ]] ||
		fail "what was written is not what is read"
	guest journalctl --quiet --grep=remember-this >/dev/null || fail "the journal of the first boot is gone"
	assert_report '.action == "nothing" and .error == null'
	echo "note: init-storage took $(jq .seconds.total report.json) s of this boot"
}

a_password_set_on_a_terminal_holds_after_a_reboot() {
	running_appliance
	dialogue 'New password:' 'first secret' 'Retype new password:' 'first secret' -- \
		"${SSH[@]}" -tt root@127.0.0.1 set-root-password || fail "set-root-password failed"
	assert_labels
	assert_password 'first secret'
	assert_no_password "$SHIPPED_PASSWORD"
	restart
	assert_healthy
	assert_password 'first secret'
}

a_password_from_standard_input_holds_after_a_power_cut() {
	running_appliance
	echo 'second secret' | in_guest_run set-root-password --stdin || fail "set-root-password failed"
	assert_password 'second secret'
	power_cut
	boot
	wait_for_ssh
	assert_healthy
	assert_password 'second secret'
	assert_no_password 'first secret'
}

a_newer_image_gets_its_subvolume_and_its_writable_file() {
	running_appliance
	in_guest <<<'echo kept >/home/user/kept'
	restart newer
	assert_healthy
	assert_report '[.subvolumes[] | select(.action == "created").path] == ["srv"]'
	assert_report '[.writable_etc[] | select(.action == "created").path] == ["motd"]'
	[[ $(guest cat /home/user/kept /etc/motd) == $'kept\nWelcome.' ]] || fail "content is missing"
	in_guest <<<'echo Hello. >/etc/motd; cmp /srv/data <(unshare -m sh -c "mount --bind / /mnt && cat /mnt/srv/data")'
	shut_down
	assert_disk_is_complete
}
