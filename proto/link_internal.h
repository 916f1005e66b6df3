/* What proto/link.c and proto/link_greeting.c share; nobody else includes it. */
#ifndef RAFTKV_PROTO_LINK_INTERNAL_H
#define RAFTKV_PROTO_LINK_INTERNAL_H

#include "proto/link.h"

struct link {
	const struct link_self *self;
	struct env_loop *loop;
	struct env_stream *stream;
	struct link_handlers handlers;
	struct frame_decoder decoder;
	struct env_timer timer;
	Raftkv__Hello hello; /* to be said when connected; of an accepted link, unused */
	bool is_accepted;
	bool is_greeted; /* both sides agree */
	bool is_deferred; /* link_answer is to come */
	bool is_refusing; /* closes when the refusal has gone */
	bool is_closing;
	bool is_paused; /* by the owner */
	bool was_full; /* link_send has said STATUS_LIMIT since it drained */
	size_t queued; /* bytes of memory */
	uint64_t heard, spoken; /* env_now */
	uint32_t greeting_ticks; /* since it began */
	uint32_t slow_ticks; /* in which little came of the frame that is being received */
	size_t arrived; /* of that frame, at the last tick */
	uint64_t frames; /* that have been received */
	struct budget *budget; /* NULL: none */
	struct budget_claim claim; /* of the frame that is being received */
	uint64_t claimed_frame; /* `frames` when that was made */
	struct status why;
};

/* ---- link.c ---- */

void link_end(struct link *link, int code, const char *sentence);
int link_send_frame(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t count);

/* ---- link_greeting.c ---- */

void link_say_hello(struct link *link); /* of a link that is connected */
int link_on_hello(struct link *link, const struct frame *frame);
int link_on_hello_reply(struct link *link, const struct frame *frame);

#endif
