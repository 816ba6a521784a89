# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # for what this one sources
#
# Back to the state as shipped. After a power cut the device is the old one, whole, with its request
# if the command had returned, or blank, or a new one in the making: never half an old one, and
# never one that a boot refuses. What was asked for is not forgotten, and the next boot ends as
# an undisturbed one.
#
# A variant is KIND[.ERASE][.COMMIT]:
#   KIND    request    factory-reset
#           in-use     the same, while the file system is mounted and written to, as it is in life
#           now        factory-reset --now, at shutdown: the request is there
#           unasked    factory-reset --now --yes, and none is
#           boot       init-storage finds the request
#           life       request, wipe at shutdown, first boot
#           again-N    init-storage begins at a crash state of "boot": interrupted twice
#   ERASE   signature, discard, zero
#   COMMIT  CALL-WHEN (see commit_after): a transaction is committed there
# control-unsynced-in-use: the request is not written out. control-primary-first: the first
# superblock is wiped before its copy.

IFS=. read -r KIND ERASE COMMIT <<<"${VARIANT-}.."
SKIPPED='' COMMIT=${COMMIT//.}
case $KIND in
control-unsynced-*) SKIPPED=syncfs KIND=${KIND#control-unsynced-} ;;
control-primary-first) KIND=now ;;
esac

# shellcheck source=tests/powercut/storage.sh
. "$HERE/storage.sh"

FACTORY_RESET=${FACTORY_RESET:-$BUILD/factory-reset}
FLAG=/run/aimee-os/factory-reset.json
OLD_TEXT='the-old-life-of-this-disk'
LAST_RESET=var/lib/aimee-os/last-reset.json
NAMES=(home var)
TOUCHED=(var/lib/aimee-os var/lib/aimee-os/etc)
# What is new of the old one, when it is in use.
IN_USE=({var,home}/being-written)
# "AimeeOS erased\n"
RECORD_MAGIC='41 69 6d 65 65 4f 53 20 65 72 61 73 65 64 0a 00'

variants() {
	local number
	cat <<-END
		request.signature quick=20
		request.zero.fsetxattr-1
		in-use.signature
		in-use.discard.fsetxattr-1 quick=30
		now.signature quick=20
		now.discard
		now.zero quick=24
		unasked.signature quick=20
		unasked.zero
		boot.signature quick=40
		boot.discard
		boot.zero
		life.signature
		life.discard
		life.zero quick=40
		control-unsynced-in-use.signature quick=40
		control-primary-first.signature quick=40
	END
	for number in {1..4}; do
		echo "again-$number.signature after=boot.signature"
		echo "again-$number.zero after=boot.zero $( ((number != 2)) || echo quick=20)"
	done
}

# --- before the recording ------------------------------------------------------------------------

prepare() {
	if [[ $KIND == again-* ]]; then
		_prepare_again
		return
	fi
	make_image _configure
	truncate -s "$DEVICE_SIZE" blank.img
	make_reference blank.img boot
	on_copy blank.img base.img _live
	grep -aqF "$OLD_TEXT" base.img
	cp --sparse=always base.img "$RECORDING/old.img"
	btrfstune -f -u "$RECORDING/old.img" >/dev/null 2>&1
	case $KIND in
	now | boot)
		on_copy base.img requested.img _request
		mv requested.img base.img
		;;
	esac
}

# All is compared with what the first of the two boots is. Where it had come to a file system
# without /var, nothing knows of the reset any more.
_prepare_again() {
	cp --sparse=always "$RECORDING/../boot.$ERASE"/{tree.img,reference.img,facts,old.img,old-id,request} "$RECORDING"
	on_copy base.img copy.img _look_at_start
}

_look_at_start() {
	local found
	see_reference
	see_old
	found=$(look_untouched _what)
	[[ $found == old-requested || $(_record) || $(look_untouched ls top) == *var* ]] || : >"$RECORDING/untold"
}

see_old() {
	see old "$RECORDING/old.img" noatime,subvolid=5
}

