/* Frames: whole, in pieces of any size, cut short, with flipped bits, and too large. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"
#include "tests/lib/test.h"

#define ATTACHMENTS 3

struct fixture {
	struct buf *attachments[ATTACHMENTS];
	struct frame_decoder decoder;
	int frames;
	uint64_t request;
};

static int on_frame(void *argument, const struct frame *frame)
{
	struct fixture *fixture = argument;
	Raftkv__Hello *hello = raftkv__hello__unpack(NULL, frame->head.size, frame->head.data);

	assert_non_null(hello);
	assert_int_equal(hello->store, 77);
	raftkv__hello__free_unpacked(hello, NULL);
	assert_int_equal(frame->type, FRAME_HELLO);
	assert_int_equal(frame->attachment_count, ATTACHMENTS);
	for (uint32_t i = 0; i < ATTACHMENTS; i++) {
		assert_int_equal(frame->attachments[i]->size, fixture->attachments[i]->size);
		assert_memory_equal(frame->attachments[i]->data, fixture->attachments[i]->data,
			frame->attachments[i]->size);
		if (frame->attachments[i]->size >= FRAME_ALIGNMENT)
			assert_int_equal((uintptr_t)frame->attachments[i]->data % FRAME_ALIGNMENT, 0);
	}
	fixture->frames++;
	fixture->request = frame->request;
	return 0;
}

static int set_up(void **state)
{
	static const size_t sizes[ATTACHMENTS] = {1, 4096, 70001};
	struct fixture *fixture = calloc(1, sizeof *fixture);

	for (uint32_t i = 0; i < ATTACHMENTS; i++) {
		fixture->attachments[i] = buf_new(sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			((uint8_t *)fixture->attachments[i]->data)[k] = (uint8_t)(k * 7 + i);
	}
	frame_decoder_init(&fixture->decoder, on_frame, fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	frame_decoder_close(&fixture->decoder);
	for (uint32_t i = 0; i < ATTACHMENTS; i++)
		buf_unref(fixture->attachments[i]);
	free(fixture);
	return 0;
}

/* A whole frame as bytes. */
static struct buf *make(struct fixture *fixture, uint64_t request)
{
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;
	struct buf *prefix, *all;
	size_t size;

	hello.store = 77;
	assert_int_equal(
		frame_encode(FRAME_HELLO, request, &hello.base, fixture->attachments, ATTACHMENTS, &prefix),
		0);
	size = prefix->size;
	for (uint32_t i = 0; i < ATTACHMENTS; i++)
		size += fixture->attachments[i]->size;
	all = buf_new(size);
	memcpy(all->data, prefix->data, prefix->size);
	size = prefix->size;
	for (uint32_t i = 0; i < ATTACHMENTS; i++) {
		memcpy((uint8_t *)all->data + size, fixture->attachments[i]->data,
			fixture->attachments[i]->size);
		size += fixture->attachments[i]->size;
	}
	buf_unref(prefix);
	return all;
}

static void frames_come_in_pieces(void **state)
{
	struct fixture *fixture = *state;
	struct buf *bytes = make(fixture, 5);
	int frames = 0;

	for (size_t piece = 1; piece < bytes->size * 2; piece = piece * 3 + 1) {
		for (size_t at = 0; at < bytes->size; at += piece) {
			size_t size = bytes->size - at < piece ? bytes->size - at : piece;

			assert_int_equal(fixture->frames, frames);
			assert_int_equal(frame_decoder_feed(&fixture->decoder,
						 slice_of((uint8_t *)bytes->data + at, size)),
				0);
		}
		assert_int_equal(fixture->frames, ++frames);
		assert_int_equal(fixture->request, 5);
	}
	buf_unref(bytes);
}

static int on_empty(void *argument, const struct frame *frame)
{
	assert_int_equal(frame->type, FRAME_PING);
	assert_int_equal(frame->head.size, 0);
	assert_int_equal(frame->attachment_count, 0);
	return ++*(int *)argument == 2 ? -ECANCELED : 0;
}

static void a_frame_may_be_empty_and_a_callback_may_end_it(void **state)
{
	struct frame_decoder decoder;
	uint8_t bytes[3 * FRAME_HEADER_SIZE];
	struct buf *prefix;
	int count = 0;

	(void)state;
	assert_int_equal(frame_encode(FRAME_PING, 0, NULL, NULL, 0, &prefix), 0);
	assert_int_equal(prefix->size, FRAME_HEADER_SIZE);
	for (size_t i = 0; i < 3; i++)
		memcpy(bytes + i * FRAME_HEADER_SIZE, prefix->data, FRAME_HEADER_SIZE);
	frame_decoder_init(&decoder, on_empty, &count);
	assert_int_equal(frame_decoder_feed(&decoder, slice_of(bytes, sizeof bytes)), -ECANCELED);
	assert_int_equal(count, 2);
	frame_decoder_close(&decoder);
	buf_unref(prefix);
}

