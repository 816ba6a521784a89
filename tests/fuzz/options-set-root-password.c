/* SPDX-License-Identifier: MIT */
#define main set_root_password_main
int main(int argc, char **argv);
#include "set-root-password/main.c" /* NOLINT(bugprone-suspicious-include): options are static */

#include "fuzz.h"
#include "options.h"

int options_of_set_root_password(int count, char **arguments) {
    struct settings settings = {0};
    static const char *const valued[] = {NULL};
    int result;

    optind = 0;
    result = parse_options(count, arguments, &settings);
    if (result != 0)
        return result;
    require(optind == count);
    require(settings.from_stdin == options_have(count, arguments, "stdin", valued));
    return 0;
}
