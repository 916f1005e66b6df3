/*
 * lives.h: records for each other store of the cluster its directory and the directory's last known life (data_dir.h).
 *
 * A store that returns without data that it has acknowledged would mislead a leader and vote for a log that lacks
 * committed entries. Its directory may have been made anew, or be a copy of an earlier life. So a store accepts
 * messages from another store only once that store's life is recorded durably, in a mark of region 0 in the log. A new
 * life is accepted if its directory remembers the recorded life. It is refused if not, because state that the recorded
 * life has acknowledged may be missing. Stores tell each other of a new life before they send anything else
 * (net_transport.h), so every store that was up meanwhile knows of it. A store that never heard of a life has relied on
 * nothing that it acknowledged.
 *
 * The cluster's records in region 1 (a store is out, a later incarnation) also count, while the process runs.
 *
 * All calls on the first shard's loop, or before the loops run.
 */
#ifndef RAFTKV_STORE_TRANSPORT_LIVES_H
#define RAFTKV_STORE_TRANSPORT_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"
#include "store/engines.h"

#define LIVES_STORES_MAX 4096u /* stores on record */

struct raftkv;

/* A store's statement about itself. */
struct life_claim {
	uint64_t store;
	uint64_t directory_id; /* 0: unknown */
	uint64_t incarnation;
	const uint64_t *lives; /* as in struct ident */
	size_t life_count; /* 0: its program is too old to have lives */
};

/* A caller that waits until a life is on record. */
struct life_admission {
	/* 0, or the reason why the life cannot be recorded. */
	void (*done)(struct life_admission *admission, int status);
	/* Used by lives.c: */
	struct life_admission *next;
	uint64_t version;
};

/* Admits the claimed life. 0: it is on record. STATUS_WOULD_BLOCK: it is being recorded, and `done` is called later,
 * unless `admission` is NULL. Errors, with a sentence: -ESTALE: the directory is an old copy or was made anew, or the
 * store is out; -EBUSY, -ENOSPC: retry later. */
int raftkv_admit(struct raftkv *raftkv, const struct life_claim *claim, struct life_admission *admission,
	struct status *refusal);
/* Whether the claim would be admitted: 0, or -ESTALE with a sentence. Changes nothing. */
int raftkv_judge_life(struct raftkv *raftkv, const struct life_claim *claim, struct status *refusal);
/* Another store, or the cluster, has refused this one with -ESTALE: this store fails with that sentence. Unless a store
 * has this life on record (`is_known`), the directory forgets the life. Any thread; blocks; may be called
 * repeatedly. */
void raftkv_refused(struct raftkv *raftkv, const struct status *why, bool is_known);
/* Takes the cluster's record of a store: the last incarnation and the directory id (0: unknown) with which it entered,
 * and whether it is out. 0 or -ENOMEM. */
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
	uint64_t entered; /* the incarnation in region 1 */
	bool is_out;
};

struct lives {
	struct engines *engines;
	struct env_loop *loop;
	/* Set by the owner, called on the loop once no admission and no write is left after lives_stop. */
	void (*stopped)(void *argument);
	void *stopped_argument;
	struct life_entry *entries; /* in no order */
	uint32_t count, capacity;
	uint64_t version; /* of the newest change */
	uint64_t writing, durable; /* the versions being written and on disk */
	bool is_writing, is_stopping;
	struct buf *bytes; /* the record being written */
	struct log_mark mark;
	struct log_write write;
	struct life_admission *first, **end; /* waiting admissions, in the order of their versions */
};

/* Reads the recorded lives. Blocks. */
int lives_open(struct lives *lives, struct engines *engines, struct env_loop *loop, struct status *status);
/* As raftkv_admit, raftkv_judge_life and raftkv_learn_life. */
int lives_admit(struct lives *lives, const struct life_claim *claim, struct life_admission *admission,
	struct status *refusal);
int lives_judge(const struct lives *lives, const struct life_claim *claim, struct status *refusal);
int lives_learn(
	struct lives *lives, uint64_t store, uint64_t incarnation, uint64_t directory_id, bool is_out);
/* Ends admissions; calls `stopped` when no write is in flight. */
void lives_stop(struct lives *lives);
void lives_close(struct lives *lives);

#define LIVES_SIZE_MAX (16u + LIVES_STORES_MAX * 32u) /* bytes of the mark */
/* The mark's value, public for tests. 0, -ENOMEM or STATUS_CORRUPT. */
int lives_decode(struct lives *lives, struct slice bytes);
int lives_encode(const struct lives *lives, struct buf **bytes);

#endif
