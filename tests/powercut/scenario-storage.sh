# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # for what this one sources
#
# A boot that makes what is missing on the data device. After a power cut each final name is not
# there or is complete, what the owner has is as it was, and the next boot leaves what an
# undisturbed one leaves.
#
# A variant is KIND[.COMMIT]:
#   KIND    first      a blank device
#           default    the same, /var being the default subvolume
#           converge   a device in use; a later image wants a subvolume, a nested one and NOCOW
#           etc        a device in use; a later image wants more of /etc to be writable
#           second-N   begins at a crash state of "first": interrupted twice
#   COMMIT  CALL-WHEN (see commit_after): a transaction is committed there
# control-unsynced-KIND: what syncfs(2) would have written is not there when names are given.

IFS=. read -r KIND COMMIT <<<"${VARIANT-}."
SKIPPED=''
[[ $KIND != control-unsynced-* ]] || SKIPPED=syncfs KIND=${KIND#control-unsynced-}
COMMIT=${COMMIT%.}

# shellcheck source=tests/powercut/storage.sh
. "$HERE/storage.sh"

variants() {
	local number
	cat <<-END
		first quick=40
		first.renameat2-1+
		first.mkdirat-1+ quick=40
		default.renameat2-1+ quick=30
		default.ioctl-1+
		converge
		converge.renameat2-1+ quick=40
		converge.mkdirat-1+
		etc
		etc.renameat2-1+ quick=40
		etc.mkdirat-1+
		control-unsynced-first.renameat2-1+ quick=40
		control-unsynced-converge.renameat2-1+ quick=40
		control-unsynced-etc.renameat2-1+ quick=40
	END
	# Before every other one, the first boot was committing all the time.
	for number in {1..8}; do
		echo "second-$number after=first $( ((number % 4 != 2)) || echo quick=20)"
		echo "second-$((number + 8)) after=first.mkdirat-1+ $( ((number % 4 != 2)) || echo quick=20)"
	done
}

# What is given a name of its own, and the directories whose times tell of that.
STAGING=({,var/,@default/,var/lib/aimee-os/etc/}.init-storage)
NAMES=(home var) TOUCHED=(var/lib/aimee-os var/lib/aimee-os/etc)
case $KIND in
default) NAMES=(home @default) TOUCHED=(@default/lib/aimee-os @default/lib/aimee-os/etc) ;;
converge) NAMES=(opt var/lib/nested var/lib/nocow) TOUCHED+=(var var/lib var/lib/nocow) ;;
etc) NAMES=(var/lib/aimee-os/etc/{ssh,pam.d,hostname}) TOUCHED+=(var/lib/aimee-os/etc/pam.d) ;;
esac

# --- before the recording ------------------------------------------------------------------------

prepare() {
	make_image _configure
	truncate -s "$DEVICE_SIZE" blank.img
	case $KIND in
	first | default) cp --sparse=always blank.img base.img ;;
	converge | etc)
		on_copy blank.img base.img _use
		change_image "_configure_$KIND"
		cp --sparse=always base.img blank.img
		;;
	esac
	make_reference blank.img boot
	_assert_reference
}

_configure() {
	local subvolume=,subvol=var
	[[ $KIND != default ]] || subvolume=''
	cat >tree/etc/fstab <<-END
		PARTLABEL=data /var  btrfs compress=zstd$subvolume 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
	mkdir -p tree/etc/{ssh/keys,pam.d} tree/opt/app
	echo 'Port 22' >tree/etc/ssh/sshd_config
	numbers 4000 >tree/etc/ssh/keys/long
	echo 'auth' >tree/etc/pam.d/sshd
	numbers 3000 >tree/etc/hostname
	numbers 9000 >tree/opt/app/file
}

_configure_converge() {
	mkdir -p tree/var/lib/nested/below
	numbers 5000 >tree/var/lib/nested/below/file
	sed -i 's/zstd/&,x-init-storage.subvol=log:tmp:lib\/nested,x-init-storage.nodatacow=lib\/nocow/' tree/etc/fstab
	echo 'PARTLABEL=data /opt btrfs subvol=opt 0 0' >>tree/etc/fstab
}

_configure_etc() {
	printf '%s\n' 'd ssh' 'f pam.d/sshd' 'f hostname' >>tree/usr/lib/aimee-os/writable-etc
}

# The first boot, and the owner's changes.
_use() {
	boot
	mounted top btrfs defaults "$DEVICE" _change
}

_change() {
	numbers 6000 >top/home/user/mine
	echo mine >>top/var/lib/deep/d/f
	rm -r top/var/lib/acls
	echo 'root:changed:1::::::' >top/var/lib/aimee-os/etc/shadow
}

# The reference is what the crash states are measured by, so it is measured itself, by the image.
_assert_reference() {
	local var=reference/var
	case $KIND in
	default) var=reference/@default ;;&
	first | default | second-*)
		compare_trees --extra lib/aimee-os tree/var "$var"
		compare_trees tree/home reference/home
		compare_trees tree/etc/shadow "$var/lib/aimee-os/etc/shadow"
		;;
	converge)
		compare_trees tree/opt reference/opt
		compare_trees tree/var/lib/nested reference/var/lib/nested
		[[ -d reference/var/lib/nocow && -s reference/home/user/mine ]]
		;;
	etc)
		compare_trees tree/etc/ssh reference/var/lib/aimee-os/etc/ssh
		compare_trees tree/etc/pam.d/sshd reference/var/lib/aimee-os/etc/pam.d/sshd
		compare_trees tree/etc/hostname reference/var/lib/aimee-os/etc/hostname
		[[ -s reference/home/user/mine ]]
		;;
	esac
}

# --- what is recorded ----------------------------------------------------------------------------

act() {
	[[ ! $COMMIT ]] || BY=(commit_after "${COMMIT%-*}" "${COMMIT##*-}" its-own)
	boot
	mark returned
}

# --- a crash state -------------------------------------------------------------------------------

judge() {
	local found id before=''
	see_reference
	found=$(look_untouched _names) || fail "${found##* }"
	read -r found before <<<"$found"
	[[ $found != unmountable ]] || _may_be_unmountable || fail unmountable
	boot
	[[ $found == unmountable || $ACTION != formatted ]] || fail "formatted-over-$found"
	! has_mark returned || [[ $found == all-names && $ACTION == nothing ]] || fail "returned-yet-$found-$ACTION"
	[[ $found != unmountable ]] || found=$ACTION
	assert_complete "${TOUCHED[@]}" --
	id=$(look_after file_system_id)
	[[ $id == "${before:-$id}" ]] || fail "another-file-system"
	echo "$found"
}

# There was no file system before, and the second boot may have begun without one.
_may_be_unmountable() {
	! has_mark returned && [[ $KIND == @(first|default|second-*) ]]
}

# How many of the names are there, each of them whole, and the rest as it was.
_names() {
	local name found=all-names missing=()
	for name in "${NAMES[@]}"; do
		[[ -e top/$name ]] || missing+=("$name")
	done
	same_as reference "${TOUCHED[@]}" -- "${missing[@]}" "${STAGING[@]}" || fail half
	((${#missing[@]} == 0)) || found=some-names
	((${#missing[@]} < ${#NAMES[@]})) || found=no-name
	echo "$found $(file_system_id)"
}
