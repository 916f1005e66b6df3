/*
 * caller.h: what proc(5) tells of the thread that made a request, by its id in the FUSE header. The watch and
 * operations on privileges ask. All answers are false if nothing is known: for id 0 (the thread is in a PID namespace
 * that this process does not see), and for a thread that has ended.
 */
#ifndef RAFTKV_FS_FUSE_CALLER_H
#define RAFTKV_FS_FUSE_CALLER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the thread is exiting, or SIGKILL, SIGTERM or SIGINT is pending for it and not blocked. */
bool caller_is_dying(uint32_t thread);
/* Whether its effective user is root and it has the capability (capabilities(7), CAP_…). */
bool caller_has(uint32_t thread, unsigned capability);
/* Whether `group` is its filesystem group. Supplementary groups are not looked at. */
bool caller_has_group(uint32_t thread, uint32_t group);

#endif
