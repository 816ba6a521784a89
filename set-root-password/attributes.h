/* SPDX-License-Identifier: MIT */
#ifndef ATTRIBUTES_H
#define ATTRIBUTES_H

/* Gives a file the owner, group, extended attributes (ACLs and the SELinux label among them)
 * and mode of another; an ACL that the other has not is taken away. Returns 0 or -errno. */
int attributes_copy(int from, int to);

/* The same, but of the attributes only the label: for a file system that does not have them all. */
int attributes_copy_label(int from, int to);

#endif
