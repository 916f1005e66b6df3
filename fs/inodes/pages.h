/*
 * pages.h: which version of a file's data the kernel's pages hold, on a mount that is not the only client. Openings and
 * handles count opens here; requests and the write-back report every answer that has attributes.
 *
 * Attributes contain a data version (rows.h). A version that this mount made leaves the pages as they are: the kernel
 * has those bytes. After any other new version the pages are old, and are dropped (drops.h). A request that is about to
 * tell the kernel of the new version waits for the drop first, where the kernel allows it, so that nobody sees a new
 * size over old pages.
 *
 * Changes of this mount are answered in any order, and each answer tells its change's version. Once no change of this
 * mount is under way, a version missing between them is another mount's.
 *
 * Pages must be dropped at once only if an open handle can read them. The last `kept_max` closed files are remembered;
 * their pages are good if the file is opened again at the same version.
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

/* 0 or -ENOMEM. */
int pages_new(const struct pages_options *options, struct pages **pages);
void pages_free(struct pages *pages); /* may be NULL */

/* Counts an open. `can_read`: reads through the handle may get the kernel's pages. 0 or -ENOMEM. */
int pages_open(struct pages *pages, uint64_t ino, bool can_read);
void pages_close(struct pages *pages, uint64_t ino, bool can_read);
/* Before the reply to an open; the attributes were asked for after pages_open. Returns a ticket of drops.h; 0: no
 * page is older than the attributes. */
uint64_t pages_opened(struct pages *pages, const struct attributes *attributes);
/* After that drop, with the same attributes: whether the kernel may keep its pages. */
bool pages_may_keep(struct pages *pages, const struct attributes *attributes);
/* Instead of pages_opened, for a file that was just created: there are no pages. */
void pages_are_fresh(struct pages *pages, const struct attributes *attributes);

/* Around a change of the data that the kernel's pages hold already. `attributes`: those after the change; NULL: it is
 * unknown whether it was made. pages_end returns true if, since the file was opened, this mount made all changes up to
 * this one. */
void pages_begin(struct pages *pages, uint64_t ino);
bool pages_end(struct pages *pages, uint64_t ino, const struct attributes *attributes);
bool pages_are_changing(struct pages *pages, uint64_t ino);

/* Before the kernel is told these attributes. Returns a ticket of drops.h; 0: no page is older than the attributes. */
uint64_t pages_see(struct pages *pages, const struct attributes *attributes);
/* Notes, for a file in this table, whether these attributes say that it has no extended attributes. `asked`:
 * env_now, when the store was asked. pages_is_bare then returns true until one second after `asked`: the kernel caches
 * its other attributes in the same way. After pages_set_xattr the file is not taken to be bare any more, because this
 * mount sets an extended attribute. */
void pages_note_bare(struct pages *pages, const struct attributes *attributes, uint64_t asked);
void pages_set_xattr(struct pages *pages, uint64_t ino);
bool pages_is_bare(struct pages *pages, uint64_t ino, uint64_t now);
/* Drops the pages at any version, because their bytes are wrong. Returns a ticket, as pages_see does. */
uint64_t pages_drop(struct pages *pages, uint64_t ino);

#endif
