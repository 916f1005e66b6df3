/* Raft messages as they go over the network: every field comes back, payloads are shared, and nonsense is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/status.h"
#include "store/transport/peer_message.h"
#include "tests/lib/test.h"

struct fixture {
	struct peer_envelope envelope;
	struct raft_message message;
	struct buf *payload;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct buf *data = buf_copy("record", 6);
	struct raft_entry entries[] = {
		{.term = 5, .index = 100, .data = data},
		{.term = 6, .index = 101, .data = data, .type = RAFT_ENTRY_CONF_CHANGE_V2},
		{.term = 6, .index = 102, .data = data, .payload_size = 70000},
		{.term = 7, .index = 103},
	};

	fixture->payload = buf_new(70000);
	memset(fixture->payload->data, 3, 70000);
	entries[2].payload = fixture->payload;
	fixture->envelope = (struct peer_envelope){
		.region = 9,
		.epoch = {.conf_version = 2, .version = 3},
		.from = {.id = 11, .store = 1, .roles = REGION_VOTER},
		.to = {.id = 12, .store = 2, .roles = REGION_VOTER},
		.shared_index = 77,
		.settled_version = 8,
		.is_tombstone = true,
		.led_parent = true,
		.word = PEER_WORD_WAKE,
		.round = 5,
		.incarnation = 6,
	};
	fixture->message = (struct raft_message){
		.type = RAFT_MSG_APP,
		.reject = true,
		.to = 12,
		.from = 11,
		.term = 7,
		.log_term = 4,
		.index = 99,
		.commit = 98,
		.vote = 13,
		.reject_hint = 14,
		.context = buf_copy("ctx", 3),
	};
	assert_int_equal(raft_entries_append(&fixture->message.entries, entries, 4), 0);
	buf_unref(data);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	raft_message_close(&fixture->message);
	buf_unref(fixture->payload);
	free(fixture);
	return 0;
}

/* The head as the other side unpacks it. */
static Raftkv__PeerMessage *transfer(const struct peer_message *peer_message)
{
	uint8_t *bytes = malloc(raftkv__peer_message__get_packed_size(&peer_message->message));
	size_t size = raftkv__peer_message__pack(&peer_message->message, bytes);
	Raftkv__PeerMessage *message = raftkv__peer_message__unpack(NULL, size, bytes);

	assert_true(size <= peer_message->size);
	assert_non_null(message);
	free(bytes);
	return message;
}

static void expect_same(const struct raft_message *a, const struct raft_message *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->reject, b->reject);
	assert_int_equal(a->to, b->to);
	assert_int_equal(a->from, b->from);
	assert_int_equal(a->term, b->term);
	assert_int_equal(a->log_term, b->log_term);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->commit, b->commit);
	assert_int_equal(a->vote, b->vote);
	assert_int_equal(a->reject_hint, b->reject_hint);
	assert_int_equal(slice_compare(buf_slice(a->context), buf_slice(b->context)), 0);
	assert_int_equal(a->entries.count, b->entries.count);
	for (size_t i = 0; i < a->entries.count; i++) {
		const struct raft_entry *left = &a->entries.items[i], *right = &b->entries.items[i];

		assert_int_equal(left->term, right->term);
		assert_int_equal(left->index, right->index);
		assert_int_equal(left->type, right->type);
		assert_int_equal(left->payload_size, right->payload_size);
		assert_ptr_equal(left->payload, right->payload);
		assert_int_equal(slice_compare(buf_slice(left->data), buf_slice(right->data)), 0);
	}
}

static void every_field_comes_back(void **state)
{
	struct fixture *fixture = *state;
	struct peer_message *peer_message = peer_message_new(&fixture->envelope, &fixture->message);
	Raftkv__PeerMessage *head = transfer(peer_message);
	struct buf *attachments[4];
	struct frame frame = {.attachments = attachments};
	struct peer_envelope envelope;
	struct raft_message message;

	assert_int_equal(peer_message->payload_count, 1);
	assert_int_equal(peer_message->payload_size, 70000);
	frame.attachment_count = peer_message_attach(peer_message, attachments, 0);
	assert_int_equal(frame.attachment_count, 1);
	assert_int_equal(peer_message_open(head, &frame, &envelope, &message), 0);
	assert_int_equal(frame.attachment_count, 0);
	expect_same(&fixture->message, &message);
	assert_int_equal(envelope.region, 9);
	assert_int_equal(envelope.epoch.conf_version, 2);
	assert_int_equal(envelope.epoch.version, 3);
	assert_int_equal(envelope.from.id, 11);
	assert_int_equal(envelope.from.store, 1);
	assert_int_equal(envelope.to.id, 12);
	assert_int_equal(envelope.to.store, 2);
	assert_int_equal(envelope.to.roles, REGION_VOTER);
	assert_int_equal(envelope.shared_index, 77);
	assert_int_equal(envelope.settled_version, 8);
	assert_true(envelope.is_tombstone);
	assert_true(envelope.led_parent);
	assert_int_equal(envelope.word, PEER_WORD_WAKE);
	assert_int_equal(envelope.round, 5);
	assert_int_equal(envelope.incarnation, 6);
	raft_message_close(&message);
	raftkv__peer_message__free_unpacked(head, NULL);
	peer_message_free(peer_message);
}

static void refuse(struct fixture *fixture, Raftkv__PeerMessage *head, uint32_t attachments)
{
	struct frame frame = {.attachments = &fixture->payload, .attachment_count = attachments};
	struct peer_envelope envelope;
	struct raft_message message;

	assert_int_equal(peer_message_open(head, &frame, &envelope, &message), STATUS_MALFORMED);
}

static void nonsense_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct peer_message *peer_message = peer_message_new(&fixture->envelope, &fixture->message);
	Raftkv__PeerMessage *head = transfer(peer_message);

	refuse(fixture, head, 0); /* the payload is missing */
	head->entries[2]->payload_size--;
	refuse(fixture, head, 1);
	head->entries[2]->payload_size++;
	head->entries[0]->type = 99;
	refuse(fixture, head, 1);
	head->entries[0]->type = 0;
	head->type = RAFT_MSG_TYPE_COUNT;
	refuse(fixture, head, 1);
	head->type = RAFT_MSG_APP;
	head->region = 0;
	refuse(fixture, head, 1);
	head->region = 9;
	head->to->id = 0;
	refuse(fixture, head, 1);
	head->to->id = 12;
	raftkv__epoch__free_unpacked(head->epoch, NULL);
	head->epoch = NULL;
	refuse(fixture, head, 1);
	raftkv__peer_message__free_unpacked(head, NULL);
	peer_message_free(peer_message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_field_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
