/*
 * frame.h: what goes over a connection: a head, which is a message of raftkv.proto, and attachments, large bytes that
 * are never copied into it.
 *
 *     u32 magic  u16 type  u16 attachments  u32 head size  u32 0  u64 request  u64 checksum        little endian
 *     attachments × (u32 size, u64 checksum)
 *     head
 *     the attachments, one after the other
 *
 * The first checksum (XXH3) is over the header's other bytes, the table and the head; each attachment has its own. What
 * is said to be larger than FRAME_HEAD_SIZE_MAX or FRAME_ATTACHMENTS_SIZE_MAX is refused, and memory is taken for what has
 * come, not for what is said to come.
 */
#ifndef RAFTKV_PROTO_FRAME_H
#define RAFTKV_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "proto/buf.h"

#define FRAME_HEADER_SIZE	   32u
#define FRAME_HEAD_SIZE_MAX	   (8u << 20) /* bytes */
#define FRAME_ATTACHMENTS_MAX	   256u
#define FRAME_ATTACHMENTS_SIZE_MAX (16u << 20) /* bytes, together */
#define FRAME_ROW_SIZE		   12u /* of the table */
/* Bytes behind the header. */
#define FRAME_SIZE_MAX                                                                                       \
	(FRAME_HEAD_SIZE_MAX + FRAME_ATTACHMENTS_SIZE_MAX + (FRAME_ATTACHMENTS_MAX * FRAME_ROW_SIZE))

/* Attachments of at least a page begin at one: they can be written around the page cache. */
#define FRAME_ALIGNMENT 4096u

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_HELLO_REPLY,
	FRAME_PING, /* no head */
	FRAME_PONG,
	FRAME_PEER_MESSAGES, /* PeerMessages */
	FRAME_SNAPSHOT, /* PeerMessage: MsgSnap */
	FRAME_SNAPSHOT_CHUNK, /* no head; attached: store/snapshot/snapshot_chunk.h */
	FRAME_SNAPSHOT_ANSWER, /* SnapshotAnswer */
	/* From here on: requests of clients, and their answers (rpc.h). */
	FRAME_READ = 32, /* ReadRequest, ReadReply */
	FRAME_WRITE, /* WriteRequest, WriteReply */
	FRAME_BEAT, /* BeatRequest, BeatReply */
	FRAME_ROUTES, /* RoutesRequest, RoutesReply */
	FRAME_REPORT = 48, /* ReportRequest, ReportReply */
	FRAME_STATS, /* StatsRequest, StatsReply */
	FRAME_OVERVIEW, /* OverviewRequest, OverviewReply */
	FRAME_ADMIN, /* AdminRequest, AdminReply */
};

struct frame {
	uint16_t type;
	uint64_t request; /* 0: no answer is expected */
	struct slice head;
	struct buf **attachments;
	uint32_t attachment_count;
};

/* Header, table and head of a frame with these attachments, which follow it as they are. `head` NULL: none. 0, -ENOMEM,
 * or STATUS_LIMIT: too large. */
int frame_encode(uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count, struct buf **prefix);

/* ---- Decoding, as bytes come ---- */

/* What the frame holds is borrowed for the call; share attachments to keep them. A negative status ends the decoding. */
typedef int (*frame_cb)(void *argument, const struct frame *frame);

enum frame_stage {
	FRAME_STAGE_HEADER,
	FRAME_STAGE_REST, /* table and head */
	FRAME_STAGE_ATTACHMENTS,
};

/* What is being received behind the header: the rest, or an attachment. */
struct frame_part {
	uint8_t *bytes;
	size_t size; /* that it will have */
	size_t capacity; /* grows with what has come */
	size_t filled;
};

struct frame_decoder {
	frame_cb got;
	void *argument;
	size_t size_max; /* the owner's: of a frame, behind its header; FRAME_SIZE_MAX at first */
	enum frame_stage stage;
	uint8_t header[FRAME_HEADER_SIZE];
	struct frame_part part;
	uint8_t *rest; /* table and head; NULL: none, or not complete */
	size_t rest_size;
	struct buf *attachments[FRAME_ATTACHMENTS_MAX]; /* those that are complete */
	uint32_t attachment_count; /* that the frame has */
	uint32_t attachment; /* that is being received */
	/* Of the frame that is being received, in bytes: */
	size_t arrived; /* with the header; 0: no frame has begun */
	size_t announced; /* behind the header, at most; 0: not known yet */
};

void frame_decoder_init(struct frame_decoder *decoder, frame_cb got, void *argument);
void frame_decoder_close(struct frame_decoder *decoder);
/* Calls back for each frame that is complete. 0; STATUS_MALFORMED; STATUS_CORRUPT: a checksum is wrong; STATUS_LIMIT;
 * -ENOMEM; or what the callback returned: after any but 0 nothing more may be fed. */
int frame_decoder_feed(struct frame_decoder *decoder, struct slice bytes);
/* Bytes of memory of a frame that is not complete: at most a few times what has arrived of it. */
size_t frame_decoder_held(const struct frame_decoder *decoder);

#endif
