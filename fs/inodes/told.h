/*
 * told.h: which attributes of an inode the kernel may go by, on a mount that is not the only client. Replies note what
 * they tell; openings and locks ask.
 *
 * The kernel keeps what it was told for a while (attr_timeout) and does not ask when a file is opened or locked. So what
 * it was told is noted here, as a digest; an answer that rests on other attributes has the kernel forget its own first.
 * Of two answers that are on their way at the same time the kernel may take either: until the older one has run out it is
 * not known which.
 *
 * Changes of this mount count as told: the kernel knows what it asked for.
 *
 * Bounded: each inode has one place, which it shares with others; whoever is put out of it is not known, either.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_INODES_TOLD_H
#define RAFTKV_FS_INODES_TOLD_H

#include <stdbool.h>

#include "fs/schema/rows.h"
#include "proto/buf.h"

struct told;

/* `valid_ns`: for longer the kernel does not keep attributes. `places`: a power of two. */
int told_new(uint64_t valid_ns, uint32_t places, struct told **told);
void told_free(struct told *told); /* may be NULL */

/* The kernel is being told; `name`: of a name that leads to the inode (told_name), 0: of none. `now`: env_now, here and
 * below. */
void told_note(struct told *told, const struct attributes *attributes, uint64_t name, uint64_t now);
uint64_t told_name(uint64_t parent, struct slice name); /* a digest; 0: the name is empty */
/* This mount made a change, which led to these attributes. `is_ours`: so it did all changes of the content before. */
void told_change(struct told *told, const struct attributes *attributes, bool is_ours);
/* The kernel has forgotten the attributes that it was told before, but no name. */
void told_forget(struct told *told, uint64_t ino);
/* May it go by attributes that are older than these, which were just asked for? */
bool told_is_old(struct told *told, const struct attributes *attributes, uint64_t now);
/* May a name by which it knows the inode lead elsewhere: did somebody else change the inode after it was told of one?
 * `is_changing`: these attributes may be of a change of this mount that is not known yet. */
bool told_is_name_old(struct told *told, const struct attributes *attributes, bool is_changing, uint64_t now);

#endif
