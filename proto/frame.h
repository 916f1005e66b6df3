/*
 * frame.h: the unit of transfer over a connection. A frame has a head, which is a message of raftkv.proto, and
 * attachments: large data that is never copied into the head.
 *
 *     u32 magic  u16 type  u16 attachments  u32 head size  u32 0  u64 request  u64 checksum        little endian
 *     attachments × (u32 size, u64 checksum)
 *     head
 *     the attachments, one after the other
 *
 * The first checksum (XXH3) covers the header's other bytes, the table and the head; each attachment has its own. A
 * decoder refuses a frame that announces more than FRAME_HEAD_SIZE_MAX or FRAME_ATTACHMENTS_SIZE_MAX, and allocates memory
 * for the bytes that have arrived, not for those that are announced.
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
#define FRAME_ATTACHMENTS_SIZE_MAX (16u << 20) /* bytes of all attachments together */
#define FRAME_ROW_SIZE		   12u /* bytes of a row of the table */
/* Bytes after the header. */
#define FRAME_SIZE_MAX                                                                                       \
	(FRAME_HEAD_SIZE_MAX + FRAME_ATTACHMENTS_SIZE_MAX + (FRAME_ATTACHMENTS_MAX * FRAME_ROW_SIZE))

/* An attachment of at least a page is page-aligned in memory, so that it can be written with direct I/O. */
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
	FRAME_SPLIT, /* SplitRequest, SplitReply */
	FRAME_REPORT = 48, /* ReportRequest, ReportReply */
	FRAME_STATS, /* StatsRequest, StatsReply */
	FRAME_OVERVIEW, /* OverviewRequest, OverviewReply */
	FRAME_ADMIN, /* AdminRequest, AdminReply */
	FRAME_REGIONS, /* RegionsRequest, RegionsReply */
	FRAME_REGION_STEP, /* RegionStepRequest, RegionStepReply */
};

struct frame {
	uint16_t type;
	uint64_t request; /* 0: no answer is expected */
	struct slice head;
	struct buf **attachments;
	uint32_t attachment_count;
};

/* Encodes header, table and head of a frame; the caller sends the attachments unchanged after `*prefix`, whose reference
 * it owns. `head` NULL: none. 0, -ENOMEM, or STATUS_LIMIT: too large. */
int frame_encode(uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count, struct buf **prefix);

/* ---- Decoding, as bytes come ---- */

/* The frame is borrowed for the call; share its attachments to keep them. A negative status ends the decoding. */
typedef int (*frame_cb)(void *argument, const struct frame *frame);

enum frame_stage {
	FRAME_STAGE_HEADER,
	FRAME_STAGE_REST, /* table and head */
	FRAME_STAGE_ATTACHMENTS,
};

/* The part of a frame that is being received: table and head, or an attachment. */
struct frame_part {
	uint8_t *bytes;
	size_t size; /* bytes that it will have */
	size_t capacity; /* bytes allocated; grows with those that have arrived */
	size_t filled; /* bytes that have arrived */
};

struct frame_decoder {
	frame_cb got;
	void *argument;
	size_t size_max; /* bytes of a frame after its header; set by the owner, FRAME_SIZE_MAX at first */
	enum frame_stage stage;
	uint8_t header[FRAME_HEADER_SIZE];
	struct frame_part part;
	uint8_t *rest; /* table and head; NULL: none, or not complete */
	size_t rest_size;
	struct buf *attachments[FRAME_ATTACHMENTS_MAX]; /* the complete ones */
	uint32_t attachment_count; /* of the whole frame */
	uint32_t attachment; /* number of the one that is being received */
	/* Bytes of the frame that is being received: */
	size_t arrived; /* including the header; 0: no frame has begun */
	size_t announced; /* an upper limit, without the header; 0: not known yet */
};

void frame_decoder_init(struct frame_decoder *decoder, frame_cb got, void *argument);
void frame_decoder_close(struct frame_decoder *decoder);
/* Calls back for each complete frame. 0; STATUS_MALFORMED; STATUS_CORRUPT: a checksum is wrong; STATUS_LIMIT; -ENOMEM;
 * or the callback's status. After an error the caller must feed no more. */
int frame_decoder_feed(struct frame_decoder *decoder, struct slice bytes);
/* Bytes of memory that an incomplete frame takes: at most a few times the bytes that have arrived. */
size_t frame_decoder_held(const struct frame_decoder *decoder);

#endif
