# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # for the helpers
#
# aimee-os-generator, with an /etc of its own over this machine's.

PROGRAM=$GENERATOR

variants() {
	echo 'units'
}

prepare() {
	mkdir -p image/etc/{aimee-os,ssh}
	printf '%s\n' 'f shadow' 'd ssh' >image/etc/aimee-os/writable-etc
	echo 'root:*:' >image/etc/shadow
	cat >image/etc/fstab <<-END
		LABEL=data /var  btrfs subvol=var,x-init-storage.device=PARTLABEL=data 0 0
		LABEL=data /home btrfs subvol=home 0 0
		LABEL=data /srv  btrfs defaults 0 0
	END
}

arrange() {
	mount --bind image/etc /etc
	rm -rf units
	mkdir -p units/{normal,early,late}
}

act() {
	disturbed "$GENERATOR" "$PWD"/units/{normal,early,late} </dev/null
}

# A line that is left out with a message is no failure, whatever the reason: the boot goes on.
effect() {
	[[ $FAULT != trace ]] || cp -a units expected
	grep -q ', line skipped: ' stderr || diff -r expected units || fail "the units are others"
}

# None is cut off: systemd reads them right after.
holds() {
	local unit
	[[ $FAULT != trace ]] || return 0
	find units -type f | while read -r unit; do
		was_killed || cmp "$unit" "expected${unit#units}" || fail "$unit is another"
	done
}

afterwards() {
	rm -rf units
	mkdir -p units/{normal,early,late}
	FAULT=none act
	assert_status 0
	diff -r expected units || fail "the next units are others"
}
