# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; the runner sets "disk"
#
# set-root-password on an appliance, where the shadow file is a bind mount of one on the data device,
# and on an ordinary /etc: the old file or the new one, whole.

PROGRAM=$SET_ROOT_PASSWORD
OTHER_STATUS=2 # no password came
OTHERS_SPEAK=1 # chpasswd and PAM

# shellcheck source=tests/system/lib-password.sh
[[ ! ${HERE:-} ]] || . "$HERE/lib-password.sh"

variants() {
	echo 'appliance ordinary'
}

prepare() {
	if [[ $VARIANT == appliance ]]; then
		appliance noatime
	else
		own_etc
	fi
	set_password first
	cp -a /etc/shadow first
	[[ $VARIANT == appliance ]] || return 0
	umount /etc/shadow /var/lib top
	detach_device "$disk"
	mv disk.img before.img
}

arrange() {
	rm -f etc/.pwd.lock etc/shadow- etc/passwd- etc/.shadow*
	use_etc
	if [[ $VARIANT == appliance ]]; then
		mount -o noatime "$disk" top
		mount --bind top/var/lib /var/lib
		read_only_etc
		mount --bind "$STATE/shadow" /etc/shadow
	else
		cp -a first etc/shadow
	fi
	[[ -e /etc/this-is-a-copy ]]
}

act() {
	disturbed "$SET_ROOT_PASSWORD" --stdin <<<second
}

# A write-back that was cut off leaves empty lines.
holds() {
	local word
	FOUND=
	for word in first second; do
		! is_password "$word" "$(root_hash)" || FOUND=$word
	done
	[[ $FOUND ]] || fail "the password is neither: $(head -n 1 /etc/shadow)"
	[[ $(tail -n +2 /etc/shadow) == "$OTHERS" ]] || fail "the file is $(</etc/shadow)"
	[[ ! -e /etc/.shadow.set-root-password || $STATUS == 137 ]] || fail "a temporary file is left"
	[[ $FAULT != no-proc ]] || assert_message 'looking for the mounts below it failed'
	was_killed || was_silenced || ((STATUS == 0)) || assert_said
}

# One message of ours, which says what became of the password.
assert_said() {
	[[ $(grep -c '^set-root-password: ' stderr) == 1 ]] || fail "not one message of ours"
	if [[ $FOUND == second ]]; then
		grep -q 'was changed, but that may not survive' stderr || fail "the password is the new one"
	else
		grep -q -e 'not changed' -e 'cannot' -e 'refused' stderr || fail "it does not say that nothing was changed"
	fi
}

effect() {
	assert_password second
}

afterwards() {
	set_password third
	assert_password third
}
