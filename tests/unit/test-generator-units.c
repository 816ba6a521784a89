/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generator/generate.h"
#include "unit.h"

#define SERVICE "normal/init-storage.service.d/50-aimee-os.conf"
#define VAR "normal/var.mount.d/50-aimee-os.conf"

static void want_folder(const char *path) {
    if (faccessat(unit_folder, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        put_folder(unit_folder, path);
}

/* In the test's folder: "image" is the root, "normal" and "late" are systemd's directories. */
static enum exit_status generate_in(const char *fstab, const char *list) {
    char root[4200], normal[4200], late[4200];
    const struct settings settings = {.root = root, .normal = normal, .late = late};

    (void)snprintf(root, sizeof(root), "%s/image", unit_folder_path);
    (void)snprintf(normal, sizeof(normal), "%s/normal", unit_folder_path);
    (void)snprintf(late, sizeof(late), "%s/late", unit_folder_path);
    want_folder("image/etc/aimee-os");
    want_folder("image/etc/ssh");
    put_file(unit_folder, "image/etc/shadow", "root:*:\n");
    if (fstab)
        put_file(unit_folder, "image/etc/fstab", fstab);
    put_file(unit_folder, "image/etc/aimee-os/writable-etc", list);
    want_folder("normal");
    want_folder("late");
    return generate(&settings);
}

static void check_has(const char *path, const char *wanted) {
    char *text = content_of(unit_folder, path);

    if (!text)
        fail_with("not written: %s", path);
    else if (!strstr(text, wanted))
        fail_with("%s lacks \"%s\":\n%s", path, wanted, text);
    free(text);
}

static void check_lacks(const char *path, const char *unwanted) {
    char *text = content_of(unit_folder, path);

    if (!text)
        fail_with("not written: %s", path);
    else if (strstr(text, unwanted))
        fail_with("%s has \"%s\":\n%s", path, unwanted, text);
    free(text);
}

static void check_absent(const char *path) {
    if (faccessat(unit_folder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        fail_with("written: %s", path);
}

TEST(the_service_waits_for_the_device_and_the_mounts_for_the_service) {
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n"
                                 "PARTLABEL=data /my-home btrfs subvol=home 0 0\n"
                                 "LABEL=other /srv btrfs subvol=srv 0 0\n",
                                 ""),
                     EXIT_STATUS_DONE);
    check_has(SERVICE, "\nRequires=dev-disk-by\\x2dpartlabel-data.device\n"
                       "After=dev-disk-by\\x2dpartlabel-data.device\n");
    check_has(SERVICE, "\nBefore=systemd-fsck@dev-disk-by\\x2dpartlabel-data.service\n");
    check_has(SERVICE, "\nBefore=var.mount\nBefore=my\\x2dhome.mount\n");
    check_lacks(SERVICE, "srv");
    check_has(VAR, "[Unit]\nWants=init-storage.service\nAfter=init-storage.service\n");
    check_has("normal/my\\x2dhome.mount.d/50-aimee-os.conf", "\nWants=init-storage.service\n");
    check_absent("normal/srv.mount.d");
    assert_string_equal(unit_said(), "");
}

TEST(a_mount_of_the_default_subvolume_requires_the_service) {
    assert_int_equal(generate_in("/dev/vda2 /var btrfs compress=zstd 0 0\n"
                                 "/dev/vda2 /top btrfs subvolid=5 0 0\n",
                                 ""),
                     EXIT_STATUS_DONE);
    check_has(VAR, "\nRequires=init-storage.service\nAfter=init-storage.service\n");
    check_has("normal/top.mount.d/50-aimee-os.conf", "\nWants=init-storage.service\n");
    check_has(SERVICE, "\nRequires=dev-vda2.device\n");
}

TEST(the_root_mount_waits_for_nothing) {
    assert_int_equal(generate_in("PARTLABEL=data / btrfs subvol=root 0 0\n"
                                 "PARTLABEL=data /var btrfs subvol=var 0 0\n",
                                 ""),
                     EXIT_STATUS_DONE);
    check_absent("normal/-.mount.d");
    check_lacks(SERVICE, "Before=-.mount");
}

TEST(a_label_is_waited_for_where_it_will_be_made) {
    assert_int_equal(generate_in("LABEL=state /var btrfs "
                                 "subvol=var,x-init-storage.device=PARTLABEL=data 0 0\n"
                                 "PARTLABEL=data /home btrfs subvol=home 0 0\n",
                                 ""),
                     EXIT_STATUS_DONE);
    check_has(SERVICE, "\nRequires=dev-disk-by\\x2dpartlabel-data.device\n");
    check_lacks(SERVICE, "state.device");
    check_has(SERVICE, "\nBefore=systemd-fsck@dev-disk-by\\x2dlabel-state.service\n");
    check_has(SERVICE, "\nBefore=home.mount\n");
    /* Its link appears when the service has made it: systemd's patience begins then. */
    check_has("normal/dev-disk-by\\x2dlabel-state.device.d/50-aimee-os.conf",
              "\nAfter=init-storage.service\n");
    assert_string_equal(unit_said(), "");
}

TEST(a_label_that_no_blank_device_bears_is_warned_of) {
    assert_int_equal(generate_in("LABEL=state /var btrfs subvol=var 0 0\n", ""), EXIT_STATUS_DONE);
    assert_non_null(strstr(unit_said(), "x-init-storage.device="));
    check_has(SERVICE, "\nRequires=dev-disk-by\\x2dlabel-state.device\n");
    check_absent("normal/dev-disk-by\\x2dlabel-state.device.d");
}

TEST(a_source_that_nothing_can_wait_for_is_reported_and_the_rest_written) {
    assert_int_equal(generate_in("/images/data /var btrfs subvol=var 0 0\n", "f shadow\n"),
                     EXIT_STATUS_DONE);
    assert_non_null(strstr(unit_said(), "/images/data"));
    check_lacks(SERVICE, ".device");
    check_has(SERVICE, "\nBefore=var.mount\n");
    check_has(VAR, "\nWants=init-storage.service\n");
    check_has("late/etc-shadow.mount", "[Mount]");
}

TEST(a_bind_is_made_only_of_a_copy_that_is_there) {
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n", "# ours\nd ssh\n"),
                     EXIT_STATUS_DONE);
    check_has("late/etc-ssh.mount", "\nRequiresMountsFor=/var/lib/aimee-os/etc\n"
                                    "ConditionPathExists=/var/lib/aimee-os/etc/ssh\n");
    check_has("late/etc-ssh.mount", "\nAfter=init-storage.service\n");
    check_has("late/etc-ssh.mount", "\n[Mount]\nWhat=/var/lib/aimee-os/etc/ssh\nWhere=/etc/ssh\n"
                                    "Type=none\nOptions=bind\n");
    check_has("late/local-fs.target.wants/etc-ssh.mount", "Where=/etc/ssh");
    check_absent("normal/etc-ssh.mount");
}

TEST(a_boot_that_goes_on_without_var_goes_on_without_binds) {
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var,nofail 0 0\n", "f shadow\n"),
                     EXIT_STATUS_DONE);
    check_has("late/etc-shadow.mount", "\nOptions=bind,nofail\n");
}

