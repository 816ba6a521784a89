/* SPDX-License-Identifier: MIT */
#define main init_storage_main
int main(int argc, char **argv);
#include "init-storage/main.c" /* NOLINT(bugprone-suspicious-include): its options are static */

#include "fuzz.h"
#include "options.h"

int options_of_init_storage(int count, char **arguments) {
    struct settings settings = {.root = "/"};
    static const char *const valued[] = {"root", "fstab", "device", "progress", NULL};
    int result;

    optind = 0;
    result = parse_options(count, arguments, &settings);
    if (result == 0)
        result = check_settings(&settings);
    if (result != 0)
        return result;
    require(optind == count && *settings.root);
    require(settings.device ? *settings.device != '\0' : strcmp(settings.root, "/") == 0);
    require(!settings.fstab || *settings.fstab);
    require(settings.progress <= PROGRESS_NEVER);
    require(settings.dry_run == options_have(count, arguments, "dry-run", valued));
    require(settings.json == options_have(count, arguments, "json", valued));
    require(settings.root_given == options_have(count, arguments, "root", valued));
    require((settings.device != NULL) == options_have(count, arguments, "device", valued));
    return 0;
}
