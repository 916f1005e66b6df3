/*
 * drops.h: drops the kernel's pages of an inode, because its data changed past them, or elsewhere; for pages.h and direct
 * writes. A thread of its own does it, which holds no lock: the kernel may wait for reads and writes of the very file.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_INODES_DROPS_H
#define RAFTKV_FS_INODES_DROPS_H

#include "proto/env.h"

struct drops;

/* Somebody waits until pages have gone. Embedded; the drops' until `wake`. */
struct drops_waiter {
	struct env_mail mail; /* the drops' */
	struct drops_waiter *next; /* the drops' */
	uint64_t ticket;
	struct env_loop *loop;
	env_mail_cb wake;
};

/* `drop`: by the kernel; may block. 0 or -errno. */
int drops_new(void (*drop)(void *argument, uint64_t ino), void *argument, struct drops **drops);
void drops_free(struct drops *drops); /* nobody waits; what is still to be dropped is not. May be NULL */
/* Whatever pages of it there are at the call go. A ticket; 0: no memory, they stay. */
uint64_t drops_add(struct drops *drops, uint64_t ino);
/* Has what the ticket stands for been dropped? 0 stands for nothing. */
bool drops_is_done(const struct drops *drops, uint64_t ticket);
/* Until it is. True: it is, and `waiter` is not woken; false: it will be. */
bool drops_wait(struct drops *drops, uint64_t ticket, struct drops_waiter *waiter);

#endif
