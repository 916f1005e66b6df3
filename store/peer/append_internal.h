/* append_internal.h: shared by append.c and append_early.c. */
#ifndef RAFTKV_STORE_PEER_APPEND_INTERNAL_H
#define RAFTKV_STORE_PEER_APPEND_INTERNAL_H

#include "store/peer/append.h"
#include "store/peer/peer_internal.h"

enum append_state {
	APPEND_WAITING, /* for its payloads or its turn */
	APPEND_SUBMITTED,
	APPEND_DONE,
};

struct append {
	struct append *next;
	struct peer *peer;
	struct raft_message message;
	enum append_state state;
	bool is_placed; /* its payloads have extents */
	bool has_cut; /* `replaced` is filled in */
	bool needs_write;
	bool is_installed; /* its snapshot, if it has one */
	uint32_t payloads_pending;
	struct raft_hard_state hard_state;
	struct slice *beside; /* per entry; NULL: no entry has a payload */
	struct payload *replaced; /* of entries that this append cuts off */
	struct log_write write;
	/* Answered early (append_early.c): */
	uint64_t tail_number; /* of its record in the tail; 0: it was not */
	uint8_t *
		beside_copy; /* what `beside` names, because the payloads are gone once the entries are applied */
	size_t responded; /* responses that were released already */
};

/* Before the append is given to the log: takes it into the tail, if its entries may be committed before the log is
 * durable. Nobody waits for the log then, so its write may wait. */
void append_take_early(struct append *append);
/* After that: releases the responses that commit them. */
void append_respond_early(struct append *append);
/* The log has it durably. */
void append_settle_early(struct append *append);

#endif
