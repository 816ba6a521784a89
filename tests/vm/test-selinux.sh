# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the policy module has to allow beside what the other tests do; the appliance without SELinux
# and without the module. All other tests run with both, enforcing.
# images: plain without-module
# shellcheck disable=SC2034 # variables that lib.sh looks at

# More than a process may lock in memory by itself, where the limit is that of kernels before 5.16.
a_long_shadow_file_is_changed() {
	running_appliance
	in_guest <<-'END'
	for ((i = 0; i < 60000; i++)); do echo "user$i:!:19000:0:99999:7:::"; done >>/etc/shadow
	sync
	END
	echo 'long secret' | in_guest_run prlimit --memlock=65536 set-root-password --stdin
	assert_password 'long secret'
	[[ $(guest 'wc -l </etc/shadow') -gt 60000 ]] || fail "users are missing"
	assert_labels
}

# passwd, in another domain, is not stopped by Ctrl-Z all the same. It ends with the program that it
# was run by.
passwd_inherits_the_ignored_signal_and_leaves_no_process() {
	running_appliance
	sleep "$VM_TIMEOUT" | "${SSH[@]}" -tt root@127.0.0.1 set-root-password >question 2>&1 &
	wait_until 60 "the question" grep -q 'New password:' question
	in_guest <<-'END' || fail "passwd could be stopped"
	pid=$(pgrep -x passwd)
	[[ $(ps -o label= -p "$pid") == *:passwd_t:* ]]
	ignored=$(sed -n 's/^SigIgn:\t//p' "/proc/$pid/status")
	(((16#$ignored >> 19) & 1))
	pkill -TERM -o -f '^set-root-password'
	END
	wait_until 30 "passwd to end" guest '! pgrep -x passwd'
}

the_runtime_folder_may_be_missing() {
	running_appliance
	guest rm -r /run/aimee-os
	echo 'other secret' | in_guest_run set-root-password --stdin
	assert_password 'other secret'
	assert_labels
	guest rm -r /run/aimee-os
	guest init-storage
	assert_labels
	guest rm -r /run/aimee-os
	guest factory-reset --yes
	assert_labels
	guest factory-reset --cancel
}

an_appliance_without_selinux_works() {
	WITHOUT_POLICY=1 MORE_KERNEL_OPTIONS='security=none selinux=0'
	power_cut
	first_boot
	[[ $(guest cat /sys/kernel/security/lsm) != *selinux* ]] || fail "SELinux is active"
	echo 'my secret' | in_guest_run set-root-password --stdin
	assert_password 'my secret'
	power_cut
}

# The labels are the image's all the same: what was written without SELinux is good for a later
# image that has it.
labels_are_those_of_the_image_without_selinux_too() {
	power_cut
	with_top _compare_labels || fail "a label is another"
}

_compare_labels() {
	(cd image && getfattr -h -R -n security.selinux var/lib/appliance home) >shipped
	(cd top && getfattr -h -R -n security.selinux var/lib/appliance home) >copied
	[[ -s shipped ]] && diff shipped copied
}

# Debian's policy does not confine what systemd starts. But it lets nobody look at the shadow file or
# mount over what is in /etc, and ssh-keygen write nowhere but in /etc/ssh.
without_the_module_the_data_device_is_made_and_mounted() {
	WITHOUT_POLICY=1
	power_cut
	make_disk disk.img
	boot without-module
	wait_for_console 'login: '
	assert_console 'init-storage: /dev/vdb2: done'
	assert_console 'Mounted .*home.mount'
	assert_console 'Failed to mount .*etc-hosts.mount'
	power_cut
	assert_disk_is_complete
	with_top _compare_labels || fail "a label is another"
}
