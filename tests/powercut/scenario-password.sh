# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# set-root-password writes /etc/shadow. After a power cut that is the old file or the new one,
# whole; once the command has returned, the new one. While the file is a mount, empty lines may
# still follow.
#
# A variant is WRITER.SIZE.PLACE[.COMMIT]:
#   WRITER  program, or a way of write-back.c: the controls
#   SIZE    of the old file in bytes; with "s" root's entry gets shorter, with "e" it has a hash of the
#           same length (yescrypt's), else it gets longer
#   PLACE   bound: a file on btrfs, mounted over /etc/shadow; bound-OPTION: with compress= or such
#           btrfs, ext4: an ordinary file in an /etc on that file system
#   COMMIT  a system call and which of them (see commit_after): a transaction is committed there

IFS=. read -r WRITER SIZE PLACE COMMIT <<<"${VARIANT-}..."
WRITER=${WRITER#control-} COMMIT=${COMMIT//./}
SET_ROOT_PASSWORD=${SET_ROOT_PASSWORD:-$BUILD/set-root-password}
STATE=lib/aimee-os/etc
ATTRIBUTES='640 0:42'

variants() {
	_variants | sed '/^$/d'
}

_variants() {
	local size
	cat <<-END
		program.3000.bound-zstd quick=120
		program.3000.bound-zstd.fsync1 quick=120
		program.3000.bound-zstd.ioctl1+ quick=120
		program.3000.bound-zstd.fsync2 quick=120
		program.200.bound-zstd.write1+ quick=120
		program.3000s.bound-zstd.ftruncate1 quick=120
		program.3000e.bound-zstd quick=120
		program.8300s.bound-zstd.fsync2 quick=120
		program.40000.bound-zstd quick=120
		program.3000.ext4 quick=120
		program.3000.btrfs quick=120
		control-in-place.3000.bound-zstd.ftruncate1 quick=120
		control-clone-short.8300.bound-zstd quick=120
		control-rename-unsynced.3000.ext4 quick=120
		control-rename-unsynced.3000.btrfs quick=120
		program.3000.btrfs.fsync1+
		program.3000.btrfs.renameat1
	END
	for size in 200 200e 8300s 40000 40000e 200000 1000000; do
		cat <<-END
			program.$size.bound
			program.$size.bound.fsync2
			program.$size.bound-nocow.fsync2
			$([[ $size == 40000 ]] || echo "program.$size.bound-zstd")
			program.$size.bound-zstd.fsync1
			program.$size.bound-zstd.ioctl1+ $([[ $size != 200000 ]] || echo quick=120)
			program.$size.bound-zstd.write1+
			$([[ $size != *s ]] || echo "program.$size.bound-zstd.ftruncate1")
			program.$size.bound-zstd-force.ioctl1+
		END
	done
}

_options() {
	case $PLACE in
	bound-zstd) echo compress=zstd ;;
	bound-zstd-force) echo compress-force=zstd ;;
	# Otherwise it writes a file's data before the new name.
	ext4) echo noauto_da_alloc ;;
	*) echo defaults ;;
	esac
}

# _mounted DIRECTORY OPTION DEVICE COMMAND...: what is to be /var or /etc, with FILE in it.
_mounted() {
	local type=btrfs subvolume=subvol=/
	case $PLACE in
	bound*) FILE=$1/$STATE/shadow subvolume=subvol=var ;;
	ext4) type=ext4 subvolume=defaults FILE=$1/shadow ;;
	*) FILE=$1/shadow ;;
	esac
	mounted "$1" "$type" "$(_options),$subvolume,$2" "${@:3}"
}

# --- before the recording ------------------------------------------------------------------------

prepare() {
	_old_file >"$RECORDING/old"
	_copy_etc
	if [[ $PLACE == ext4 ]]; then
		new_image 64M mkfs.ext4
	else
		new_image 128M mkfs.btrfs
	fi
	[[ $PLACE != bound* ]] || mounted top btrfs defaults base.img btrfs subvolume create top/var
	_mounted top loop base.img _fill "$PWD/top"
}

# Root, and as many others as it takes.
_old_file() {
	local hash=x
	case $SIZE in
	*s) hash=$(printf 'x%.0s' {1..400}) ;;
	*e) hash=$(printf 'x%.0s' {1..73}) ;;
	esac
	awk -v size="${SIZE%[se]}" -v hash="$hash" 'BEGIN {
		srand(1)
		letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		text = "root:" hash ":19000:0:99999:7:::\n"
		for (user = 0; length(text) < size; user++) {
			hash = ""
			for (i = 0; i < 86; i++) hash = hash substr(letters, int(rand() * 64) + 1, 1)
			text = text "user" user ":$6$" hash ":19000:0:99999:7:::\n"
		}
		printf "%s", text
	}'
}

