/*
 * records.h: a cluster's own records, in rows of region 1's KEY_LOCAL (keys.h): sessions, stores, counters.
 *
 * Each value begins with a format version; decoding validates everything and borrows from the row's bytes.
 */
#ifndef RAFTKV_FS_SCHEMA_RECORDS_H
#define RAFTKV_FS_SCHEMA_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/coder.h"
#include "store/rows/mutations.h"
#include "store/kv/view.h"

#define CLUSTER_REGION		UINT64_C(1) /* the region that has the records */
#define SESSION_COUNT_MAX	4096u /* EUSERS past it */
#define STORE_COUNT_MAX		256u /* ENOSPC past it */
#define REGISTRATIONS_MAX	1024u /* of a session; past it, ranges are joined with what is between them */
#define RECORD_HOST_SIZE_MAX	255u /* bytes of a host's name */
#define RECORD_PATH_SIZE_MAX	4095u /* bytes of a mount point */
#define RECORD_ADDRESS_SIZE_MAX 255u /* bytes of "host:port" or "unix:/path" */
#define RECORD_SIZE_MAX		8192u /* bytes of a row */

/* A counter of ids has the last one drawn; no id is drawn twice. */
enum counter_kind {
	COUNTER_SESSION = 's',
	COUNTER_STORE = 't',
	COUNTER_REPLICA = 'r',
	COUNTER_REGION = 'g', /* region_id_drawn says which id a number is */
	COUNTER_INODES = 'i', /* not of ids: below, "The number of inodes" */
	/* Not of ids: how many OP_SESSION_FORGETs a region has had. Both halves of a split have the count. */
	COUNTER_FORGETS = 'f',
};

/* The first id of a region that was not there when the cluster began. Those that were have ids from 1 to
 * raftkv_options.initial_regions, a number of 32 bits. */
#define REGION_ID_FIRST_DRAWN (UINT64_C(1) << 32)

/* The id for a number drawn from COUNTER_REGION. */
static inline uint64_t region_id_drawn(uint64_t number)
{
	return REGION_ID_FIRST_DRAWN + number - 1;
}

enum session_state {
	SESSION_LIVE = 1,
	SESSION_DYING, /* regions no longer admit it; its locks and holds are being dropped */
};

/* A mount. */
struct session_record {
	enum session_state state;
	uint32_t pid;
	struct slice host;
	struct slice mount_point;
	struct fs_time opened;
};

enum store_state {
	STORE_UP = 1,
	STORE_DRAINING, /* gets no new replicas, and loses those it has */
	STORE_REMOVED, /* its id is never used again */
	STORE_LOST, /* its data is gone; its replicas are made anew on other stores, then it is removed */
};

struct store_record {
	enum store_state state;
	uint64_t incarnation; /* of its data directory: grows with each start; 0: it was never started */
	uint64_t directory_id; /* of its data directory: one with another id is not this store; 0: unknown */
	struct slice address; /* where peers and clients reach it */
	uint64_t replacement; /* the store that is to get its replicas; 0: any */
};

/* Is it the directory that is on record? Yes also when either id is unknown. */
static inline bool store_directory_fits(uint64_t known, uint64_t directory_id)
{
	return known == 0 || directory_id == 0 || known == directory_id;
}

/* A range of dirids, of which a session may have a row in any region (op_session_register). Those of one session do not
 * touch each other. The first begins at 0, as region 1 does. A session that has none was opened by a version that did
 * not register: each region may know it. */
struct registration {
	uint64_t start, end;
};

/* Does a store in this state belong to the cluster? Then no other store may have its address. */
static inline bool store_state_is_in(enum store_state state)
{
	return state == STORE_UP || state == STORE_DRAINING;
}

void code_session_record(struct coder *coder, struct session_record *record);
void code_store_record(struct coder *coder, struct store_record *record);

/* 0; STATUS_CORRUPT: the fields break a rule that decoding checks; or the writer's status. */
int session_record_encode(const struct session_record *record, struct writer *writer);
int session_record_decode(struct slice row, struct session_record *record); /* 0 or STATUS_CORRUPT */
int store_record_encode(const struct store_record *record, struct writer *writer);
int store_record_decode(struct slice row, struct store_record *record);
/* The row has the end of the range; the key has the start. */
void registration_encode(uint64_t end, struct writer *writer);
/* Of a row and its key. 0 or STATUS_CORRUPT. */
int registration_decode(
	struct slice key, struct slice row, uint64_t *session, struct registration *registration);
void counter_encode(uint64_t last, struct writer *writer);
int counter_decode(struct slice row, uint64_t *last);
/* 0 and `*last`, which is 0 when there is no row; or STATUS_CORRUPT, or what the view returned. */
int counter_read(struct view *view, enum counter_kind kind, uint64_t *last);
void counter_put(struct mutations *mutations, enum counter_kind kind, uint64_t last);

/*
 * ---- The number of inodes ----
 *
 * Each region has a count in COUNTER_INODES: how many inodes it has gained, less those it has lost. A split leaves the
 * count with the lower half, and the upper half begins at 0, though it has inodes already. So a count may be negative,
 * and only the sum over all regions is exact. A region without a row and without files has just begun, and counts 0. Where
 * another one has no row, the sum is unknown.
 */

int inode_count_decode(struct slice row, int64_t *count); /* 0 or STATUS_CORRUPT */
struct slice inode_count_zero(void); /* the row of the count 0; static */
/* STATUS_NOT_FOUND: the region does not count. As counter_read otherwise. */
int inode_count_read(struct view *view, int64_t *count);
/* The same, and 0 for a region that has just begun. `start`: the least key of its range. */
int inode_count_read_from(struct view *view, struct slice start, int64_t *count);
void inode_count_put(struct mutations *mutations, int64_t count);

#endif
