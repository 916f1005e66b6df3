/*
 * lives.h: which directory and which life of it (data_dir.h) each other store of the cluster was last heard of with.
 *
 * A store that comes back with less than it has acknowledged would lie to a leader and vote for a log that lacks what was
 * promised. Its directory may have been made anew, or be a copy of an earlier life. So a store heeds another one, in votes
 * and acknowledgements, only from the moment that it has this life of it on record, durably: a mark of region 0 in the log.
 * The next life is taken when the directory that lives it remembers the one on record, and refused when it does not: what
 * the life on record has promised may be missing there. As stores tell each other of a new life before they say anything
 * else (net_transport.h), every store that was up meanwhile knows. A store that heard nothing of a life cannot miss it.
 *
 * What the records of region 1 say (a store is out, a later incarnation) is minded too, while the process lives.
 *
 * All on the first shard's loop, or before the loops run.
 */
#ifndef RAFTKV_STORE_TRANSPORT_LIVES_H
#define RAFTKV_STORE_TRANSPORT_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"
#include "store/engines.h"

#define LIVES_STORES_MAX 4096u /* on record */

struct raftkv;

/* What a store says of itself. */
struct life_claim {
	uint64_t store;
	uint64_t directory_id; /* 0: unknown */
	uint64_t incarnation;
	const uint64_t *lives; /* as struct ident's */
	size_t life_count; /* 0: its program knows of none */
};

/* One that waits until its life is on record. */
struct life_admission {
	/* 0, or why it cannot be on record. */
	void (*done)(struct life_admission *admission, int status);
	/* The lives': */
	struct life_admission *next;
	uint64_t version;
};

/* 0: the life is on record. STATUS_WOULD_BLOCK: it will be; then `done` comes, later, unless `admission` is NULL. Otherwise, with a sentence: -ESTALE:
 * its directory is an old copy, or was made anew, or the store is out; -EBUSY, -ENOSPC: not now. */
int raftkv_admit(struct raftkv *raftkv, const struct life_claim *claim, struct life_admission *admission,
	struct status *refusal);
/* Whether it would be admitted: 0 or -ESTALE, with a sentence. Changes nothing. */
int raftkv_judge_life(struct raftkv *raftkv, const struct life_claim *claim, struct status *refusal);
/* Another store, or the cluster, has refused this one, as -ESTALE says: it fails with that sentence. When no store has
 * this life on record (`is_known`), the directory is to forget it. Any thread; blocks; may come again and again. */
void raftkv_refused(struct raftkv *raftkv, const struct status *why, bool is_known);
/* What the cluster's records say of a store: the last incarnation and the id of the directory (0: unknown) that it entered with, and
 * whether it stays out. 0 or -ENOMEM. */
int raftkv_learn_life(
	struct raftkv *raftkv, uint64_t store, uint64_t incarnation, uint64_t directory_id, bool is_out);

/* ---- For raftkv.c ---- */

struct life_record {
	uint64_t store;
	uint64_t directory_id; /* 0: unknown */
	uint64_t incarnation, life; /* 0: none yet */
};

struct life_entry {
	struct life_record record; /* durable once `durable` has reached `version` */
	uint64_t version;
	uint64_t entered; /* the incarnation that region 1 has */
	bool is_out;
};

struct lives {
	struct engines *engines;
	struct env_loop *loop;
	/* The owner's: nothing is admitted, and nothing is on its way any more; on the loop. */
	void (*stopped)(void *argument);
	void *stopped_argument;
	struct life_entry *entries; /* in no order */
	uint32_t count, capacity;
	uint64_t version; /* of the newest change */
	uint64_t writing, durable; /* versions; what is on its way, what is on disk */
	bool is_writing, is_stopping;
	struct buf *bytes; /* on their way */
	struct log_mark mark;
	struct log_write write;
	struct life_admission *first, **end; /* that wait, in the order of their versions */
};

/* Reads what is on record. Blocks. */
int lives_open(struct lives *lives, struct engines *engines, struct env_loop *loop, struct status *status);
/* As raftkv_admit, raftkv_judge_life and raftkv_learn_life. */
int lives_admit(struct lives *lives, const struct life_claim *claim, struct life_admission *admission,
	struct status *refusal);
int lives_judge(const struct lives *lives, const struct life_claim *claim, struct status *refusal);
int lives_learn(
	struct lives *lives, uint64_t store, uint64_t incarnation, uint64_t directory_id, bool is_out);
/* Nothing is admitted any more; `stopped` when nothing is on its way. */
void lives_stop(struct lives *lives);
void lives_close(struct lives *lives);

#define LIVES_SIZE_MAX (16u + LIVES_STORES_MAX * 32u) /* bytes of the mark */
/* The mark as bytes, for lives.c and its tests: 0 or STATUS_CORRUPT. */
int lives_decode(struct lives *lives, struct slice bytes);
int lives_encode(const struct lives *lives, struct buf **bytes);

#endif
