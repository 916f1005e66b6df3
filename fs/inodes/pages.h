/*
 * pages.h: which version of a file's data the kernel's pages are of, on a mount that is not the only client. Openings and
 * handles count opens here; requests and the write-back tell of every answer that has attributes.
 *
 * Whatever tells attributes tells a data version (rows.h). A version that this mount made leaves the pages alone: the
 * kernel has those bytes. Behind any other one the pages are old: they are dropped (drops.h). A request that is about
 * to tell the kernel of the new version waits for that first, where the kernel allows it, so that nobody sees a new
 * size over old pages.
 *
 * Changes of ours are answered in any order, and their versions become known with the answers: a gap between them is
 * somebody else's once none of ours is under way.
 *
 * Only what can be read through an open handle must be dropped at once. Of files that are closed the last KEPT_MAX are
 * remembered, whose pages are good when they are opened again at the same version.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_INODES_PAGES_H
#define RAFTKV_FS_INODES_PAGES_H

#include "fs/inodes/drops.h"
#include "fs/schema/rows.h"

struct pages;

struct pages_options {
	struct drops *drops; /* shares; outlives the pages */
	uint32_t kept_max; /* files [65536] */
};

int pages_new(const struct pages_options *options, struct pages **pages);
void pages_free(struct pages *pages); /* may be NULL */

/* A file is opened. `can_read`: the kernel shows pages to whoever has the handle. 0 or -ENOMEM. */
int pages_open(struct pages *pages, uint64_t ino, bool can_read);
void pages_close(struct pages *pages, uint64_t ino, bool can_read);
/* Of the open that is to be answered, with attributes that were asked for after pages_open. A ticket of the drops; 0:
 * the pages are as good as they. */
uint64_t pages_opened(struct pages *pages, const struct attributes *attributes);
/* Then, with the same attributes: may the kernel keep what it has? */
bool pages_may_keep(struct pages *pages, const struct attributes *attributes);
/* It was made just now, and opened: there are no pages. */
void pages_are_fresh(struct pages *pages, const struct attributes *attributes);

/* A change of the data is on its way that the pages have already. pages_end: its attributes, or NULL: nobody knows
 * whether it was made. True: since the file was opened all changes up to this one are ours. */
void pages_begin(struct pages *pages, uint64_t ino);
bool pages_end(struct pages *pages, uint64_t ino, const struct attributes *attributes);
bool pages_are_changing(struct pages *pages, uint64_t ino);

/* Attributes that the kernel is going to be told. A ticket of the drops; 0: the pages are as good as they. */
uint64_t pages_see(struct pages *pages, const struct attributes *attributes);
/* The same attributes, as they were at `asked` (env_now) or later, about files that are here: one that had no extended
 * attributes is taken to have none for a moment, as the kernel takes others of its attributes. Not after pages_set_xattr:
 * this mount sets one. */
void pages_note_bare(struct pages *pages, const struct attributes *attributes, uint64_t asked);
void pages_set_xattr(struct pages *pages, uint64_t ino);
bool pages_is_bare(struct pages *pages, uint64_t ino, uint64_t now);
/* The pages are not what they should be, whatever the version is. A ticket, as above. */
uint64_t pages_drop(struct pages *pages, uint64_t ino);

#endif
