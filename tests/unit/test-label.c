/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init-storage/label.h"
#include "unit.h"

#define POLICY "etc/selinux/targeted/contexts/files"
#define CONTEXTS POLICY "/file_contexts"

#define VAR "system_u:object_r:var_t:s0"
#define LOG "system_u:object_r:var_log_t:s0"
#define LIB "system_u:object_r:var_lib_t:s0"
#define LINK "system_u:object_r:some_link_t:s0"
#define FILE_LABEL "system_u:object_r:some_file_t:s0"

static struct labels labels;

static void open_labels(void) {
    labels_open(&labels, unit_folder_path);
    labels.active = false; /* whatever this machine's kernel does */
}

static void put_policy(const char *config) {
    put_folder(unit_folder, POLICY);
    put_file(unit_folder, "etc/selinux/config", config);
    put_file(unit_folder, CONTEXTS,
             "/var(/.*)?                     " VAR "\n"
             "/var/log(/.*)?                 " LOG "\n"
             "/var/lib(/.*)?                 " LIB "\n"
             "/var/lib/kind           -d     " LOG "\n"
             "/var/lib/kind           --     " FILE_LABEL "\n"
             "/var/lib/kind           -l     " LINK "\n"
             "/var/tmp/.*                    <<none>>\n");
}

static void check(const char *path, mode_t mode, const char *wanted) {
    static char untouched[] = "untouched";
    char *label = untouched;

    assert_int_equal(labels_lookup(&labels, path, mode, &label), 0);
    if (!label != !wanted || (label && wanted && strcmp(label, wanted) != 0))
        fail_with("%s: %s", path, label ? label : "none");
    free(label);
}

#define CONFIG "# a comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"

TEST(a_path_gets_the_label_that_file_contexts_gives_it) {
    static const struct {
        const char *path;
        mode_t mode;
        const char *label;
    } rows[] = {
        {"/var", S_IFDIR, VAR},
        {"/var/spool", S_IFDIR, VAR},
        {"/var/log", S_IFDIR, LOG},
        {"/var/log/journal/x", S_IFREG, LOG},
        {"/var/lib/aimee-os/etc", S_IFDIR, LIB},
        {"/var/lib/kind", S_IFDIR, LOG},
        {"/var/lib/kind", S_IFREG, FILE_LABEL},
        {"/var/lib/kind", S_IFLNK, LINK},
        {"/var/lib/kind", S_IFIFO, LIB},
        {"/var/tmp/x", S_IFREG, NULL}, /* <<none>> */
        {"/var/tmp", S_IFDIR, VAR},
        {"/home", S_IFDIR, NULL}, /* nothing fits */
        {"/variable", S_IFREG, NULL},
        {"/", S_IFDIR, NULL},
    };

    put_policy(CONFIG);
    open_labels();
    for (size_t i = 0; i < COUNT(rows); i++)
        check(rows[i].path, rows[i].mode, rows[i].label);
    labels_close(&labels);
}

TEST(local_changes_and_equal_paths_count) {
    put_policy(CONFIG);
    put_file(unit_folder, CONTEXTS ".local", "/srv/files(/.*)? " FILE_LABEL "\n");
    put_file(unit_folder, CONTEXTS ".subs_dist", "/data /var/log\n");
    open_labels();
    check("/srv/files/x", S_IFREG, FILE_LABEL);
    check("/data/x", S_IFREG, LOG);
    check("/var", S_IFDIR, VAR);
    labels_close(&labels);
}

TEST(configurations_name_the_policy_or_none) {
    static const struct {
        const char *config;
        bool found;
    } rows[] = {
        {CONFIG, true},
        {"SELINUXTYPE=targeted", true},
        {"SELINUX=permissive\nSELINUXTYPE=targeted\n", true},
        {"SELINUXTYPE=targeted # ours\n", true},
        {"SELINUXTYPE=targeted  \r\n", true},
        {"SELINUXTYPE=other\nSELINUXTYPE=targeted\n", true},
        {"SELINUX=disabled\nSELINUXTYPE=targeted\n", false},
        {"SELINUXTYPE=targeted\nSELINUX=disabled\n", false},
        {"#SELINUXTYPE=targeted\n", false},
        {"SELINUX=enforcing\n", false},
        {"SELINUXTYPE=\n", false},
        {"SELINUXTYPE=missing\n", false},
        {"SELINUXTYPE=../selinux/targeted\n", false},
        {"SELINUXTYPE=..\n", false},
        {"SELINUXTYPE=/etc/selinux/targeted\n", false},
        {"", false},
    };

    put_policy("");
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *label = NULL;

        put_file(unit_folder, "etc/selinux/config", rows[i].config);
        open_labels();
        assert_int_equal(labels_lookup(&labels, "/var", S_IFDIR, &label), 0);
        if ((label != NULL) != rows[i].found)
            fail_with("\"%s\": %s", rows[i].config, label ? label : "none");
        free(label);
        labels_close(&labels);
    }
}