# What passwd needs of this machine.
_copy_etc() {
	mkdir etc
	cp -a /etc/{group,login.defs,nsswitch.conf,pam.d,passwd,security} etc
	_put_old etc/shadow
}

_put_old() {
	install -m "${ATTRIBUTES% *}" -o 0 -g "${ATTRIBUTES#*:}" "$RECORDING/old" "$1"
}

_fill() {
	case $PLACE in
	bound*)
		mkdir -p "$1/lib/aimee-os"
		chmod 0700 "$1/lib/aimee-os"
		btrfs subvolume create "$1/$STATE" >/dev/null
		[[ $PLACE != bound-nocow ]] || chattr +C "$1/$STATE"
		_put_old "$1/$STATE/shadow"
		;;
	*) cp -a etc/. "$1" ;;
	esac
	sync --file-system "$1"
}

# --- what is recorded ----------------------------------------------------------------------------

act() {
	unshare --mount --propagation private "$BASH" "$HERE/scenario.sh" "${BASH_SOURCE[0]}" _act_apart
}

# The system as the program finds it, /etc and /var being none of this machine's.
_act_apart() {
	case $PLACE in
	bound*)
		mount --bind etc /etc
		_mounted top defaults "$DEVICE" _write_bound "$PWD/top"
		umount /etc
		;;
	*) _mounted /etc defaults "$DEVICE" _write ;;
	esac
}

# Not over all of /var, where this may lie itself.
_write_bound() {
	FILE=/var/$STATE/shadow
	mount --bind "$1/lib" /var/lib
	mount --bind "$FILE" /etc/shadow
	_write
	umount /etc/shadow
	umount /var/lib
}

_write() {
	local command=("$SET_ROOT_PASSWORD" --stdin)
	[[ $WRITER == program ]] || command=("$BUILD/powercut-write-back" "$WRITER" "$FILE")
	[[ ! $COMMIT ]] || command=(commit_after "${COMMIT%%[0-9]*}" "${COMMIT##*[a-z]}" "${FILE%/*}" "${command[@]}")
	# This machine's own file must never be what is written.
	cmp /etc/shadow "$RECORDING/old"
	"${command[@]}" < <(_input)
	mark returned
	cp "$FILE" "$RECORDING/new"
	! cmp --silent "$RECORDING/old" "$RECORDING/new" || fail "nothing was changed"
	[[ $SIZE != *e ]] || (($(stat -c %s "$RECORDING/old") == $(stat -c %s "$RECORDING/new"))) || fail "another size"
	[[ $WRITER != program ]] || _assert_one_extent
	sync --file-system "$FILE"
}

# Each extent is cloned in a transaction of its own. The commit that comes between two of them is
# rare, and no system call can be stopped there.
_assert_one_extent() {
	[[ $(filefrag "$FILE") == *': 1 extent found' ]] || fail "$(filefrag "$FILE")"
}

_input() {
	case $WRITER in
	program) echo 'correct horse battery staple' ;;
	clone-short) head -n 3 "$RECORDING/old" ;;
	*) sed 's/19000/20000/' "$RECORDING/old" ;;
	esac
}

# --- a crash state -------------------------------------------------------------------------------

# The log is replayed by the first mount already; the second sees what that has left.
judge() {
	local found again
	found=$(_mounted top defaults "$DEVICE" _look) || fail "${found##* }"
	again=$(_mounted top ro "$DEVICE" _look) || fail "${again##* }"
	[[ $found == "$again" ]] || fail "$found and then $again"
	! has_mark returned || [[ $found == new* ]] || fail "returned, yet lost"
	echo "$found"
}

_look() {
	local attributes
	read -r attributes < <(stat -c '%a %u:%g' "$FILE")
	[[ $attributes == "$ATTRIBUTES" ]] || fail "wrong attributes"
	if cmp --silent "$FILE" "$RECORDING/old"; then
		echo old
	elif cmp --silent "$FILE" "$RECORDING/new"; then
		echo new
	elif _is_padded new; then
		echo new+padding
	elif _is_padded old; then
		echo old+padding
	else
		fail "torn"
	fi
}

# A file that is a mount gets empty lines at its end for a while.
_is_padded() {
	local size
	size=$(stat -c %s "$RECORDING/$1")
	[[ $PLACE == bound* ]] && cmp --silent --bytes="$size" "$FILE" "$RECORDING/$1" &&
		[[ ! $(tail -c "+$((size + 1))" "$FILE" | tr -d '\n' | tr '\0' x) ]]
}
