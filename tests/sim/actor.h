/*
 * actor.h: somebody who uses files through a mount: one operation at a time, then a rest. What it does is its work's
 * (work.h) to choose; what an answer means is said here, for all works.
 *
 * An actor belongs to one process of a mount; when that is killed it is left behind, and whatever it had asked stays open.
 */
#ifndef RAFTKV_TESTS_SIM_ACTOR_H
#define RAFTKV_TESTS_SIM_ACTOR_H

#include "tests/sim/mount.h"
#include "tests/lib/history.h"

#define ACTOR_BYTES_MAX (256u << 10) /* of a file that is read */

struct work;
struct actor;

enum answer_kind {
	ANSWER_DONE, /* it took effect, with `error` as POSIX says */
	ANSWER_NEVER, /* it was refused, and has no effect */
	ANSWER_OPEN, /* nobody knows */
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
	uint32_t number; /* of the run: for people */
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
	uint8_t *bytes; /* ACTOR_BYTES_MAX, that were read */

	/* Its work's: what it is at. */
	struct history *history;
	size_t operation; /* of the history */
	uint64_t session; /* that it has a lock, or holds something, by */
	uint64_t ino;
	uint64_t value;
	uint64_t other;
	uint64_t mask;
	uint64_t *made; /* where the ino of what it makes goes */
	char name[32]; /* borrowed by its request */

	/* Instead of any operations: these, one after the other. */
	bool (*sweep)(struct actor *actor, uint32_t step);
	uint32_t step;
	void *own; /* of a work whose actors have something to themselves */
	bool is_idle; /* it has nothing more to do */
};

void actor_init(struct actor *actor, struct mount *mount, uint32_t number, struct work *work, uint64_t rest);
/* On the mount's loop, or before it runs: after a rest `next` is called. */
void actor_rest(struct actor *actor, void (*next)(struct actor *actor));

/* One request at a time; `answered` comes on the loop. Takes `payload` (may be NULL). */
void actor_call(struct actor *actor, const struct op *op, struct buf *payload, actor_cb answered);
/* The whole file into `bytes`: `finding->count`. */
void actor_read_file(struct actor *actor, uint64_t ino, actor_cb answered);
void actor_lookup(struct actor *actor, uint64_t directory, const char *name, actor_cb answered); /* borrows */
void actor_look_at(struct actor *actor, uint64_t ino, actor_cb answered); /* its attributes */
/* Every name but "." and ".." is given to `named`, then `answered`; `mask` is zeroed when the names begin (again). */
void actor_list(struct actor *actor, uint64_t directory, actor_name_cb named, actor_cb answered);

/* Enters the answer of the actor's operation into its history. */
void actor_enter(struct actor *actor, const struct answer *answer, uint64_t result);

#endif