TEST(hostile_names_are_written_so_that_systemd_reads_them_back) {
    put_folder(unit_folder, "image/etc/a - b%s\"'\\x");
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n"
                                 "PARTLABEL=data /a\\040%n btrfs subvol=x 0 0\n",
                                 "d a - b%s\"'\\x\n"),
                     EXIT_STATUS_DONE);
    check_has("late/etc-a\\x20\\x2d\\x20b\\x25s\\x22\\x27\\x5cx.mount",
              "\nWhere=/etc/a - b%%s\"'\\x\n");
    check_has("normal/a\\x20\\x25n.mount.d/50-aimee-os.conf", "[Unit]");
    check_has(SERVICE, "\nBefore=a\\x20\\x25n.mount\n");
    assert_string_equal(unit_said(), "");
}

TEST(names_that_no_unit_can_hold_are_reported_and_the_others_bound) {
    char line[1024], deep[512] = "image/etc";

    for (unsigned i = 0; i < 4; i++) {
        size_t length = strlen(deep);

        deep[length] = '/';
        memset(deep + length + 1, 'y', 70);
    }
    put_folder(unit_folder, deep);
    put_folder(unit_folder, "image/etc/back\\");
    put_folder(unit_folder, "image/etc/\xff");
    put_folder(unit_folder, "image/etc/a\rd evil");
    (void)snprintf(line, sizeof(line), "d back\\\nd \xff\nd a\rd evil\nd %s\nf shadow\n",
                   deep + strlen("image/etc/"));
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n", line),
                     EXIT_STATUS_DONE);
    assert_int_equal(unit_count(unit_said(), "so it is not bound"), 4);
    check_has("late/etc-shadow.mount", "[Mount]");
    check_absent("late/etc-back\\x5c.mount");
}

TEST(a_mount_point_too_long_for_a_unit_is_reported_and_the_others_wait) {
    char name[201], fstab[512];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(fstab, sizeof(fstab),
                   "PARTLABEL=data /var btrfs subvol=var 0 0\n"
                   "PARTLABEL=data /a/%s-%.50s btrfs subvol=a 0 0\n"
                   "PARTLABEL=data /home btrfs subvol=home 0 0\n",
                   name, name);
    assert_int_equal(generate_in(fstab, ""), EXIT_STATUS_DONE);
    assert_int_equal(unit_count(unit_said(), "too long for the name of a unit"), 2);
    check_has(SERVICE, "Before=var.mount\n");
    check_has(SERVICE, "Before=home.mount\n");
    check_lacks(SERVICE, "xxx");
    check_has("normal/home.mount.d/50-aimee-os.conf", "After=init-storage.service");
}

