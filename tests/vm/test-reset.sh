# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # variables that lib.sh looks at
#
# Back to the shipped state, and the power cut on the way there.
# images: plain

# Leaves traces of an owner.
_use_the_appliance() {
	running_appliance
	in_guest <<-'END'
	echo mine >/home/user/mine
	echo mine >/var/lib/mine
	echo mine >/etc/appliance/mine
	END
	echo 'my secret' | in_guest_run set-root-password --stdin
}

_assert_used() {
	[[ $(guest cat /home/user/mine /var/lib/mine /etc/appliance/mine) == $'mine\nmine\nmine' ]] ||
		fail "the owner's files are not all there"
	assert_password 'my secret'
}

# The next boot is a first boot.
_assert_as_shipped() {
	boot
	wait_for_ssh
	assert_healthy
	[[ $(guest find /home/user /var/lib /etc/appliance -name mine) == '' ]] || fail "a file of the owner's is still there"
	[[ $(host_keys) != "$1" ]] || fail "the host keys are the old ones"
	assert_password "$SHIPPED_PASSWORD"
	assert_no_password 'my secret'
	assert_report '.action == "formatted" and .error == null'
}

a_reset_that_was_taken_back_keeps_everything() {
	local keys
	_use_the_appliance
	keys=$(host_keys)
	guest factory-reset --yes
	guest factory-reset --status --json | jq -e '.armed and .persistent' >/dev/null || fail "there is no request"
	guest factory-reset --cancel
	restart
	assert_healthy
	_assert_used
	[[ $(host_keys) == "$keys" ]] || fail "the host keys are others"
}

a_reset_with_a_reboot_gives_the_shipped_system() {
	local keys
	_use_the_appliance
	keys=$(host_keys)
	guest factory-reset --yes --reboot || :
	wait_for_end
	_assert_data_is_blank
	_assert_as_shipped "$keys"
	guest jq -e .by /var/lib/aimee-os/last-reset.json
}

# Done at shutdown, not left to the next boot.
_assert_data_is_blank() {
	attach_data --read-only
	blkid --probe "$DATA" && fail "there is still something on the data partition"
	detach_data
}

a_power_cut_right_after_the_request_does_not_lose_it() {
	local keys
	_use_the_appliance
	keys=$(host_keys)
	guest factory-reset --yes
	power_cut
	_assert_as_shipped "$keys"
}

# Asked for by somebody at a terminal, on a system without a message bus: systemctl speaks to the
# service manager itself.
a_power_cut_during_the_shutdown_does_not_lose_it() {
	local keys pause
	RANDOM=$SEED
	_use_the_appliance
	keys=$(host_keys)
	guest systemctl stop dbus.socket dbus.service systemd-logind.service
	dialogue 'Type yes' yes -- "${SSH[@]}" -tt root@127.0.0.1 factory-reset --reboot || :
	pause=$((RANDOM % 4000))
	sleep "$((pause / 1000)).$(printf %03d $((pause % 1000)))"
	power_cut
	echo "note: cut $pause ms after the command: $(tail -n 1 serial.log | tr -d '\r' | cut -c1-100)"
	_assert_as_shipped "$keys"
}

a_reset_from_the_boot_loader_gives_the_shipped_system() {
	local keys
	_use_the_appliance
	keys=$(host_keys)
	shut_down
	MORE_KERNEL_OPTIONS=systemd.factory_reset=1
	_assert_as_shipped "$keys"
	assert_report '.reset.by == "kernel command line"'
}
