/*
 * drops.h: has the kernel drop its pages of an inode, after the data was changed by a direct write or by another mount.
 * pages.h and the direct writes ask for it. A thread of its own does it and holds no lock meanwhile, because the kernel
 * may wait for reads and writes of the same file.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_INODES_DROPS_H
#define RAFTKV_FS_INODES_DROPS_H

#include "proto/env.h"

struct drops;

/* Waits until pages have been dropped. Embedded; the drops' until `wake`. */
struct drops_waiter {
	struct env_mail mail; /* the drops' */
	struct drops_waiter *next; /* the drops' */
	uint64_t ticket;
	struct env_loop *loop;
	env_mail_cb wake;
};

/* `drop` has the kernel drop the pages of one inode; it may block. 0 or -errno. */
int drops_new(void (*drop)(void *argument, uint64_t ino), void *argument, struct drops **drops);
void drops_free(struct drops *drops); /* nobody waits; queued inodes are not dropped any more. May be NULL */
/* Queues the inode: all pages that the kernel has of it now are dropped. Returns a ticket; 0: no memory, and the pages
 * stay. */
uint64_t drops_add(struct drops *drops, uint64_t ino);
/* Whether the drop with this ticket has been done; true for 0. */
bool drops_is_done(const struct drops *drops, uint64_t ticket);
/* Waits for it. True: it has been done, and `waiter` is not woken; false: `waiter` will be. */
bool drops_wait(struct drops *drops, uint64_t ticket, struct drops_waiter *waiter);

#endif
