# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154 # dollars in scripts; for the helpers; options that may be left out; make_device sets variables
#
# set-root-password seen from elsewhere: whoever reads the file while it changes sees the old one or
# the new one, whole, and after the return the new one.

# shellcheck source=tests/system/lib-password.sh
. "$HERE/lib-password.sh"

# _watch NAME COMMAND...: a reader, begun by a command that puts it somewhere.
_watch() {
	local name=$1
	shift
	# What changes the file comes first, readers take all the rest.
	nice -n 15 "$@" "${PYTHON[@]}" "$HERE/watch-file" /etc/shadow "$PWD/$name" ${ROOT:+"$ROOT"} &
	READERS+=($!)
	NAMES+=("$name")
}

_begin_watching() {
	READERS=() NAMES=()
	rm -f host held.held slave read-only private chroot
	_watch host
	_watch held.held
	_watch slave unshare --mount --propagation slave
	_watch read-only unshare --mount --propagation slave sh -c \
		'mount -o remount,bind,ro /etc && mount -o remount,bind,ro /etc/shadow && exec "$@"' sh
	_watch private unshare --mount --propagation private
	mkdir -p root/etc
	mount --rbind / root
	mount --make-rprivate root
	ROOT=$PWD/root _watch chroot env
	for name in "${NAMES[@]}"; do
		wait_until 10 test -s "$name" || fail "the reader $name does not begin"
	done
}

# Each has seen what is there now.
_all_saw_it() {
	local name now
	now=$(head -n 1 /etc/shadow)
	for name in "${NAMES[@]}"; do
		[[ $(tail -n 1 "$name") == *" $now "* ]] || return 1
	done
}

_end_watching() {
	local pid
	wait_until 20 _all_saw_it || fail "a reader does not see the last change: $(tail -n 1 "${NAMES[@]}")"
	kill "${READERS[@]}"
	for pid in "${READERS[@]}"; do
		wait "$pid" || fail "a reader failed"
	done
	umount -R -l root
}

_now() {
	"${PYTHON[@]}" -c 'import time; print("%.6f" % time.monotonic())'
}

# Each reader's lines against the list of "TIME-OF-RETURN FIRST-LINE".
_judge() {
	"${PYTHON[@]}" - "$(tail -n +2 /etc/shadow | head -c -1 | sha256sum | cut -d' ' -f1)" "${NAMES[@]}" <<-'END'
		import sys
		rest, names = sys.argv[1], sys.argv[2:]
		# what was there, and until when it may have been seen
		changes = [line.rstrip("\n").split(" ", 1) for line in open("changes")]
		order = {line: i for i, (_, line) in enumerate(changes)}
		for name in names:
		    lines = open(name).read().splitlines()
		    reads = int(lines.pop().split()[1])
		    seen = [(float(a), b, c) for a, b, c in (x.split() for x in lines)]
		    for i, (_, first, hash) in enumerate(seen):
		        if first not in order or hash != rest:
		            sys.exit("%s: torn: %s" % (name, first))
		        if i and order[first] < order[seen[i - 1][1]]:
		            sys.exit("%s: went back to %s" % (name, first))
		        # the last read that saw it must have begun before the next change had returned
		        if i + 1 < len(seen) and order[first] + 1 < len(changes):
		            late = seen[i + 1][0] - float(changes[order[first] + 1][0])
		            if late > 0:
		                sys.exit("%s: stale for %f s: %s" % (name, late, first))
		    if order[seen[-1][1]] != len(changes) - 1:
		        sys.exit("%s: never saw the last change" % name)
		    print("%s: %d reads, %d of %d contents seen" % (name, reads, len(seen), len(changes)))
		    if reads < 5 * len(changes):
		        sys.exit("%s: too few reads to mean anything" % name)
	END
}

# _change_while_read OPTIONS BYTES TIMES: with a file that begins with about so many bytes.
_change_while_read() {
	local i size=$2 times=$3 options=$1
	appliance "$options"
	OTHERS=$(seq -w 1 $(((size - 110) / 34)) | sed 's/.*/user&:*:19000:0:99999:7:::/')
	printf '%s\n' 'root:*:19000:0:99999:7:::' "$OTHERS" >"$STATE/shadow"
	sync -f "$STATE"
	_begin_watching
	echo "0 $(head -n 1 /etc/shadow)" >changes
	for ((i = 0; i < times; i++)); do
		"$SET_ROOT_PASSWORD" --stdin <<<"word $i" 2>stderr || fail "change $i: $(<stderr)"
		echo "$(_now) $(head -n 1 /etc/shadow)" >>changes
		[[ $(tail -n +2 /etc/shadow) == "$OTHERS" ]] || fail "change $i changed other entries"
	done
	_end_watching
	_judge || fail "a reader saw something else"
}

# Inline: the content lies in the metadata.
_is_inline() {
	filefrag -v "$1" | grep -q inline
}

# limit: 120
readers_see_old_or_new_whole() {
	_change_while_read noatime 3000 25
}

# slow
# limit: 300
readers_see_old_or_new_whole_200_times() {
	_change_while_read noatime 3000 200
}

# slow
# limit: 300
readers_of_a_compressed_file_see_old_or_new_whole_200_times() {
	_change_while_read compress=zstd 3000 200
}

# slow
# limit: 300
readers_of_a_small_compressed_file_see_old_or_new_whole_200_times() {
	_change_while_read compress=zstd 200 200
}

# The first change of each file is from inline to blocks.
# slow
# limit: 300
readers_of_an_inline_file_see_old_or_new_whole() {
	local i
	appliance compress=zstd
	OTHERS=$(head -n 1 <<<"$OTHERS")
	for ((i = 0; i < 40; i++)); do
		umount /etc/shadow
		printf '%s\n' 'root:*:19000:0:99999:7:::' "$OTHERS" >"$STATE/new"
		sync "$STATE/new"
		_is_inline "$STATE/new" || fail "the file is not inline: $(filefrag -v "$STATE/new")"
		mv "$STATE/new" "$STATE/shadow"
		mount --bind "$STATE/shadow" /etc/shadow
		_begin_watching
		echo "0 $(head -n 1 /etc/shadow)" >changes
		"$SET_ROOT_PASSWORD" --stdin <<<"word $i" 2>stderr || fail "change $i: $(<stderr)"
		echo "$(_now) $(head -n 1 /etc/shadow)" >>changes
		_end_watching
		_judge || fail "a reader saw something else"
	done
}
