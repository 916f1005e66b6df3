/*
 * Exactly-once writes: the session and slot rows that a region keeps among its KEY_LOCAL rows.
 *
 *   1 session           the session may change this region; the layer above defines the value
 *   2 session slot      version, sequence, status, reply: the last request of the slot and its answer
 *
 * Local keys that begin with a byte below SLOTS_KEY_FIRST_FREE are this module's; the layer above makes a session known
 * to a region by putting its row (slots_open) in an operation of session 0, and forgets it with slots_close.
 *
 * A request carries (session, slot, sequence). With the slot's sequence it gets the stored answer again. With a lower
 * sequence it is a late copy that nobody waits for, and is not evaluated. Gaps are allowed. Session 0 has no slots.
 * Neither have the sessions of clients in the store's own process (SLOTS_OWN), which never repeat a request.
 */
#ifndef RAFTKV_STORE_ROWS_SLOTS_H
#define RAFTKV_STORE_ROWS_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/rows/keys.h"
#include "store/rows/mutations.h"

#define SLOTS_KEY_FIRST_FREE 16
#define SLOTS_REPLY_MAX	     65536u /* bytes of a stored reply */
/* Bit of the session ids of clients in the store's own process. */
#define SLOTS_OWN (UINT64_C(1) << 63)

/* Whether sessions with this id have slots and need a session row. */
static inline bool slots_are_of(uint64_t session)
{
	return session > 0 && (session & SLOTS_OWN) == 0;
}

void slots_open(struct mutations *mutations, uint64_t session, struct slice value);
void slots_close(struct mutations *mutations, uint64_t session); /* removes its slots too */

/* Whether the session may change the region. 0, or the view's error. */
int slots_have(struct view *view, uint64_t session, bool *has);

enum slot_verdict {
	SLOT_NEW, /* evaluate it */
	SLOT_REPEATED, /* the answer is known */
	SLOT_PASSED, /* a later request has used the slot: the answer is -EALREADY */
};

/* Looks a request up. SLOT_REPEATED gives the stored `*outcome` and `*reply` (one reference, or NULL). 0,
 * STATUS_SESSION_UNKNOWN, or the view's error. */
int slots_find(struct view *view, uint64_t session, uint32_t slot, uint64_t sequence,
	enum slot_verdict *verdict, int *outcome, struct buf **reply);
/* Adds the answer to the mutations of its request. */
void slots_record(struct mutations *mutations, uint64_t session, uint32_t slot, uint64_t sequence,
	int outcome, struct slice reply);

/* For checks of a store: whether this module could have written a KEY_LOCAL row (the key without the store's prefix;
 * its first byte is below SLOTS_KEY_FIRST_FREE). Sets `*session`. 0 or STATUS_CORRUPT. */
int slots_check(struct slice key, struct slice value, uint64_t *session);
/* The KV engine's key of the session's row in a region. */
void slots_session_key(struct key *key, uint64_t region, uint64_t session);

#endif
