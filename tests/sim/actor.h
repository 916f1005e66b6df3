/*
 * actor.h: a user of files through a mount, which does one operation at a time and then rests. Its work (work.h) chooses
 * the operations; the meaning of an answer is defined here, for all works.
 *
 * An actor belongs to one process of a mount. When that is killed the actor is abandoned, and its operation stays open.
 */
#ifndef RAFTKV_TESTS_SIM_ACTOR_H
#define RAFTKV_TESTS_SIM_ACTOR_H

#include "tests/sim/mount.h"
#include "tests/lib/history.h"

#define ACTOR_BYTES_MAX (256u << 10) /* of a file, that one read returns */

struct work;
struct actor;

enum answer_kind {
	ANSWER_DONE, /* it took effect, with `error` as POSIX says */
	ANSWER_NEVER, /* it was refused, and has no effect */
	ANSWER_OPEN, /* it is not known whether it took effect */
};

struct answer {
	enum answer_kind kind;
	int error; /* 0 or -errno */
	const struct op_reply *reply; /* of a change, done; borrowed */
	const struct finding *finding; /* of a question, done */
};

typedef void (*actor_cb)(struct actor *actor, const struct answer *answer);
typedef void (*actor_name_cb)(struct actor *actor, struct slice name, uint64_t ino);

struct actor {
	struct mount *mount;
	uint32_t number; /* within the run, for people */
	struct work *work;
	struct env_timer timer;
	uint64_t rest; /* ns between operations, at most */
	void (*next)(struct actor *actor); /* after the rest */

	/* Its request. */
	struct client_call call;
	struct client_read read;
	struct finding finding;
	actor_cb answered;
	actor_name_cb named; /* of a directory's entries */
	bool is_waiting; /* for an answer */
	uint64_t asked; /* world time */
	uint8_t *bytes; /* ACTOR_BYTES_MAX, that were read */

	/* For the work: the state of the present operation. */
	struct history *history;
	size_t operation; /* its number in the history */
	uint64_t session; /* the session by which it has a lock, or holds a file */
	uint64_t ino;
	uint64_t value;
	uint64_t other;
	uint64_t mask;
	uint64_t *made; /* receives the ino of the file that it makes */
	char name[32]; /* borrowed by its request */

	/* If set: these operations, one after the other, instead of random ones. */
	bool (*sweep)(struct actor *actor, uint32_t step);
	uint32_t step;
	void *own; /* for a work that keeps memory for each actor */
	bool is_idle; /* it has nothing more to do */
};

void actor_init(struct actor *actor, struct mount *mount, uint32_t number, struct work *work, uint64_t rest);
/* Calls `next` after a rest. On the mount's loop, or before it runs. */
void actor_rest(struct actor *actor, void (*next)(struct actor *actor));

/* Makes a request, one at a time; `answered` comes on the loop. Takes `payload` (may be NULL). */
void actor_call(struct actor *actor, const struct op *op, struct buf *payload, actor_cb answered);
/* Reads the whole file into `bytes`; its size is `finding->count`. */
void actor_read_file(struct actor *actor, uint64_t ino, actor_cb answered);
void actor_lookup(struct actor *actor, uint64_t directory, const char *name, actor_cb answered); /* borrows */
void actor_look_at(struct actor *actor, uint64_t ino, actor_cb answered); /* its attributes */
/* Calls `named` with every name but "." and "..", then `answered`; zeroes `mask` when the names begin (again). */
void actor_list(struct actor *actor, uint64_t directory, actor_name_cb named, actor_cb answered);

/* Records the answer to the actor's operation in the history. */
void actor_enter(struct actor *actor, const struct answer *answer, uint64_t result);

#endif