/* Whichever byte is changed, no frame is decoded; only a changed size of the head may make the decoder wait for more. */
static void a_flipped_bit_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct buf *bytes = make(fixture, 5);
	uint8_t *data = bytes->data;

	for (size_t at = 0; at < bytes->size; at += at < 200 ? 1 : 997) {
		struct frame_decoder decoder;

		data[at] ^= 0x20;
		frame_decoder_init(&decoder, on_frame, fixture);
		frame_decoder_feed(&decoder, buf_slice(bytes));
		assert_int_equal(fixture->frames, 0);
		frame_decoder_close(&decoder);
		data[at] ^= 0x20;
	}
	buf_unref(bytes);
}

static void sizes_have_limits(void **state)
{
	struct fixture *fixture = *state;
	struct buf *large[2] = {
		buf_new(FRAME_ATTACHMENTS_SIZE_MAX / 2), buf_new(FRAME_ATTACHMENTS_SIZE_MAX / 2 + 1)};
	struct buf **many = calloc(FRAME_ATTACHMENTS_MAX + 1, sizeof(struct buf *));
	struct buf *prefix, *bytes = make(fixture, 1);
	uint8_t *data = bytes->data;

	memset(large[0]->data, 0, large[0]->size);
	memset(large[1]->data, 0, large[1]->size);
	assert_int_equal(frame_encode(FRAME_PING, 0, NULL, large, 1, &prefix), 0);
	buf_unref(prefix);
	assert_int_equal(frame_encode(FRAME_PING, 0, NULL, large, 2, &prefix), STATUS_LIMIT);
	assert_null(prefix);
	for (uint32_t i = 0; i <= FRAME_ATTACHMENTS_MAX; i++)
		many[i] = fixture->attachments[0];
	assert_int_equal(
		frame_encode(FRAME_PING, 0, NULL, many, FRAME_ATTACHMENTS_MAX + 1, &prefix), STATUS_LIMIT);
	free(many);
	data[11] = 0x7f; /* the head's size: 2 GiB */
	assert_int_equal(frame_decoder_feed(&fixture->decoder, buf_slice(bytes)), STATUS_LIMIT);
	buf_unref(bytes);
	buf_unref(large[0]);
	buf_unref(large[1]);
}

/* Feeds all but the last byte in pieces. */
static void feed_and_watch(struct frame_decoder *decoder, const struct buf *bytes, size_t piece)
{
	for (size_t at = 0; at < bytes->size - 1; at += piece) {
		size_t size = bytes->size - 1 - at < piece ? bytes->size - 1 - at : piece;

		assert_int_equal(frame_decoder_feed(decoder, slice_of((uint8_t *)bytes->data + at, size)), 0);
		assert_int_equal(decoder->arrived, at + size);
		assert_true(frame_decoder_held(decoder) <= 4096 + 4 * decoder->arrived);
		assert_true(decoder->announced == 0 ||
			    decoder->arrived <= FRAME_HEADER_SIZE + decoder->announced);
	}
}

/* The memory taken does not depend on what a header announces. */
static void memory_grows_with_what_comes(void **state)
{
	Raftkv__HelloReply head = RAFTKV__HELLO_REPLY__INIT;
	struct frame_decoder decoder;
	struct buf *attachment = buf_new(3u << 20), *prefix, *bytes;
	char *text = calloc(1, 5u << 20);

	(void)state;
	memset(text, 'x', (5u << 20) - 1);
	memset(attachment->data, 7, attachment->size);
	head.refusal = text;
	assert_int_equal(frame_encode(FRAME_HELLO_REPLY, 0, &head.base, &attachment, 1, &prefix), 0);
	bytes = buf_new(prefix->size + attachment->size);
	memcpy(bytes->data, prefix->data, prefix->size);
	memcpy((uint8_t *)bytes->data + prefix->size, attachment->data, attachment->size);
	for (size_t piece = 700; piece < bytes->size; piece *= 9) {
		frame_decoder_init(&decoder, on_frame, NULL);
		feed_and_watch(&decoder, bytes, piece);
		assert_int_equal(decoder.announced, bytes->size - FRAME_HEADER_SIZE);
		frame_decoder_close(&decoder);
		assert_int_equal(frame_decoder_held(&decoder), 0);
	}
	buf_unref(bytes);
	buf_unref(prefix);
	buf_unref(attachment);
	free(text);
}

static void an_owner_may_allow_less(void **state)
{
	struct fixture *fixture = *state;
	struct buf *bytes = make(fixture, 5);

	fixture->decoder.size_max = bytes->size - FRAME_HEADER_SIZE - 1;
	assert_int_equal(frame_decoder_feed(&fixture->decoder, buf_slice(bytes)), STATUS_LIMIT);
	assert_int_equal(fixture->frames, 0);
	frame_decoder_close(&fixture->decoder);
	fixture->decoder.size_max++;
	assert_int_equal(frame_decoder_feed(&fixture->decoder, buf_slice(bytes)), 0);
	assert_int_equal(fixture->frames, 1);
	buf_unref(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_come_in_pieces, set_up, tear_down),
		cmocka_unit_test(a_frame_may_be_empty_and_a_callback_may_end_it),
		cmocka_unit_test_setup_teardown(a_flipped_bit_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes_have_limits, set_up, tear_down),
		cmocka_unit_test(memory_grows_with_what_comes),
		cmocka_unit_test_setup_teardown(an_owner_may_allow_less, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
