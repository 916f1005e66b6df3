/* A connection's bytes, whatever they are: frames come out of it or it is refused; heads are messages or are not. */
#include <stdlib.h>

#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"

static int on_frame(void *argument, const struct frame *frame)
{
	Raftkv__PeerMessages *messages;
	Raftkv__Hello *hello;
	size_t size = 0;

	(void)argument;
	for (uint32_t i = 0; i < frame->attachment_count; i++)
		size += frame->attachments[i]->size;
	if (size > FRAME_ATTACHMENTS_SIZE_MAX || frame->head.size > FRAME_HEAD_SIZE_MAX)
		abort();
	messages = raftkv__peer_messages__unpack(NULL, frame->head.size, frame->head.data);
	if (messages)
		raftkv__peer_messages__free_unpacked(messages, NULL);
	hello = raftkv__hello__unpack(NULL, frame->head.size, frame->head.data);
	if (hello)
		raftkv__hello__free_unpacked(hello, NULL);
	return 0;
}

/* The first byte says into which pieces the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size > 0 ? (size_t)data[0] * 4 + 1 : 1;
	struct frame_decoder decoder;
	int status = 0;

	frame_decoder_init(&decoder, on_frame, NULL);
	for (size_t at = 1; at < size && status == 0; at += piece)
		status = frame_decoder_feed(
			&decoder, slice_of(data + at, size - at < piece ? size - at : piece));
	if (status > 0)
		abort();
	frame_decoder_close(&decoder);
	return 0;
}
