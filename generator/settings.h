/* SPDX-License-Identifier: MIT */
#ifndef GENERATOR_SETTINGS_H
#define GENERATOR_SETTINGS_H

/* The command line, and what tests put in its place. */
struct settings {
    const char *root;   /* the tree whose fstab and lists are read */
    const char *normal; /* systemd's directory for what units in /usr do not override */
    const char *late;   /* for units that any other of the same name overrides */
};

#endif
