/*
 * caller.h: what proc(5) tells of the thread that made a request, by its id as FUSE tells it. The watch asks, and
 * operations on privileges. 0, as for a thread in a PID namespace that this process does not see, or a thread that is
 * gone: nothing is known, and the answer is false.
 */
#ifndef RAFTKV_FS_FUSE_CALLER_H
#define RAFTKV_FS_FUSE_CALLER_H

#include <stdbool.h>
#include <stdint.h>

/* Is it about to die, or does a signal wait for it that asks it to (SIGKILL, SIGTERM, SIGINT)? */
bool caller_is_dying(uint32_t thread);
/* Is it root, and has the capability (capabilities(7), CAP_…)? */
bool caller_has(uint32_t thread, unsigned capability);
/* Is that the group that it works with? Supplementary groups are not looked at. */
bool caller_has_group(uint32_t thread, uint32_t group);

#endif
