/* Shared by proto/link.c and proto/link_greeting.c; no other file includes it. */
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
	Raftkv__Hello hello; /* sent when connected; unused on an accepted link */
	bool is_accepted;
	bool is_greeted; /* the greeting is complete, and nobody refused */
	bool is_deferred; /* link_answer is to come */
	bool is_refusing; /* the link closes when the refusal has been sent */
	bool is_closing;
	bool is_paused; /* by the owner */
	bool was_full; /* link_send has returned STATUS_LIMIT, and `drained` has not come yet */
	size_t queued; /* bytes of memory that wait to be sent */
	uint64_t heard, spoken; /* env_now of the last bytes received and of the last frame sent */
	uint32_t greeting_ticks; /* since the link began */
	uint32_t slow_ticks; /* ticks in which few bytes came of the frame that is being received */
	size_t arrived; /* bytes of that frame at the last tick */
	uint64_t frames; /* number of frames received */
	struct budget *budget; /* NULL: none */
	struct budget_claim claim; /* for the frame that is being received */
	uint64_t claimed_frame; /* `frames` when the claim was made */
	struct status why;
};

/* ---- link.c ---- */

void link_end(struct link *link, int code, const char *sentence);
int link_send_frame(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t count);

/* ---- link_greeting.c ---- */

void link_say_hello(struct link *link); /* the link is connected */
int link_on_hello(struct link *link, const struct frame *frame);
int link_on_hello_reply(struct link *link, const struct frame *frame);

#endif
