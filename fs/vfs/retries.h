/*
 * retries.h: threads whose call was answered with ESTALE and is tried again by the kernel. LOOKUP and stale.c keep the
 * notes.
 *
 * The kernel caches names for a while after another mount has changed them. When an operation on an inode that it found
 * by such a name fails with ESTALE, it walks the path once more and looks up every name; an error of this second try
 * goes to the program. The notes tell the two tries apart. The second try is about the same inode, if no name led to it
 * (a working directory, /proc/self/fd), or about an inode that was found since.
 *
 * A call that fails during the second walk leaves its note behind. So a note counts only for calls of its kind, except
 * within a millisecond.
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
	RETRY_PLACE, /* makes or removes a name in it */
	RETRY_LOOK, /* reads or changes its attributes */
};

/* The note about one thread. */
struct retry {
	uint32_t thread;
	enum retry_kind kind; /* of the call that failed with ESTALE; RETRY_NONE: there was none */
	uint64_t told[2]; /* inodes that the ESTALE was about; 0: none */
	uint64_t found[2]; /* inodes found by name since then, the last one first; 0: none */
	uint64_t found_at; /* env_now, of the last one */
	/* The directory in which the last lookup found no name; 0: none. The same name is looked up again or made,
	 * or the call ends. */
	uint64_t missed_in;
};

struct retries *retries_new(void); /* NULL: no memory */
void retries_free(struct retries *retries); /* may be NULL */

/* The thread's call fails with ESTALE about `ino` and `other` (0: none). Thread 0 is not noted. */
void retries_note(
	struct retries *retries, uint32_t thread, enum retry_kind kind, uint64_t ino, uint64_t other);
/* The thread looks up a name in `parent`. */
void retries_look_up(struct retries *retries, uint32_t thread, uint64_t parent);
/* The lookup found an inode. */
void retries_found(struct retries *retries, uint32_t thread, uint64_t ino, uint64_t now);
/* The lookup found no name. */
void retries_missed(struct retries *retries, uint32_t thread, uint64_t parent);
/* The thread's note; zeroes: there is none. */
struct retry retries_of(struct retries *retries, uint32_t thread);
/* Takes out the thread's note, when the call that it is about ends. */
struct retry retries_take(struct retries *retries, uint32_t thread);

/* Whether a call of this kind on `ino`, by the thread with this note, is its second try. */
bool retry_is_last(const struct retry *retry, enum retry_kind kind, uint64_t ino, uint64_t now);

#endif
