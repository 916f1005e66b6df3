/*
 * Exactly once: the session and slot rows that a region keeps among its KEY_LOCAL rows.
 *
 *   1 session           the session may change this region; its value is the layer's above
 *   2 session slot      version, sequence, status, reply: the last request of the slot and its answer
 *
 * Local keys that begin with a byte below SLOTS_KEY_FIRST_FREE are this module's; the layer above makes a session known
 * to a region by putting its row (slots_open) in an operation of session 0, and forgets it with slots_close.
 *
 * A request carries (session, slot, sequence). One whose sequence is the slot's gets the answer again; one below is a
 * late copy that nobody waits for and is never evaluated; gaps are allowed. Session 0 has no slots, nor have those of
 * clients in the store's own process (SLOTS_OWN), which never send a request again.
 */
#ifndef RAFTKV_STORE_ROWS_SLOTS_H
#define RAFTKV_STORE_ROWS_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/rows/keys.h"
#include "store/rows/mutations.h"

#define SLOTS_KEY_FIRST_FREE 16
#define SLOTS_REPLY_MAX	     65536u /* bytes of a reply that is kept */
#define SLOTS_OWN	     (UINT64_C(1) << 63) /* in the id of a session that nobody gave */

/* Does a session with this id have slots, and a row that lets it in? */
static inline bool slots_are_of(uint64_t session)
{
	return session > 0 && (session & SLOTS_OWN) == 0;
}

void slots_open(struct mutations *mutations, uint64_t session, struct slice value);
void slots_close(struct mutations *mutations, uint64_t session); /* and all of its slots */

enum slot_verdict {
	SLOT_NEW, /* evaluate it */
	SLOT_REPEATED, /* the answer is known */
	SLOT_PASSED, /* a later request has used the slot: -EALREADY to whoever asks */
};

/* Looks a request up. SLOT_REPEATED gives the `*outcome` and `*reply` (one reference, or NULL) of then.
 * 0, STATUS_SESSION_UNKNOWN, or the view's error. */
int slots_find(struct view *view, uint64_t session, uint32_t slot, uint64_t sequence,
	enum slot_verdict *verdict, int *outcome, struct buf **reply);
/* Logs the answer beside the request's own mutations. */
void slots_record(struct mutations *mutations, uint64_t session, uint32_t slot, uint64_t sequence,
	int outcome, struct slice reply);

/* For who checks a store: is this KEY_LOCAL row (its key without the store's prefix), whose first byte is below
 * SLOTS_KEY_FIRST_FREE, one that this module could have written? Its session goes to `*session`. 0 or STATUS_CORRUPT. */
int slots_check(struct slice key, struct slice value, uint64_t *session);
/* Where the KV engine has the session's row of a region. */
void slots_session_key(struct key *key, uint64_t region, uint64_t session);

#endif