_configure() {
	cat >tree/etc/fstab <<-END
		PARTLABEL=data /var  btrfs subvol=var,compress=zstd 0 0
		PARTLABEL=data /home btrfs subvol=home 0 0
	END
}

_live() {
	boot
	mounted top btrfs defaults "$DEVICE" _leave_traces
}

_leave_traces() {
	file_system_id >"$RECORDING/old-id"
	head -c 300000 < <(yes "$OLD_TEXT") >top/var/old-file
	cp top/var/old-file top/home/user/old-file
}

# The request, and what the shutdown goes by.
_request() {
	local by=()
	[[ ! $COMMIT ]] || by=(commit_after "${COMMIT%-*}" "${COMMIT##*-}" its-own)
	[[ ! $SKIPPED ]] || by=(strace -f -o trace -e "trace=$SKIPPED" -e "inject=$SKIPPED:retval=0")
	"${by[@]}" "$FACTORY_RESET" --device="$DEVICE" --yes --erase="$ERASE"
	cp "$FLAG" "$RECORDING/request"
}

# --- what is recorded ----------------------------------------------------------------------------

act() {
	rm -rf /run/aimee-os
	case $VARIANT in
	control-primary-first.*) _wipe_primary_first ;;
	again-*) _act_boot ;;
	*) "_act_$KIND" ;;
	esac
}

_act_request() {
	_request
	mark requested
}

_act_in-use() {
	mounted top btrfs defaults "$DEVICE" _request_in_use
}

_request_in_use() {
	numbers 50000 >top/var/being-written
	_act_request
	numbers 50000 >top/home/being-written
	sync --file-system top
	numbers 60000 >top/home/being-written
}

_act_now() {
	install -D -m 0600 "$RECORDING/request" "$FLAG"
	"$FACTORY_RESET" --now --device="$DEVICE"
	mark wiped
}

_act_unasked() {
	"$FACTORY_RESET" --now --yes --device="$DEVICE" --erase="$ERASE"
	mark wiped
	# Nobody has seen it but the erase record, behind its first 48 bytes.
	dd if="$DEVICE" bs=1 skip=32816 count=1024 status=none | tr -d '\0' >"$RECORDING/request"
}

_act_boot() {
	boot
	mark returned
}

_act_life() {
	_act_request
	_act_now
	_act_boot
}

_wipe_primary_first() {
	local at
	for at in 65536 67108864; do
		dd if=/dev/zero of="$DEVICE" bs=4096 count=1 oflag=seek_bytes seek="$at" conv=notrunc,fsync status=none
	done
}

# --- a crash state -------------------------------------------------------------------------------

judge() {
	local found record
	see_reference
	see_old
	[[ $ERASE != zero ]] || _make_mkfs_keep_all
	found=$(look_untouched _what) || fail "${found##* }"
	record=$(_record)
	[[ $found != unmountable ]] || found=blank
	_assert_possible "$found" "$record"
	boot
	if [[ $found == old ]]; then
		[[ $ACTION == nothing && $(look_after _what) == old ]] || fail "old-$ACTION"
	else
		_assert_reset "$found" "$record"
	fi
	echo "$found$record"
}

# It would discard what the erase has left. Only this variant's namespace sees the other one.
_make_mkfs_keep_all() {
	local mkfs
	mkfs=$(realpath "$(command -v mkfs.btrfs)")
	! mountpoint --quiet "$mkfs" || return 0
	cp "$mkfs" mkfs.real
	printf '#!/bin/sh\nexec %q --nodiscard "$@"\n' "$PWD/mkfs.real" >mkfs.keeping
	chmod +x mkfs.keeping
	mount --bind mkfs.keeping "$mkfs"
}

