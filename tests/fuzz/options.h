/* SPDX-License-Identifier: MIT */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

/* The command line of a program, by the function in its main.c, and no more of the program. What
 * it makes of accepted ones is judged. Return what that function does. */
int options_of_init_storage(int count, char **arguments);
int options_of_factory_reset(int count, char **arguments);
int options_of_set_root_password(int count, char **arguments);

/* Whether a word of an accepted line stands for "--NAME": itself or an abbreviation, with a value
 * or without. Those of valued take the next word, if they have no "=". */
bool options_have(int count, char **arguments, const char *name, const char *const *valued);

#endif
