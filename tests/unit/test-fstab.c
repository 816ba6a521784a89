/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/fstab.h"
#include "common/problems.h"
#include "unit.h"

#define NAME "/etc/fstab"

static int read_bytes(const char *text, size_t size, struct fstab *fstab, struct problems *report) {
    int fd = memfd_create("fstab", MFD_CLOEXEC);
    int r;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    *fstab = (struct fstab){0};
    *report = (struct problems){0};
    r = fstab_read(fd, NAME, fstab, report);
    /* Taken over, and closed. */
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    return r;
}

static int read_text(const char *text, struct fstab *fstab, struct problems *report) {
    return read_bytes(text, strlen(text), fstab, report);
}

static void release(struct fstab *fstab, struct problems *report) {
    fstab_free(fstab);
    assert_null(fstab->entries);
    assert_int_equal(fstab->count, 0);
    problems_free(report);
}

static void same_text(const char *is, const char *wanted) {
    if (!is || !wanted)
        assert_ptr_equal(is, wanted);
    else
        assert_string_equal(is, wanted);
}

TEST(the_entry_of_var_is_found) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("# a comment\n"
                               "\n"
                               "LABEL=root  /      squashfs  ro                 0 0\n"
                               "PARTLABEL=data /home btrfs   subvol=home        0 0\n"
                               "PARTLABEL=data /var  btrfs   subvol=var,compress=zstd 0 0\n"
                               "tmpfs       /tmp   tmpfs     mode=1777          0 0\n",
                               &fstab, &report),
                     0);
    assert_int_equal(fstab.count, 2);
    assert_int_equal(fstab.var, 1);
    assert_string_equal(fstab.entries[0].target, "/home");
    assert_string_equal(fstab.entries[0].subvol, "home");
    assert_string_equal(fstab.entries[1].source, "PARTLABEL=data");
    assert_string_equal(fstab.entries[1].target, "/var");
    assert_string_equal(fstab.entries[1].options, "subvol=var,compress=zstd");
    assert_string_equal(fstab.entries[1].subvol, "var");
    assert_false(fstab.entries[1].noauto);
    assert_false(fstab.entries[1].has_subvolid);
    assert_null(fstab.entries[1].nested);
    assert_null(fstab.entries[1].nodatacow);
    assert_null(fstab.entries[1].locator);
    assert_null(fstab.entries[1].blank);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    assert_string_equal(unit_said(), "");
    release(&fstab, &report);
}

TEST(the_last_line_may_lack_its_newline_and_the_numbers_their_columns) {
    static const char *const rows[] = {
        "PARTLABEL=data /var btrfs subvol=var",
        "PARTLABEL=data /var btrfs subvol=var\n",
        "PARTLABEL=data /var btrfs subvol=var 0\n",
        "\tPARTLABEL=data\t/var\tbtrfs\tsubvol=var\t0\t0",
        "PARTLABEL=data /var btrfs subvol=var 0 0 # the data\n",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fstab fstab;
        struct problems report;

        if (read_text(rows[i], &fstab, &report) != 0)
            fail_with("\"%s\": %s", rows[i], report.first_error);
        assert_int_equal(fstab.count, 1);
        assert_string_equal(fstab.entries[0].target, "/var");
        assert_string_equal(fstab.entries[0].subvol, "var");
        assert_int_equal(report.status, EXIT_STATUS_DONE);
        release(&fstab, &report);
    }
}

TEST(a_line_without_options_has_none) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("PARTLABEL=data /var btrfs\n", &fstab, &report), 0);
    assert_string_equal(fstab.entries[0].options, "");
    assert_null(fstab.entries[0].subvol);
    release(&fstab, &report);
}

TEST(malformed_lines_are_named_by_number_and_the_others_hold) {
    static const char *const bad[] = {
        "PARTLABEL=data\n",
        "PARTLABEL=data /srv\n",
        "PARTLABEL=data /srv btrfs subvol=srv zero one\n",
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct fstab fstab;
        struct problems report;
        const char *said;
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "# first\n"
                       "PARTLABEL=data /home btrfs subvol=home 0 0\n"
                       "%s"
                       "PARTLABEL=data /var btrfs subvol=var 0 0\n",
                       bad[i]);
        if (read_text(text, &fstab, &report) != 0 || fstab.count != 2)
            fail_with("%s: %zu entries", bad[i], fstab.count);
        assert_string_equal(fstab.entries[0].target, "/home");
        assert_string_equal(fstab.entries[1].target, "/var");
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        said = unit_said();
        if (!strstr(said, NAME ":3: ") || unit_count(said, "\n") != 1)
            fail_with("%s: \"%s\"", bad[i], said);
        release(&fstab, &report);
    }
}