# What it is before anything has mounted it: old, old-requested, or how much of a new one.
_what() {
	local name found=new missing=() request
	request=$(_stored_request)
	if [[ $(file_system_id) == "$(<"$RECORDING/old-id")" ]]; then
		same_as old var home -- "${IN_USE[@]}" || fail old-half
		[[ ! $request || $request == "$(<"$RECORDING/request")" ]] || fail request-half
		echo "old${request:+-requested}"
		return
	fi
	[[ ! $request ]] || fail new-requested
	for name in "${NAMES[@]}"; do
		[[ -e top/$name ]] || missing+=("$name") found=new-in-part
	done
	same_as reference "${TOUCHED[@]}" -- "${missing[@]}" .init-storage "$LAST_RESET" || fail new-half
	[[ ! -e top/var || -e $RECORDING/untold ]] || _is_carried_over "$(<top/$LAST_RESET)" || fail reset-not-told
	echo "$found"
}

# The erase record: "" or how far it is.
_record() {
	local -a bytes
	read -r -a bytes < <(od -An -v -tx1 -w34 -j32768 -N34 "$DEVICE")
	[[ ${bytes[*]:0:16} == "$RECORD_MAGIC" ]] || return 0
	if [[ ${bytes[32]} == 01 ]]; then
		echo -erased
	else
		echo -to-be-erased
	fi
}

# _assert_possible FOUND RECORD
_assert_possible() {
	! has_mark requested || [[ $1 != old ]] || fail request-lost
	! has_mark wiped || [[ $1 != old* ]] || fail old-again
	! has_mark returned || [[ $1 == new ]] || fail "returned-yet-$1"
	case $KIND.$1 in
	*.old-requested | boot.blank | life.blank | again-*.blank) ;;
	boot.new* | life.new* | again-*.new*) ;;
	request.old | in-use.old | unasked.old | life.old) ;;
	now.blank | unasked.blank)
		[[ $2 ]] || fail no-erase-record
		_assert_nothing_found
		;;
	request.blank | in-use.blank) fail unmountable ;;
	*) fail "$1" ;;
	esac
	# So that a text that is never found proves nothing.
	[[ $1 != old* ]] || _has_old_text || fail no-old-text
	[[ $1 != blank || $2 != -erased || $ERASE == signature ]] || ! _has_old_text || fail not-erased
}

_is_another() {
	[[ $(file_system_id) != "$(<"$RECORDING/old-id")" && ! $(_stored_request) ]]
}

_stored_request() {
	getfattr --only-values -n "$REQUEST_XATTR" top 2>/dev/null || :
}

_has_old_text() {
	blockdev --flushbufs "$DEVICE"
	# With -z it jumps over holes.
	grep -zaqF "$OLD_TEXT" "$(<"/sys/block/${DEVICE#/dev/}/loop/backing_file")"
}

# By no tool that looks for a lost btrfs.
_assert_nothing_found() {
	local copy
	! blkid -p "$DEVICE" || fail blkid-finds
	! btrfs rescue super-recover -v "$DEVICE" || fail super-recover-finds
	for copy in 0 1; do
		! btrfs restore -D -u "$copy" "$DEVICE" . 2>/dev/null || fail restore-finds
	done
}

# _assert_reset FOUND RECORD: that the boot left a system as shipped, and told of the reset.
_assert_reset() {
	local told
	case $1 in
	new*) [[ $ACTION != formatted ]] || fail "formatted-over-$1" ;;
	*) [[ $ACTION == formatted ]] || fail "$1-$ACTION" ;;
	esac
	# Between mkfs and the first commit after it there is no record, and no file system to tell of it.
	if [[ $1 == old-requested || $2 ]]; then
		_is_carried_over "$REPORT" || fail reset-not-reported
		told=$(look_after cat "top/$LAST_RESET") || :
		_is_carried_over "$told" || fail reset-not-told
	fi
	assert_complete "${TOUCHED[@]}" -- "$LAST_RESET"
	look_after _is_another || fail not-new
	[[ $ERASE != zero ]] || ! _has_old_text || fail old-text
}

# Who asked for the reset, when, and of what.
_is_carried_over() {
	local request key
	request=$(<"$RECORDING/request")
	for key in fsid by time erase; do
		[[ $request =~ \"$key\":\"[^\"]*\" && $1 == *"${BASH_REMATCH[0]}"* ]] || return 1
	done
}
