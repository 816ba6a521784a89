/* SPDX-License-Identifier: MIT */
#define main factory_reset_main
int main(int argc, char **argv);
#include "factory-reset/main.c" /* NOLINT(bugprone-suspicious-include): its options are static */

#include "fuzz.h"
#include "options.h"

int options_of_factory_reset(int count, char **arguments) {
    struct settings settings = {.fstab = "/etc/fstab"};
    static const char *const valued[] = {"erase", "device", NULL};
    int result;

    optind = 0;
    result = parse_options(count, arguments, &settings);
    if (result != 0)
        return result;
    require(optind == count && (!settings.device || *settings.device));
    require(!settings.json || settings.command == COMMAND_STATUS);
    require(settings.follow_up == FOLLOW_UP_NONE || settings.command == COMMAND_REQUEST);
    require(settings.erase == ERASE_SIGNATURE || settings.erase_given);
    require(!settings.erase_given || settings.command == COMMAND_REQUEST ||
            settings.command == COMMAND_NOW);
    require(settings.yes == options_have(count, arguments, "yes", valued));
    require((settings.command == COMMAND_CANCEL) ==
            options_have(count, arguments, "cancel", valued));
    require((settings.command == COMMAND_STATUS) ==
            options_have(count, arguments, "status", valued));
    require((settings.command == COMMAND_NOW) == options_have(count, arguments, "now", valued));
    require((settings.follow_up == FOLLOW_UP_REBOOT) ==
            options_have(count, arguments, "reboot", valued));
    return 0;
}
