/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/progress.h"
#include "unit.h"

#define MIB (UINT64_C(1) << 20)
#define PROGRAM "test-progress"

static struct progress progress;
static int receiver = -1;
static char message[1024];

/* systemd's side. name: "@…" is abstract, else a file in the test's folder. */
static void listen_at(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[4096 + 64];
    size_t length;

    if (*name == '@')
        (void)snprintf(path, sizeof(path), "@%s", unit_folder_path);
    else
        (void)snprintf(path, sizeof(path), "%s/%s", unit_folder_path, name);
    length = strlen(path);
    skip_unless(length < sizeof(address.sun_path), "the temporary folder's name is too long");
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0';
    receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(receiver >= 0);
    assert_int_equal(bind(receiver, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
}

/* The next datagram, or "" when none comes in that time. */
static const char *receive(int milliseconds) {
    struct pollfd ready = {.fd = receiver, .events = POLLIN};
    ssize_t n = 0;

    if (poll(&ready, 1, milliseconds) == 1)
        n = recv(receiver, message, sizeof(message) - 1, 0);
    assert_true(n >= 0);
    message[n] = '\0';
    return message;
}

static int begin(void **state) {
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("JOURNAL_STREAM");
    return unit_begin(state);
}

static int end(void **state) {
    (void)unsetenv("NOTIFY_SOCKET");
    if (receiver >= 0)
        (void)close(receiver);
    receiver = -1;
    return unit_end(state);
}

static void sleep_ms(long milliseconds) {
    const struct timespec pause = {.tv_sec = milliseconds / 1000,
                                   .tv_nsec = milliseconds % 1000 * 1000000};

    (void)nanosleep(&pause, NULL);
}

/* ---- systemd ----------------------------------------------------------------------------- */

static void check_phases(void) {
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    progress_phase(&progress, "making the file system", 0);
    assert_string_equal(receive(1000),
                        "STATUS=making the file system (0 s)\nEXTEND_TIMEOUT_USEC=120000000");
    progress_phase(&progress, "copying /var", 100 * MIB);
    assert_string_equal(
        receive(1000), "STATUS=copying /var: 0 %, 0.0 of 100.0 MiB\nEXTEND_TIMEOUT_USEC=120000000");
    progress_stop(&progress);
    assert_string_equal(receive(0), "");
    assert_string_equal(unit_said(), "");
}

TEST(systemd_is_told_each_phase_at_once) {
    listen_at("notify");
    check_phases();
}

TEST(systemds_socket_may_be_abstract) {
    listen_at("@");
    check_phases();
}

TEST(a_name_cannot_forge_an_assignment) {
    listen_at("notify");
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    progress_phase(&progress, "copying /srv\nMAINPID=1\nREADY=1", 0);
    (void)receive(1000);
    progress_stop(&progress);
    assert_null(strstr(message, "\nMAINPID=1"));
    assert_null(strstr(message, "\nREADY=1"));
    assert_int_equal(unit_count(message, "\n"), 1);
}

TEST(a_run_without_systemd_goes_on) {
    static const char *const sockets[] = {"", "@", "/", "relative", "vsock:2:1", "/nonexistent/x"};
    char longer[256];

    for (size_t i = 0; i < COUNT(sockets) + 1; i++) {
        if (i < COUNT(sockets)) {
            assert_int_equal(setenv("NOTIFY_SOCKET", sockets[i], 1), 0);
        } else {
            memset(longer, 'x', sizeof(longer) - 1);
            longer[0] = '/';
            longer[sizeof(longer) - 1] = '\0';
            assert_int_equal(setenv("NOTIFY_SOCKET", longer, 1), 0);
        }
        assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
        assert_int_equal(progress.notify, -1);
        progress_phase(&progress, "copying", 10);
        progress_add(&progress, 10);
        progress_stop(&progress);
    }
    assert_string_equal(unit_said(), "");
}

TEST(a_systemd_that_went_away_does_not_matter) {
    listen_at("notify");
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    progress_phase(&progress, "one", 0);
    assert_int_equal(close(receiver), 0);
    receiver = -1;
    progress_phase(&progress, "two", 0);
    progress_stop(&progress);
}

TEST(a_systemd_that_does_not_listen_holds_nobody) {
    listen_at("notify");
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    for (int i = 0; i < 5000; i++)
        progress_phase(&progress, "a phase", 0);
    progress_stop(&progress);
}

/* ---- silence ----------------------------------------------------------------------------- */

/* Standard error is no terminal for as long as that. */
static int without_terminal(void *argument) {
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDERR_FILENO) < 0)
        return 255;
    *(bool *)argument =
        progress_start(&progress, PROGRESS_AUTO) == 0 && !progress.bar && progress.lines;
    if (*(bool *)argument) {
        progress_phase(&progress, "copying /var", 100 * MIB);
        progress_add(&progress, 25 * MIB);
        sleep_ms(4900);
    }
    progress_stop(&progress);
    return strstr(unit_said(), PROGRAM ": copying /var: 25 %, 25.0 of 100.0 MiB, ") ? 0 : 1;
}

TEST(there_is_no_silence_of_five_seconds) {
    bool *started = share(sizeof(*started));

    listen_at("notify");
    assert_int_equal(in_child(without_terminal, started), 0);
    assert_true(*started);
    unshare_memory(started, sizeof(*started));
    (void)receive(0);
    assert_non_null(strstr(message, ": 0 %"));
    (void)receive(0);
    assert_non_null(strstr(message, "STATUS=copying /var: 25 %, 25.0 of 100.0 MiB, "));
    assert_non_null(strstr(message, "\nEXTEND_TIMEOUT_USEC="));
}

/* ---- the bar ----------------------------------------------------------------------------- */