TEST(an_image_without_selinux_has_no_labels) {
    open_labels();
    check("/var", S_IFDIR, NULL);
    labels_close(&labels);
    put_folder(unit_folder, "etc/selinux/targeted");
    put_file(unit_folder, "etc/selinux/config", CONFIG);
    open_labels();
    check("/var", S_IFDIR, NULL);
    labels_close(&labels);
}

TEST(a_root_that_is_not_there_has_no_labels) {
    char missing[4096 + 16];

    (void)snprintf(missing, sizeof(missing), "%s/missing", unit_folder_path);
    labels_open(&labels, missing);
    labels.active = false;
    check("/var", S_IFDIR, NULL);
    labels_close(&labels);
}

TEST(a_configuration_behind_a_link_inside_the_root_counts) {
    skip_unless(has_openat2(), "no openat2");
    put_policy("");
    put_file(unit_folder, "real-config", CONFIG);
    assert_int_equal(unlinkat(unit_folder, "etc/selinux/config", 0), 0);
    assert_int_equal(symlinkat("/real-config", unit_folder, "etc/selinux/config"), 0);
    open_labels();
    check("/var", S_IFDIR, VAR);
    labels_close(&labels);
}

TEST(the_database_is_opened_once) {
    put_policy(CONFIG);
    open_labels();
    assert_false(labels.looked);
    check("/var", S_IFDIR, VAR);
    assert_true(labels.looked);
    assert_int_equal(unlinkat(unit_folder, CONTEXTS, 0), 0);
    assert_int_equal(unlinkat(unit_folder, "etc/selinux/config", 0), 0);
    check("/var/log", S_IFDIR, LOG);
    labels_close(&labels);
    assert_null(labels.handle);

    /* And found missing once. */
    open_labels();
    check("/var", S_IFDIR, NULL);
    put_file(unit_folder, "etc/selinux/config", CONFIG);
    put_file(unit_folder, CONTEXTS, "/var " VAR "\n");
    check("/var", S_IFDIR, NULL);
    labels_close(&labels);
}

TEST(a_broken_line_gives_no_label_and_the_others_hold) {
    char *label = NULL;

    put_policy(CONFIG);
    put_file(unit_folder, CONTEXTS,
             "/var/(( " VAR "\n"
             "too few\n"
             "/var/log " LOG "\n");
    open_labels();
    (void)labels_lookup(&labels, "/var/x", S_IFDIR, &label);
    assert_null(label);
    check("/var/log", S_IFDIR, LOG);
    labels_close(&labels);
}

TEST(where_selinux_is_not_active_nothing_is_created_with_a_label) {
    open_labels();
    assert_int_equal(labels_create_as(&labels, "no:such:label:s0"), 0);
    put_file(unit_folder, "file", "x");
    assert_int_equal(labels_create_as(&labels, NULL), 0);
    labels_close(&labels);
    labels_close(&labels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_path_gets_the_label_that_file_contexts_gives_it),
        UNIT_TEST(local_changes_and_equal_paths_count),
        UNIT_TEST(configurations_name_the_policy_or_none),
        UNIT_TEST(an_image_without_selinux_has_no_labels),
        UNIT_TEST(a_root_that_is_not_there_has_no_labels),
        UNIT_TEST(a_configuration_behind_a_link_inside_the_root_counts),
        UNIT_TEST(the_database_is_opened_once),
        UNIT_TEST(a_broken_line_gives_no_label_and_the_others_hold),
        UNIT_TEST(where_selinux_is_not_active_nothing_is_created_with_a_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