TEST(each_malformed_line_is_named) {
    struct fstab fstab;
    struct problems report;
    const char *said;

    assert_int_equal(read_text("one\n"
                               "PARTLABEL=data /var btrfs subvol=var 0 0\n"
                               "\n"
                               "two words\n",
                               &fstab, &report),
                     0);
    assert_int_equal(fstab.count, 1);
    said = unit_said();
    assert_non_null(strstr(said, NAME ":1: "));
    assert_non_null(strstr(said, NAME ":4: "));
    assert_int_equal(unit_count(said, "\n"), 2);
    assert_non_null(strstr(report.first_error, NAME ":1: "));
    release(&fstab, &report);
}

TEST(a_line_with_a_nul_is_malformed) {
    static const char text[] = "PARTLABEL=data /srv\0 btrfs subvol=srv 0 0\n"
                               "PARTLABEL=data /var btrfs subvol=var 0 0\n";
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_bytes(text, sizeof(text) - 1, &fstab, &report), 0);
    assert_int_equal(fstab.count, 1);
    assert_string_equal(fstab.entries[0].target, "/var");
    assert_non_null(strstr(unit_said(), NAME ":1: "));
    release(&fstab, &report);
}

TEST(without_a_line_for_var_there_is_no_data_device) {
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"", -ENOENT},
        {"# nothing\n", -ENOENT},
        {"PARTLABEL=data /home btrfs subvol=home 0 0\n", -ENOENT},
        {"PARTLABEL=data /var/lib btrfs subvol=var 0 0\n", -ENOENT},
        {"PARTLABEL=data /var\n", -ENOENT},
        {"PARTLABEL=data none swap sw 0 0\n", -ENOENT},
        {"PARTLABEL=data /var ext4 defaults 0 0\n", -EMEDIUMTYPE},
        {"PARTLABEL=data /var auto defaults 0 0\n", -EMEDIUMTYPE},
        {"PARTLABEL=data //var/ xfs defaults 0 0\nPARTLABEL=data /home btrfs subvol=h 0 0\n",
         -EMEDIUMTYPE},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fstab fstab;
        struct problems report;
        int r = read_text(rows[i].text, &fstab, &report);

        if (r != rows[i].result)
            fail_with("%s: %d", rows[i].text, r);
        assert_null(fstab.entries);
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        assert_non_null(strstr(report.first_error, "/"));
        assert_non_null(strstr(unit_said(), "/var"));
        release(&fstab, &report);
    }
}

TEST(a_btrfs_line_for_var_counts_beside_one_of_another_type) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("LABEL=a /var ext4 noauto 0 0\n"
                               "LABEL=b /var btrfs subvol=var 0 0\n",
                               &fstab, &report),
                     0);
    assert_int_equal(fstab.count, 1);
    assert_string_equal(fstab.entries[fstab.var].source, "LABEL=b");
    release(&fstab, &report);
}

TEST(of_two_lines_for_var_the_first_is_the_data_device) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("LABEL=home /home btrfs subvol=home 0 0\n"
                               "LABEL=one /var btrfs subvol=var 0 0\n"
                               "LABEL=two /var/ btrfs subvol=var 0 0\n",
                               &fstab, &report),
                     0);
    assert_int_equal(fstab.count, 3);
    assert_int_equal(fstab.var, 1);
    release(&fstab, &report);
}

TEST(what_cannot_be_read_is_reported) {
    struct fstab fstab = {0};
    struct problems report = {0};
    int fd = open_path(unit_folder, ".", O_RDONLY | O_DIRECTORY);

    assert_true(fstab_read(fd, NAME, &fstab, &report) < 0);
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_non_null(strstr(unit_said(), NAME));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    release(&fstab, &report);
}

TEST(a_target_that_is_no_absolute_path_is_left_out) {
    static const char *const targets[] = {"home", "./home", "/home/../root", "/home/.", "none"};

    for (size_t i = 0; i < COUNT(targets); i++) {
        struct fstab fstab;
        struct problems report;
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "PARTLABEL=data %s btrfs subvol=home 0 0\n"
                       "PARTLABEL=data /var btrfs subvol=var 0 0\n",
                       targets[i]);
        assert_int_equal(read_text(text, &fstab, &report), 0);
        assert_int_equal(fstab.count, 1);
        assert_int_equal(fstab.var, 0);
        assert_string_equal(fstab.entries[0].target, "/var");
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        assert_non_null(strstr(unit_said(), targets[i]));
        release(&fstab, &report);
    }
}