TEST(a_bar_shows_how_far_it_is) {
    const char *said;

    assert_int_equal(progress_start(&progress, PROGRESS_ALWAYS), 0);
    assert_true(progress.bar);
    progress_phase(&progress, "copying /var", 4 * MIB);
    progress_add(&progress, MIB);
    progress_add(&progress, MIB);
    sleep_ms(500);
    progress_add(&progress, 2 * MIB);
    sleep_ms(500);
    progress_stop(&progress);
    said = unit_said();
    assert_non_null(strstr(said, "[................] copying /var: 0 %"));
    assert_non_null(strstr(said, "[########........] copying /var: 50 %, 2.0 of 4.0 MiB"));
    assert_non_null(strstr(said, "[################] copying /var: 100 %, 4.0 of 4.0 MiB"));
    assert_string_equal(said + strlen(said) - strlen("\r\033[K"), "\r\033[K");
}

TEST(more_than_was_measured_is_100_percent) {
    listen_at("notify");
    assert_int_equal(progress_start(&progress, PROGRESS_ALWAYS), 0);
    progress_phase(&progress, "copying", 4 * MIB);
    progress_add(&progress, 5 * MIB);
    sleep_ms(500);
    progress_stop(&progress);
    assert_non_null(strstr(unit_said(), "[################] copying: 100 %"));
}

TEST(a_phase_begins_at_nothing) {
    listen_at("notify");
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    progress_phase(&progress, "one", 4 * MIB);
    progress_add(&progress, 4 * MIB);
    (void)receive(1000);
    progress_phase(&progress, "two", 8 * MIB);
    assert_non_null(strstr(receive(1000), "STATUS=two: 0 %, 0.0 of 8.0 MiB\n"));
    progress_stop(&progress);
}

TEST(never_is_never) {
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    assert_false(progress.bar);
    assert_false(progress.lines);
    progress_phase(&progress, "copying", 4 * MIB);
    progress_add(&progress, MIB);
    sleep_ms(500);
    progress_stop(&progress);
    assert_string_equal(unit_said(), "");
}

TEST(a_phase_of_any_length_is_cut) {
    char phase[2000];

    memset(phase, 'x', sizeof(phase) - 1);
    phase[sizeof(phase) - 1] = '\0';
    listen_at("notify");
    assert_int_equal(progress_start(&progress, PROGRESS_ALWAYS), 0);
    progress_phase(&progress, phase, 4 * MIB);
    (void)receive(1000);
    progress_stop(&progress);
    assert_true(strncmp(message, "STATUS=xxx", 10) == 0);
    assert_non_null(strstr(message, "\nEXTEND_TIMEOUT_USEC=120000000"));
}

#define COLUMNS 60

/* On a terminal of its own. */
static int on_a_terminal(void *argument) {
    const struct winsize size = {.ws_row = 25, .ws_col = COLUMNS};
    int terminal = *(const int *)argument;

    if (ioctl(terminal, TIOCSWINSZ, &size) < 0 || dup2(terminal, STDERR_FILENO) < 0)
        return 255;
    (void)fclose(stderr);
    stderr = unit_stderr();
    if (progress_start(&progress, PROGRESS_AUTO) != 0 || !progress.bar || progress.lines)
        return 1;
    progress_phase(&progress, "copying /a/path/that/is/rather/long/for/such/a/terminal", 4 * MIB);
    progress_add(&progress, MIB);
    sleep_ms(500);
    progress_stop(&progress);
    return 0;
}

/* The longest of the parts between control characters. */
static size_t longest_line(const char *text) {
    size_t longest = 0, length = 0;

    for (; *text; text++) {
        length = *text == '\r' || *text == '\n' ? 0 : length + 1;
        longest = length > longest ? length : longest;
    }
    return longest;
}

TEST(on_a_terminal_there_is_a_bar_that_fits) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;
    char text[65536];
    size_t length = 0;
    ssize_t n;

    skip_unless(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && ptsname(master),
                "no pseudo terminal here");
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    assert_int_equal(in_child(on_a_terminal, &terminal), 0);
    /* All that was said is there; a terminal gives it in pieces. */
    assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    while (length < sizeof(text) - 1 &&
           (n = read(master, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    assert_non_null(strstr(text, "[####............] copying /a/path"));
    assert_true(longest_line(text) < COLUMNS);
    assert_int_equal(close(terminal), 0);
    assert_int_equal(close(master), 0);
}

TEST(a_stopped_progress_may_be_stopped_again) {
    assert_int_equal(progress_start(&progress, PROGRESS_NEVER), 0);
    progress_stop(&progress);
    assert_false(progress.running);
    assert_int_equal(progress.notify, -1);
    progress_stop(&progress);
}

#define PROGRESS_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        PROGRESS_TEST(systemd_is_told_each_phase_at_once),
        PROGRESS_TEST(systemds_socket_may_be_abstract),
        PROGRESS_TEST(a_name_cannot_forge_an_assignment),
        PROGRESS_TEST(a_run_without_systemd_goes_on),
        PROGRESS_TEST(a_systemd_that_went_away_does_not_matter),
        PROGRESS_TEST(a_systemd_that_does_not_listen_holds_nobody),
        PROGRESS_TEST(there_is_no_silence_of_five_seconds),
        PROGRESS_TEST(a_bar_shows_how_far_it_is),
        PROGRESS_TEST(more_than_was_measured_is_100_percent),
        PROGRESS_TEST(a_phase_begins_at_nothing),
        PROGRESS_TEST(never_is_never),
        PROGRESS_TEST(a_phase_of_any_length_is_cut),
        PROGRESS_TEST(on_a_terminal_there_is_a_bar_that_fits),
        PROGRESS_TEST(a_stopped_progress_may_be_stopped_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
