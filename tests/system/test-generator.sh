# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034 # names with dollars; STATUS is for the asserts
#
# The generator in a root of its own, and what systemd says to its units and to ours.

shopt -s extglob
NAMES=("a b" "-x-" ".hidden" "%i %%" "back\\slash" "quo\"te's" "é€" "a:b_c.d" "#x" '$HOME' "tab	x")

# _image FSTAB: the root "image", and the directories that systemd would give.
_image() {
	mkdir -p image/{dev,proc,sys,run,etc/aimee-os,usr/lib/aimee-os,normal,early,late}
	cp "$HERE/../../init-storage/writable-etc" image/usr/lib/aimee-os/
	echo 'root:*:' >image/etc/shadow
	cat >image/etc/fstab
}

# _generate [DIRECTORY...]: nothing is mounted but the root.
_generate() {
	((${#})) || set -- /normal /early /late
	cp "$GENERATOR" image/generator
	STATUS=0
	chroot image /generator "$@" >stdout 2>stderr || STATUS=$?
	sed 's/^/    /' stderr
	[[ ! -s stdout ]] || fail "something on standard output"
}

# _verify MOUNT...: what was written with our units, systemd's, and those mounts, which
# systemd-fstab-generator would make. Programs and manuals are not installed here.
_verify() {
	local mount
	mkdir units
	cp -r "$HERE/../../units"/*.service "$HERE/../../units"/*.service.d image/normal/. image/late/. units/
	sed -i 's,=/usr/sbin/,=/bin/true /usr/sbin/,; s,^BindReadOnlyPaths=.*,,; s,^Documentation=.*,,' units/*.service
	sed -i 's,^Documentation=.*,,' units/*.mount
	for mount; do
		printf '[Mount]\nWhat=/dev/vda2\nWhere=%s\nType=btrfs\n' "$(systemd-escape --path --unescape "${mount%.mount}")" \
			>"units/$mount"
	done
	# In its arguments a colon has a meaning of its own.
	SYSTEMD_UNIT_PATH=$PWD/units:/lib/systemd/system systemd-analyze verify units/*.service \
		units/+([^:]).mount >verified 2>&1 || fail "systemd-analyze verify: $(<verified)"
	[[ ! -s verified ]] || fail "systemd-analyze verify: $(<verified)"
}

names_are_escaped_as_systemd_does() {
	local name target
	_image <<-'END'
		PARTLABEL=data /var btrfs subvol=var 0 0
	END
	for name in "${NAMES[@]}"; do
		mkdir -p "image/etc/$name/below $name"
		echo "d $name/below $name" >>image/etc/aimee-os/writable-etc
	done
	_generate
	assert_status 0
	[[ ! -s stderr ]] || fail "$(<stderr)"
	for name in "${NAMES[@]}"; do
		target=$(systemd-escape --path --suffix=mount "/etc/$name/below $name")
		[[ -f image/late/$target ]] || fail "not written: $target"
		[[ image/late/local-fs.target.wants/$target -ef image/late/$target ]] || fail "not wanted: $target"
	done
	[[ $(find image/late -name '*.mount' -type f | wc -l) == $((${#NAMES[@]} + 1)) ]] || fail "more than wanted"
	# systemd reads the mount point back, and compares it with the name.
	_verify var.mount
}

mount_points_and_devices_are_escaped_as_systemd_does() {
	local name lines='' unit device
	for name in "${NAMES[@]}"; do
		lines+="PARTLABEL=data /mnt/$(printf '%s' "$name" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g') btrfs subvol=x 0 0"$'\n'
	done
	_image <<<"PARTLABEL=data /var btrfs subvol=var 0 0"$'\n'"$lines"
	_generate
	assert_status 0
	for name in "${NAMES[@]}"; do
		unit=$(systemd-escape --path --suffix=mount "/mnt/$name")
		grep -qx 'Wants=init-storage.service' "image/normal/$unit.d/50-aimee-os.conf" || fail "not written: $unit"
		grep -qxF "Before=$unit" image/normal/init-storage.service.d/50-aimee-os.conf || fail "not before: $unit"
	done
	device=$(systemd-escape --path --suffix=device /dev/disk/by-partlabel/data)
	grep -qxF "Requires=$device" image/normal/init-storage.service.d/50-aimee-os.conf
}

what_is_written_and_shipped_is_right_for_systemd() {
	_image <<-'END'
		LABEL=state /var      btrfs subvol=var,x-init-storage.device=PARTLABEL=data\040disk 0 2
		LABEL=state /my-home  btrfs nofail 0 0
	END
	mkdir image/etc/ssh
	echo 'd ssh' >image/etc/aimee-os/writable-etc
	_generate
	assert_status 0
	_verify var.mount 'my\x2dhome.mount'
}

shipped_units_are_little_exposed() {
	local unit level
	for unit in "$HERE"/../../units/*.service; do
		systemd-analyze security --offline=true --threshold=30 "$unit" >exposure ||
			fail "${unit##*/}: $(tail -n 1 exposure)"
	done
}

wrong_input_is_said_and_no_failure() {
	_image <<-'END'
		nonsense
		PARTLABEL=data /var btrfs subvol=var 0 0
	END
	printf 'f nothing\nx shadow\n' >image/etc/aimee-os/writable-etc
	_generate
	assert_status 0
	assert_message 'fstab:1: malformed'
	assert_message 'writable-etc:1: the image has no such path'
	assert_message 'writable-etc:2: the type'
	[[ -f image/late/etc-shadow.mount && -f image/normal/var.mount.d/50-aimee-os.conf ]] || fail "not written"
}

without_a_line_for_var_nothing_is_written() {
	_image </dev/null
	_generate
	assert_status 0
	assert_message 'no line for /var'
	[[ $(find image/normal image/late -mindepth 1) == '' ]] || fail "something is written"
}

one_directory_is_enough() {
	_image <<<'PARTLABEL=data /var btrfs subvol=var 0 0'
	_generate /normal
	assert_status 0
	[[ -f image/normal/etc-shadow.mount && -d image/normal/var.mount.d ]] || fail "not written"
}

help_and_version_are_printed() {
	mkdir -p image
	cp "$GENERATOR" image/generator
	chroot image /generator --help >help
	chroot image /generator --version >version
	grep -q '^usage: aimee-os-generator NORMAL-DIR' help || fail "$(<help)"
	[[ $(<version) == "aimee-os-generator $(<"$HERE/../../VERSION")" ]] || fail "$(<version)"
	! chroot image /generator --version >/dev/full || fail "what could not be printed is no failure"
}

wrong_usage_and_directories_are_failures() {
	_image <<<'PARTLABEL=data /var btrfs subvol=var 0 0'
	_generate /normal /early
	assert_status 2
	_generate /no-such-directory
	assert_status 1
	assert_message 'no-such-directory: cannot open'
}

# As systemd runs it: standard error leads nowhere, and there is nothing but the kernel's log.
without_a_reader_it_tells_the_kernel() {
	_image </dev/null
	cp "$GENERATOR" image/generator
	mknod image/dev/null c 1 3
	: >image/dev/kmsg
	chroot image /generator /normal /early /late 2>image/dev/null
	grep -q '^<3>generator: /etc/fstab: no line for /var' image/dev/kmsg || fail "$(<image/dev/kmsg)"
}

it_is_quick() {
	local i start end
	_image <<<'PARTLABEL=data /var btrfs subvol=var 0 0'
	for i in {1..20}; do
		mkdir "image/etc/$i"
		echo "d $i"
	done >image/etc/aimee-os/writable-etc
	cp "$GENERATOR" image/generator
	start=${EPOCHREALTIME/./}
	for i in {1..10}; do
		chroot image /generator /normal /early /late
	done
	end=${EPOCHREALTIME/./}
	echo "$(((end - start) / 10)) us a run"
	# 3 ms on an idle machine; the promise is 10.
	((end - start < 10 * 100000)) || fail "it took $(((end - start) / 10)) us"
}