TEST(targets_are_normalised_and_octal_escapes_are_undone) {
    static const struct {
        const char *written, *target;
    } rows[] = {
        {"/srv/", "/srv"},
        {"//srv///data/", "/srv/data"},
        {"/srv/my\\040data", "/srv/my data"},
        {"/srv/tab\\011bed", "/srv/tab\tbed"},
        {"/srv/back\\134slash", "/srv/back\\slash"},
        {"/", "/"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fstab fstab;
        struct problems report;
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "PARTLABEL=data /var btrfs subvol=var 0 0\n"
                       "PARTLABEL=data %s btrfs subvol=srv 0 0\n",
                       rows[i].written);
        assert_int_equal(read_text(text, &fstab, &report), 0);
        assert_int_equal(fstab.count, 2);
        assert_string_equal(fstab.entries[1].target, rows[i].target);
        release(&fstab, &report);
    }
}

TEST(escapes_in_source_and_options_are_undone) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("LABEL=my\\040data /var btrfs subvol=my\\040var 0 0\n"
                               "LABEL=\"my\\040data\" /home btrfs subvol=home 0 0\n",
                               &fstab, &report),
                     0);
    assert_string_equal(fstab.entries[0].source, "LABEL=my data");
    assert_string_equal(fstab.entries[0].subvol, "my var");
    assert_true(fstab_same_source(fstab.entries[0].source, fstab.entries[1].source));
    release(&fstab, &report);
}

/* ---- options ----------------------------------------------------------------------------- */

struct wanted {
    const char *options;
    const char *subvol, *nested, *nodatacow, *locator, *blank;
    bool has_subvolid, noauto;
};

static void check_options(const struct wanted *wanted) {
    struct fstab fstab;
    struct problems report;
    const struct fstab_entry *entry;
    char text[512];

    (void)snprintf(text, sizeof(text), "PARTLABEL=data /var btrfs %s 0 0\n", wanted->options);
    assert_int_equal(read_text(text, &fstab, &report), 0);
    entry = &fstab.entries[0];
    print_message("             %s\n", wanted->options);
    assert_string_equal(entry->options, wanted->options);
    same_text(entry->subvol, wanted->subvol);
    same_text(entry->nested, wanted->nested);
    same_text(entry->nodatacow, wanted->nodatacow);
    same_text(entry->locator, wanted->locator);
    same_text(entry->blank, wanted->blank);
    assert_int_equal(entry->has_subvolid, wanted->has_subvolid);
    assert_int_equal(entry->noauto, wanted->noauto);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    assert_string_equal(unit_said(), "");
    release(&fstab, &report);
}

