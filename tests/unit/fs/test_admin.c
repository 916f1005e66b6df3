/* fs/server/admin: what a newer raftkv(1) asks is refused in words, or answered as far as this program knows it. */
#include <string.h>

#include "fs/cluster/coordinator.h"
#include "fs/server/admin_internal.h"
#include "proto/version.h"
#include "tests/lib/fake_requests.h"
#include "tests/lib/test.h"

static void expect_refusal(uint32_t kind, uint32_t state)
{
	Raftkv__AdminRequest message = RAFTKV__ADMIN_REQUEST__INIT;
	struct rpc_server server = {0};
	struct rpc_request request = {0};
	Raftkv__AdminReply *reply;
	uint8_t bytes[64];

	message.kind = kind;
	message.state = state;
	message.store = 1;
	rpc_server_handle(&server, FRAME_ADMIN, admin_on_change, NULL);
	fake_requests_ask(&server, &request, FRAME_ADMIN,
		slice_of(bytes, raftkv__admin_request__pack(&message, bytes)), NULL);
	assert_true(request.is_answered);
	reply = raftkv__admin_reply__unpack(NULL, request.head->size, request.head->data);
	assert_non_null(reply);
	assert_int_equal(reply->status, STATUS_UNSUPPORTED);
	assert_non_null(strstr(reply->sentence, "is older (version " RAFTKV_VERSION ")"));
	raftkv__admin_reply__free_unpacked(reply, NULL);
	fake_requests_close(&request);
}

static void changes_of_newer_programs_are_refused_in_words(void **state)
{
	(void)state;
	expect_refusal(ADMIN_TRANSFER + 1, 0);
	expect_refusal(ADMIN_SET_STORE, STORE_LOST + 1);
}

static void fields_of_newer_programs_are_skipped(void **state)
{
	static const uint8_t field[] = {0xc2, 0xb8, 2, 1, 'x'}, junk[] = {0xff, 0xff};
	struct buf *attachment = buf_copy("x", 1);
	struct frame frame = {.head = slice_of(field, sizeof field)};

	(void)state;
	assert_true(admin_is_bare(&frame));
	frame.attachments = &attachment;
	frame.attachment_count = 1;
	assert_false(admin_is_bare(&frame));
	frame = (struct frame){.head = slice_of(junk, sizeof junk)};
	assert_false(admin_is_bare(&frame));
	buf_unref(attachment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_of_newer_programs_are_refused_in_words),
		cmocka_unit_test(fields_of_newer_programs_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
