/*
 * retries.h: threads that were told ESTALE and try again. LOOKUP and stale.c note what happens to them.
 *
 * The kernel knows names for a while after another mount has changed them. Told ESTALE about the inode that it found so,
 * it walks the path once more and asks for every name on it; what is wrong then is the system call's own answer. This
 * tells the two tries apart: the second one is about the same inode, as there was no name to walk (a working directory,
 * /proc/self/fd), or about one that was found since.
 *
 * A call that gives up on its way leaves its note behind. So a note counts for calls of its kind alone, unless next to
 * no time has passed.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_VFS_RETRIES_H
#define RAFTKV_FS_VFS_RETRIES_H

#include <stdbool.h>
#include <stdint.h>

struct retries;

/* What a call does with the inode. */
enum retry_kind {
	RETRY_NONE,
	RETRY_OPEN,
	RETRY_PLACE, /* takes a name in it, or makes one */
	RETRY_LOOK, /* at its attributes, or changes them */
};

struct retry {
	uint32_t thread;
	enum retry_kind kind; /* RETRY_NONE: it was not told ESTALE */
	uint64_t told[2]; /* about these */
	uint64_t found[2]; /* since then, by name, the last one first; 0: nothing */
	uint64_t found_at; /* env_now */
	uint64_t
		missed_in; /* a name was not found there: it is asked for again, or made, or the call ends; 0: none */
};

struct retries *retries_new(void); /* NULL: no memory */
void retries_free(struct retries *retries); /* may be NULL */

/* It is told ESTALE about `ino` and (0: none) `other`. */
void retries_note(
	struct retries *retries, uint32_t thread, enum retry_kind kind, uint64_t ino, uint64_t other);
/* It begins to look a name up. */
void retries_look_up(struct retries *retries, uint32_t thread, uint64_t parent);
/* It was found, or there is none. */
void retries_found(struct retries *retries, uint32_t thread, uint64_t ino, uint64_t now);
void retries_missed(struct retries *retries, uint32_t thread, uint64_t parent);
/* What is noted about it. */
struct retry retries_of(struct retries *retries, uint32_t thread);
/* The same, as its call comes to an end: nothing is noted any more. */
struct retry retries_take(struct retries *retries, uint32_t thread);

/* Is this the second try of a call that does this with the inode? */
bool retry_is_last(const struct retry *retry, enum retry_kind kind, uint64_t ino, uint64_t now);

#endif
