/*
 * told.h: which attributes of an inode the kernel may have cached, on a mount that is not the only client. Replies note
 * the attributes that they tell; openings and locks ask.
 *
 * The kernel caches attributes for a while (attr_timeout) and does not ask for them when a file is opened or locked. So
 * a digest of what it was told is noted here. Before an answer that rests on other attributes, the kernel is made to
 * forget the cached ones. Of two answers that are in flight at the same time the kernel may take either: until the
 * older one has expired, it is unknown which one it has.
 *
 * Changes of this mount count as told: the kernel asked for them.
 *
 * Bounded: each inode has one place, which other inodes share. Once another inode has taken the place, it is unknown
 * what the kernel was told of the first one.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_INODES_TOLD_H
#define RAFTKV_FS_INODES_TOLD_H

#include <stdbool.h>

#include "fs/schema/rows.h"
#include "proto/buf.h"

struct told;

/* `valid_ns`: how long the kernel caches attributes at most. `places`: a power of two. 0 or -ENOMEM. */
int told_new(uint64_t valid_ns, uint32_t places, struct told **told);
void told_free(struct told *told); /* may be NULL */

/* The kernel is being told these attributes. `name`: the name that it is told with them (told_name); 0: none. `now`:
 * env_now, here and below. */
void told_note(struct told *told, const struct attributes *attributes, uint64_t name, uint64_t now);
uint64_t told_name(uint64_t parent, struct slice name); /* a digest; 0: the name is empty */
/* A change by this mount led to these attributes. `is_ours`: this mount made all earlier changes of the content,
 * too. */
void told_change(struct told *told, const struct attributes *attributes, bool is_ours);
/* The kernel has forgotten the attributes that it was told before. It still has the names. */
void told_forget(struct told *told, uint64_t ino);
/* Whether the kernel may have cached older attributes than these, which were just asked for. */
bool told_is_old(struct told *told, const struct attributes *attributes, uint64_t now);
/* Whether a name by which the kernel knows the inode may be gone: true if another mount changed the inode after the
 * kernel was told a name. `is_changing`: the attributes may come from a change of this mount that has not been answered
 * yet. */
bool told_is_name_old(struct told *told, const struct attributes *attributes, bool is_changing, uint64_t now);

#endif