TEST(options_are_taken_apart) {
    static const struct wanted rows[] = {
        {.options = "defaults"},
        {.options = "subvol=var", .subvol = "var"},
        {.options = "subvol=a/b/c", .subvol = "a/b/c"},
        {.options = "subvol=/", .subvol = "/"},
        {.options = "subvol=/var", .subvol = "/var"},
        {.options = "subvol=../var", .subvol = "../var"},
        {.options = "subvol=", .subvol = ""},
        {.options = "noatime,subvol=var,compress=zstd:3", .subvol = "var"},
        {.options = "xsubvol=no,subvolume=no,subvol=var", .subvol = "var"},
        {.options = "subvol=var,noauto", .subvol = "var", .noauto = true},
        {.options = "noauto,subvol=var", .subvol = "var", .noauto = true},
        {.options = "subvolid=256", .has_subvolid = true},
        {.options = "subvol=var,subvolid=5", .subvol = "var", .has_subvolid = true},
        {.options = "x-systemd.automount,nofail,subvol=var", .subvol = "var"},
        {.options = "x-init-storage.subvol=log:tmp:lib/containers",
         .nested = "log:tmp:lib/containers"},
        {.options = "x-init-storage.subvol=", .nested = ""},
        {.options = "x-init-storage.subvol", .nested = ""},
        {.options = "x-init-storage.nodatacow=lib/mysql:lib/vm", .nodatacow = "lib/mysql:lib/vm"},
        {.options = "x-init-storage.device=PARTLABEL=data", .locator = "PARTLABEL=data"},
        {.options = "x-init-storage.device=/dev/disk/by-path/x", .locator = "/dev/disk/by-path/x"},
        {.options = "x-init-storage.blank=zero", .blank = "zero"},
        {.options = "subvol=var,x-init-storage.subvol=log,x-init-storage.nodatacow=db,"
                    "x-init-storage.device=LABEL=x,x-init-storage.blank=zero",
         .subvol = "var",
         .nested = "log",
         .nodatacow = "db",
         .locator = "LABEL=x",
         .blank = "zero"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        check_options(&rows[i]);
}

TEST(of_an_option_given_twice_the_last_counts) {
    static const struct wanted rows[] = {
        {.options = "subvol=one,subvol=two", .subvol = "two"},
        {.options = "subvol=one,noatime,subvol=two,compress=zstd", .subvol = "two"},
        {.options = "subvol=one,subvol=two,subvol=three", .subvol = "three"},
        {.options = "x-init-storage.subvol=a,x-init-storage.subvol=b", .nested = "b"},
        {.options = "x-init-storage.subvol=a,subvol=b,x-init-storage.subvol=",
         .subvol = "b",
         .nested = ""},
        {.options = "x-init-storage.device=LABEL=a,x-init-storage.device=LABEL=b",
         .locator = "LABEL=b"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        check_options(&rows[i]);
}

TEST(an_unknown_option_of_ours_is_reported_and_the_line_holds) {
    static const char *const unknown[] = {
        "x-init-storage.subvols=log", "x-init-storage.nocow=db", "x-init-storage.=x",
        "x-init-storage.blan=zero",   "x-init-storage.dev",      "x-init-storage.subvol.x=y",
    };

    for (size_t i = 0; i < COUNT(unknown); i++) {
        struct fstab fstab;
        struct problems report;
        char text[256], name[64];
        const char *said;

        (void)snprintf(text, sizeof(text), "LABEL=x /var btrfs ro,%s,subvol=var 0 0\n", unknown[i]);
        (void)snprintf(name, sizeof(name), "\"%.*s\"", (int)strcspn(unknown[i], "="), unknown[i]);
        assert_int_equal(read_text(text, &fstab, &report), 0);
        assert_int_equal(fstab.count, 1);
        assert_string_equal(fstab.entries[0].subvol, "var");
        assert_null(fstab.entries[0].nested);
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        said = unit_said();
        if (!strstr(said, name) || !strstr(said, "/var") || unit_count(said, "\n") != 1)
            fail_with("%s: \"%s\"", unknown[i], said);
        release(&fstab, &report);
    }
}

TEST(options_of_other_programs_are_none_of_our_business) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("LABEL=x /var btrfs x-systemd.makefs,x-init.storage,x-init-storagex,"
                               "X-mount.mkdir,subvol=var 0 0\n",
                               &fstab, &report),
                     0);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    assert_string_equal(unit_said(), "");
    release(&fstab, &report);
}

TEST(an_option_of_a_line_of_another_type_is_not_looked_at) {
    struct fstab fstab;
    struct problems report;

    assert_int_equal(read_text("LABEL=x /var btrfs subvol=var 0 0\n"
                               "LABEL=y /srv ext4 x-init-storage.wrong=1 0 0\n",
                               &fstab, &report),
                     0);
    assert_int_equal(fstab.count, 1);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    release(&fstab, &report);
}

/* ---- sources ----------------------------------------------------------------------------- */

TEST(sources_are_the_same_when_their_words_are) {
    static const struct {
        const char *one, *other;
        bool same;
    } rows[] = {
        {"/dev/sda1", "/dev/sda1", true},
        {"PARTLABEL=data", "PARTLABEL=data", true},
        {"LABEL=data", "LABEL=\"data\"", true},
        {"LABEL='data'", "LABEL=\"data\"", true},
        {"LABEL=my data", "LABEL=\"my data\"", true},
        {"LABEL=data", "PARTLABEL=data", false},
        {"LABEL=data", "LABEL=Data", false},
        {"LABEL=data", "LABEL=data2", false},
        {"/dev/sda1", "/dev/sda2", false},
        {"/dev/sda1", "LABEL=data", false},
        {"LABEL=data", "/dev/sda1", false},
        {"tmpfs", "none", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (fstab_same_source(rows[i].one, rows[i].other) != rows[i].same)
            fail_with("%s and %s", rows[i].one, rows[i].other);
    }
}

/* ---- options for mount(2) ---------------------------------------------------------------- */

TEST(mount_gets_only_what_is_the_file_systems_own) {
    static const struct {
        const char *options;
        unsigned long flags;
        const char *data; /* NULL or "": none */
    } rows[] = {
        {"", 0, NULL},
        {"defaults", 0, NULL},
        {"compress=zstd", 0, "compress=zstd"},
        {"compress=zstd:3,ssd,discard=async", 0, "compress=zstd:3,ssd,discard=async"},
        /* What is private to this mount or another one's. */
        {"subvol=var", 0, NULL},
        {"subvolid=256,compress=lzo", 0, "compress=lzo"},
        {"compress=lzo,subvol=var,subvolid=256,space_cache=v2", 0, "compress=lzo,space_cache=v2"},
        {"ro", 0, NULL},
        {"rw,compress=zstd", 0, "compress=zstd"},
        {"context=system_u:object_r:var_t:s0,compress=zstd", 0, "compress=zstd"},
        {"fscontext=a,defcontext=b,rootcontext=c,ssd", 0, "ssd"},
        {"context=\"system_u:object_r:var_t:s0:c1,c2\",ssd", 0, "ssd"},
        /* What only user space reads. */
        {"x-init-storage.subvol=log:tmp,compress=zstd", 0, "compress=zstd"},
        {"x-systemd.requires=a.mount,X-mount.mkdir,nofail,_netdev,noauto,user,ssd", 0, "ssd"},
        /* Flags; how long a time stamp is kept is of no use in a private mount. */
        {"nosuid,nodev,noexec", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"sync,dirsync,lazytime,nodiratime",
         MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME | MS_NODIRATIME, NULL},
        {"noatime,nodev,compress-force=zstd:9", MS_NODEV, "compress-force=zstd:9"},
        {"nodev,dev", 0, NULL},
        {"nosuid,ro,remount,bind,rbind,private,shared", MS_NOSUID, NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned long flags = 12345;
        char *data = NULL;

        print_message("             %s\n", rows[i].options);
        assert_int_equal(fstab_mount_options(rows[i].options, &flags, &data), 0);
        assert_int_equal(flags, rows[i].flags);
        assert_string_equal(data ? data : "", rows[i].data ? rows[i].data : "");
        free(data);
    }
}

/* mount(8) of util-linux 2.39 takes "=vfs", "=fs" and "=recursive" behind them. */
TEST(an_attribute_of_the_mount_may_have_a_value) {
    static const struct {
        const char *options;
        unsigned long flags;
        const char *data;
    } rows[] = {
        {"ro=vfs,subvol=var", 0, ""},
        {"rw=recursive,compress=zstd", 0, "compress=zstd"},
        {"nosuid=recursive,nodev=vfs,noexec,ssd", MS_NOSUID | MS_NODEV | MS_NOEXEC, "ssd"},
        {"nodev,dev=recursive", 0, ""},
        {"bind=x,remount=x,commit=5", 0, "commit=5"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned long flags = 0;
        char *data = NULL;

        print_message("             %s\n", rows[i].options);
        assert_int_equal(fstab_mount_options(rows[i].options, &flags, &data), 0);
        assert_int_equal(flags, rows[i].flags);
        assert_string_equal(data ? data : "", rows[i].data);
        free(data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(the_entry_of_var_is_found),
        UNIT_TEST(the_last_line_may_lack_its_newline_and_the_numbers_their_columns),
        UNIT_TEST(a_line_without_options_has_none),
        UNIT_TEST(malformed_lines_are_named_by_number_and_the_others_hold),
        UNIT_TEST(each_malformed_line_is_named),
        UNIT_TEST(a_line_with_a_nul_is_malformed),
        UNIT_TEST(without_a_line_for_var_there_is_no_data_device),
        UNIT_TEST(a_btrfs_line_for_var_counts_beside_one_of_another_type),
        UNIT_TEST(of_two_lines_for_var_the_first_is_the_data_device),
        UNIT_TEST(what_cannot_be_read_is_reported),
        UNIT_TEST(a_target_that_is_no_absolute_path_is_left_out),
        UNIT_TEST(targets_are_normalised_and_octal_escapes_are_undone),
        UNIT_TEST(escapes_in_source_and_options_are_undone),
        UNIT_TEST(options_are_taken_apart),
        UNIT_TEST(of_an_option_given_twice_the_last_counts),
        UNIT_TEST(an_unknown_option_of_ours_is_reported_and_the_line_holds),
        UNIT_TEST(options_of_other_programs_are_none_of_our_business),
        UNIT_TEST(an_option_of_a_line_of_another_type_is_not_looked_at),
        UNIT_TEST(sources_are_the_same_when_their_words_are),
        UNIT_TEST(mount_gets_only_what_is_the_file_systems_own),
        UNIT_TEST(an_attribute_of_the_mount_may_have_a_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
