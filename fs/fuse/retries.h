/*
 * retries.h: threads whose open was refused (ESTALE) so that the kernel looks its path up again.
 *
 * The kernel tries again once, and whatever it finds then was there after the program had begun to open: a second ESTALE
 * would be the program's. So each refusal is noted with its thread until the thread opens again, makes a file, or finds
 * no name. Bounded: who can not be noted is not refused.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_FUSE_RETRIES_H
#define RAFTKV_FS_FUSE_RETRIES_H

#include <stdbool.h>
#include <stdint.h>

struct retries;

int retries_new(struct retries **retries);
void retries_free(struct retries *retries); /* may be NULL */
/* Notes a refusal. False: there is no room, or `thread` is 0, unknown. `now`: env_now. */
bool retries_begin(struct retries *retries, uint32_t thread, uint64_t ino, uint64_t now);
/* The inode whose open was refused to the thread, which is noted no longer; 0: none was. */
uint64_t retries_end(struct retries *retries, uint32_t thread);

#endif
