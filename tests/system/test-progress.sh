# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # make_device and run_program set variables
#
# What is seen of a run: on a terminal, under a service manager, elsewhere.

_tree_to_show() {
	make_tree tree
	"${PYTHON[@]}" "$HERE/make-tree" random "$PWD/tree/var/cache/large" 48
	make_device disk 256M
}

SLOWLY=()

# _on_terminal ARGUMENT...: standard error and output are a terminal; all of it in "terminal".
_on_terminal() {
	"${PYTHON[@]}" - "${SLOWLY[@]}" "$INIT_STORAGE" --root=tree --device="$disk" "$@" <<-'END'
		import fcntl, os, pty, struct, sys, termios
		pid, terminal = pty.fork()
		if pid == 0:
		    os.environ["TERM"] = "xterm"
		    os.execvp(sys.argv[1], sys.argv[1:])
		fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
		with open("terminal", "wb") as log:
		    while True:
		        try:
		            data = os.read(terminal, 4096)
		        except OSError:
		            break
		        if not data:
		            break
		        log.write(data)
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

# A device that is not the fastest.
_slowly() {
	SLOWLY=(strace -f -o /dev/null -e 'trace=write,pwrite64,pwritev' -e 'inject=write,pwrite64,pwritev:delay_exit=6000')
}

# slow
a_terminal_gets_a_bar_with_bytes_rate_and_time() {
	_slowly
	_tree_to_show
	_on_terminal
	grep -q $'\r' terminal || fail "nothing is drawn over: $(head -c 500 terminal)"
	grep -qE '[0-9] ?[KMG]i?B' terminal || fail "no bytes: $(tail -c 500 terminal | tr '\r' '\n')"
	grep -qE '[KMG]i?B/s' terminal || fail "no rate: $(tail -c 500 terminal | tr '\r' '\n')"
	grep -qE '%' terminal || fail "no share: $(tail -c 500 terminal | tr '\r' '\n')"
	grep -qE '[0-9]+:[0-9]{2}|[0-9] ?(s|sec|min)\b' terminal || fail "no time: $(tail -c 500 terminal | tr '\r' '\n')"
	# The last line is complete: the prompt comes below it.
	[[ $(tail -c 1 terminal) == '' ]] || fail "the bar is left as it was"
	# Wider ones could not be drawn over.
	awk 'BEGIN { RS = "[\r\n]+" } { gsub(/\033\[[0-9;?]*[A-Za-z]/, "") } /B\/s/ && length >= 80 { print; exit 1 }' terminal ||
		fail "a bar is wider than the terminal"
	assert_complete tree "$disk"
}

# slow
a_terminal_with_progress_never_gets_no_bar() {
	_tree_to_show
	_on_terminal --progress=never
	! grep -qE 'B/s|%' terminal || fail "a bar: $(tail -c 300 terminal)"
}

without_a_terminal_there_is_no_bar() {
	_tree_to_show
	first_run tree "$disk" --progress=auto
	! grep -q $'\r' stderr || fail "something is drawn over"
	! grep -q $'\033' stderr || fail "terminal sequences in a log"
}

progress_always_shows_it_without_a_terminal_too() {
	_tree_to_show
	first_run tree "$disk" --progress=always
	grep -qE '[KMG]i?B' stderr || fail "no progress is shown"
}

json_and_a_bar_go_different_ways() {
	_tree_to_show
	first_run tree "$disk" --progress=always --json
	assert_json '.action == "formatted"' stdout
}

# --- under systemd ----------------------------------------------------------------------------

# _receive ADDRESS: datagrams into "datagrams", each with the time in seconds before it.
_receive() {
	rm -f datagrams
	"${PYTHON[@]}" - "$1" <<-'END' &
		import socket, sys, time
		server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		server.bind(("\0" + sys.argv[1][1:]) if sys.argv[1][0] == "@" else sys.argv[1])
		with open("datagrams", "w", buffering=1) as log:
		    while True:
		        text = server.recv(65536).decode()
		        log.write("".join("%.3f %s\n" % (time.monotonic(), line) for line in text.splitlines()))
	END
	RECEIVER=$!
	wait_until 10 test -e datagrams
}

_stop_receiving() {
	sleep 0.2
	kill "$RECEIVER"
	wait "$RECEIVER" 2>/dev/null || :
	cat datagrams
}

_notifies() {
	_tree_to_show
	_receive "$1"
	NOTIFY_SOCKET=$1 first_run tree "$disk"
	_stop_receiving
	grep -q ' STATUS=.' datagrams || fail "no STATUS="
	grep -qE ' EXTEND_TIMEOUT_USEC=[1-9][0-9]*$' datagrams || fail "no EXTEND_TIMEOUT_USEC="
	! grep -vE '^[0-9.]+ [A-Z_]+=' datagrams || fail "a datagram that is no assignment"
}

a_service_manager_is_told_the_status() { _notifies "$PWD/notify"; }

a_service_manager_at_an_abstract_address_is_told_too() { _notifies "@$(unique_label)"; }

a_service_manager_that_is_gone_does_no_harm() {
	make_tree tree
	make_device disk 192M
	NOTIFY_SOCKET=$PWD/nobody first_run tree "$disk"
	assert_complete tree "$disk"
}

a_wrong_notify_socket_does_no_harm() {
	make_tree tree
	make_device disk 192M
	NOTIFY_SOCKET=relative first_run tree "$disk"
	NOTIFY_SOCKET=/$(printf 'x%.0s' {1..300}) first_run tree "$disk"
	NOTIFY_SOCKET='' first_run tree "$disk"
	assert_complete tree "$disk"
}

# slow
# limit: 90
# Not while mkfs runs, nor while the kernel writes.
it_is_never_silent_for_more_than_5_s() {
	_tree_to_show
	replace_mkfs <<-END
		#!/bin/sh
		sleep 12
		exec $PWD/mkfs.real "\$@"
	END
	_receive "$PWD/notify"
	(
		export NOTIFY_SOCKET=$PWD/notify
		strace -f -o /dev/null -e trace=syncfs -e inject=syncfs:delay_enter=11000000:when=1 \
			"$INIT_STORAGE" --root=tree --device="$disk" 2>&1 >/dev/null |
			while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done >lines
	)
	_stop_receiving
	restore_mkfs
	cat lines
	awk 'NR > 1 && $1 - last > 5.5 { exit 1 } { last = $1 } END { exit NR < 4 }' lines || fail "the console was silent for more than 5 s"
	awk 'NR > 1 && $1 - last > 5.5 { exit 1 } { last = $1 } END { exit NR < 4 }' datagrams || fail "the service manager was told nothing for more than 5 s"
	assert_complete tree "$disk"
}