TEST(wrong_input_is_reported_and_no_failure) {
    assert_int_equal(generate_in("nonsense\n"
                                 "PARTLABEL=data /var btrfs subvol=var 0 0\n"
                                 "PARTLABEL=data relative btrfs subvol=x 0 0\n",
                                 "x what\nf ../passwd\nd ssh\n"),
                     EXIT_STATUS_DONE);
    assert_int_equal(unit_count(unit_said(), "skipped"), 4);
    check_has(VAR, "Wants=");
    check_has("late/etc-ssh.mount", "[Mount]");
}

TEST(without_a_data_device_nothing_is_written_and_that_is_said_once) {
    static const char *const rows[] = {NULL, "", "proc /proc proc defaults 0 0\n",
                                       "/dev/vda2 /var ext4 defaults 0 0\n"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(generate_in(rows[i], "f shadow\n"), EXIT_STATUS_DONE);
        assert_int_equal(unit_count(unit_said(), "\n"), 1);
        assert_int_equal(unlinkat(unit_folder, "normal", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(unit_folder, "late", AT_REMOVEDIR), 0);
    }
}

/* daemon-reload does. */
TEST(a_second_run_writes_the_same_and_leaves_nothing_else) {
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n", "f shadow\n"),
                     EXIT_STATUS_DONE);
    assert_int_equal(generate_in(NULL, "f shadow\n"), EXIT_STATUS_DONE);
    check_has("late/etc-shadow.mount", "[Mount]");
    check_absent("late/etc-shadow.mount.new");
    check_absent("normal/var.mount.d/50-aimee-os.conf.new");
    assert_string_equal(unit_said(), "");
}

TEST(no_link_in_the_output_is_followed) {
    put_folder(unit_folder, "elsewhere");
    put_folder(unit_folder, "normal");
    put_folder(unit_folder, "late");
    put_file(unit_folder, "precious", "precious");
    assert_int_equal(symlinkat("../elsewhere", unit_folder, "normal/var.mount.d"), 0);
    assert_int_equal(symlinkat("../precious", unit_folder, "late/etc-shadow.mount"), 0);
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n", "f shadow\n"),
                     EXIT_STATUS_FAILED);
    assert_non_null(strstr(unit_said(), "var.mount: cannot write its drop-in"));
    check_absent("elsewhere/50-aimee-os.conf");
    check_has("precious", "precious");
    check_has("late/etc-shadow.mount", "[Mount]"); /* replaced */
    check_has(SERVICE, "Requires=");
}

TEST(a_directory_that_is_a_link_or_missing_is_a_failure) {
    put_folder(unit_folder, "elsewhere");
    assert_int_equal(symlinkat("elsewhere", unit_folder, "normal"), 0);
    assert_int_equal(generate_in("PARTLABEL=data /var btrfs subvol=var 0 0\n", ""),
                     EXIT_STATUS_FAILED);
    assert_non_null(strstr(unit_said(), "cannot open"));
    check_absent("elsewhere/var.mount.d");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(the_service_waits_for_the_device_and_the_mounts_for_the_service),
        UNIT_TEST(a_mount_of_the_default_subvolume_requires_the_service),
        UNIT_TEST(the_root_mount_waits_for_nothing),
        UNIT_TEST(a_label_is_waited_for_where_it_will_be_made),
        UNIT_TEST(a_label_that_no_blank_device_bears_is_warned_of),
        UNIT_TEST(a_source_that_nothing_can_wait_for_is_reported_and_the_rest_written),
        UNIT_TEST(a_bind_is_made_only_of_a_copy_that_is_there),
        UNIT_TEST(a_boot_that_goes_on_without_var_goes_on_without_binds),
        UNIT_TEST(hostile_names_are_written_so_that_systemd_reads_them_back),
        UNIT_TEST(names_that_no_unit_can_hold_are_reported_and_the_others_bound),
        UNIT_TEST(a_mount_point_too_long_for_a_unit_is_reported_and_the_others_wait),
        UNIT_TEST(wrong_input_is_reported_and_no_failure),
        UNIT_TEST(without_a_data_device_nothing_is_written_and_that_is_said_once),
        UNIT_TEST(a_second_run_writes_the_same_and_leaves_nothing_else),
        UNIT_TEST(no_link_in_the_output_is_followed),
        UNIT_TEST(a_directory_that_is_a_link_or_missing_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
