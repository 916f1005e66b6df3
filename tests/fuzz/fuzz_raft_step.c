/*
 * A node that is told anything: bytes decode to messages of every type with small field values, mixed with ticks,
 * requests and readies that are handled as the contract has it. Whatever comes, a refused message changes nothing, term
 * and commit do not go back, applied <= commit <= last index, and the node asks for nothing that cannot be written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "raft/memory_storage.h"

#define FIRST_INDEX 5
#define CALLS_MAX   400
#define ENTRIES_MAX 4
#define PEERS	    4 /* 1 is the node itself, 4 no member at first */

struct input {
	const uint8_t *data;
	size_t size;
};

struct subject {
	struct memory_storage memory;
	struct raw_node *node;
	struct raft_ready ready;
	struct raft_status before;
	uint64_t applied;
	uint64_t calls;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/* Mostly near the log that there is, now and then anything. */
static uint64_t take_number(struct input *input)
{
	uint8_t byte = take(input);

	return byte == 255 ? UINT64_MAX : byte >= 250 ? (uint64_t)1 << (take(input) % 64) : byte % 16;
}

static struct buf *take_data(struct input *input)
{
	size_t size = take(input) % 6;
	struct buf *buf = buf_new(size);

	check(buf != NULL);
	for (size_t i = 0; i < size; i++)
		((uint8_t *)buf->data)[i] = take(input);
	return buf;
}

static void take_entries(struct input *input, struct raft_message *message)
{
	size_t count = take(input) % (ENTRIES_MAX + 1);

	for (size_t i = 0; i < count; i++) {
		uint8_t shape = take(input);
		struct raft_entry entry = {
			.index = shape & 1 ? take_number(input) : message->index + 1 + i,
			.term = shape & 2 ? take_number(input) : message->log_term,
			.type = (enum raft_entry_type)(shape / 4 % 4), /* 3 is none */
			.data = shape & 16 ? take_data(input) : NULL,
		};

		check(raft_entries_push(&message->entries, &entry) == 0);
		buf_unref(entry.data);
	}
}

static void take_snapshot(struct input *input, struct raft_message *message)
{
	struct raft_snapshot *snapshot = calloc(1, sizeof *snapshot);
	uint8_t members = take(input);

	check(snapshot != NULL);
	snapshot->index = take_number(input);
	snapshot->term = take_number(input);
	for (uint64_t id = 1; id <= PEERS; id++) {
		if (members >> id & 1)
			check(raft_ids_insert(&snapshot->conf_state.voters, id) == 0);
		if (members >> (id + 3) & 1)
			check(raft_ids_insert(&snapshot->conf_state.learners, id) == 0);
	}
	message->snapshot = snapshot;
}

static void take_message(struct input *input, struct raft_message *message)
{
	uint8_t shape = take(input);

	*message = (struct raft_message){
		.type = (enum raft_message_type)(take(input) % (RAFT_MSG_TYPE_COUNT + 1)),
		.reject = shape & 1,
		.to = shape & 2 ? take_number(input) : 1,
		.from = 1 + take(input) % PEERS,
		.term = take_number(input),
		.log_term = take_number(input),
		.index = take_number(input),
		.commit = take_number(input),
	};
	if (shape & 4)
		message->vote = take_number(input);
	if (shape & 8)
		message->reject_hint = take_number(input);
	if (shape & 16)
		message->context = take_data(input);
	if (shape & 32)
		take_snapshot(input, message);
	take_entries(input, message);
}

/* ---- The caller of the contract ---- */

static void apply(struct subject *subject, const struct raft_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		const struct raft_entry *entry = &entries->items[i];
		struct raft_conf_change change;

		if (entry->index <= subject->applied)
			continue;
		check(entry->index == subject->applied + 1);
		subject->applied = entry->index;
		if (entry->type != RAFT_ENTRY_NORMAL && raft_conf_change_decode(entry, &change) == 0)
			raw_node_apply_conf_change(subject->node, &change, NULL);
	}
}

/* Does at once what a storage thread would do, and tells the node. */
static void serve_thread(struct subject *subject, const struct raft_message *message)
{
	if (message->to == RAFT_LOCAL_APPEND_THREAD) {
		check(memory_storage_save_message(&subject->memory, message) == 0);
		if (message->snapshot)
			subject->applied = message->snapshot->index;
	} else {
		apply(subject, &message->entries);
	}
	for (size_t i = 0; i < message->response_count; i++)
		if (message->responses[i].to == 1)
			raw_node_step(subject->node, &message->responses[i]);
}

static void handle_ready(struct subject *subject, bool is_async)
{
	struct raft_ready *ready = &subject->ready;

	if (!raw_node_has_ready(subject->node))
		return;
	check(raw_node_ready(subject->node, ready) == 0);
	if (is_async) {
		for (size_t i = 0; i < ready->messages.count; i++)
			if (ready->messages.items[i].to >= RAFT_LOCAL_APPLY_THREAD)
				serve_thread(subject, &ready->messages.items[i]);
	} else {
		check(memory_storage_save_ready(&subject->memory, ready) == 0);
		if (ready->snapshot.index > 0)
			subject->applied = ready->snapshot.index;
		apply(subject, &ready->committed_entries);
		check(raw_node_advance(subject->node) == 0);
	}
	raft_ready_clear(ready);
}

/* ---- One input ---- */

static void watch(struct subject *subject)
{
	struct raft_status now;

	raw_node_status(subject->node, &now);
	check(now.hard_state.term >= subject->before.hard_state.term);
	check(now.hard_state.commit >= subject->before.hard_state.commit);
	check(now.applied <= now.hard_state.commit);
	check(now.hard_state.commit <= now.last_index);
	subject->before = now;
}

static void step(struct subject *subject, struct input *input)
{
	struct raft_status after;
	struct raft_message message;

	take_message(input, &message);
	if (raw_node_step(subject->node, &message) == STATUS_MALFORMED) {
		raw_node_status(subject->node, &after);
		check(memcmp(&after.hard_state, &subject->before.hard_state, sizeof after.hard_state) == 0);
		check(after.last_index == subject->before.last_index);
		check(after.soft_state.role == subject->before.soft_state.role);
	}
	raft_message_close(&message);
}

static void propose_conf_change(struct subject *subject, struct input *input)
{
	struct raft_conf_change change = {.transition = (enum raft_conf_change_transition)(take(input) % 3)};

	change.step_count = take(input) % 4;
	for (uint32_t i = 0; i < change.step_count; i++) {
		change.steps[i].type = (enum raft_conf_change_type)(take(input) % 4);
		change.steps[i].node = 1 + take(input) % PEERS;
	}
	raw_node_propose_conf_change(subject->node, &change, false);
}

static void call(struct subject *subject, struct input *input, bool is_async)
{
	struct buf *data;

	switch (take(input) % 16) {
	case 0:
		raw_node_tick_to(subject->node, subject->calls * 4 + take(input));
		break;
	case 1:
		raw_node_campaign(subject->node);
		break;
	case 2:
	case 3:
		data = take_data(input);
		raw_node_propose(subject->node, data);
		raw_node_read_index(subject->node, data);
		buf_unref(data);
		break;
	case 4:
		propose_conf_change(subject, input);
		break;
	case 5:
		raw_node_transfer_leader(subject->node, take(input) % (PEERS + 1));
		raw_node_report_unreachable(subject->node, take(input) % (PEERS + 1));
		raw_node_report_snapshot(subject->node, take(input) % (PEERS + 1), take(input) % 2);
		raw_node_want_snapshot(subject->node, take(input) % (PEERS + 1), take(input) % 2);
		break;
	case 6:
		if (raw_node_can_hibernate(subject->node))
			raw_node_hibernate(subject->node);
		raw_node_forget_leader(subject->node);
		break;
	case 7:
	case 8:
		raw_node_tick(subject->node);
		break;
	case 9:
	case 10:
	case 11:
		handle_ready(subject, is_async);
		break;
	default:
		step(subject, input);
	}
	watch(subject);
}

static void subject_init(struct subject *subject, uint8_t options)
{
	struct raft_snapshot snapshot = {.index = FIRST_INDEX, .term = 1};
	struct raft_config config = {
		.id = 1,
		.seed = options,
		.election_tick = 3,
		.heartbeat_tick = 1,
		.applied = FIRST_INDEX,
		.async_storage_writes = options & 1,
		.pre_vote = options & 2,
		.check_quorum = options & 4,
		.step_down_on_removal = options & 8,
		.read_mode = (options & 20) == 20 ? RAFT_READ_LEASE_BASED : RAFT_READ_SAFE,
		.message_size_max = options & 32 ? 20 : 0,
		.pending_reads_max = 3,
	};

	*subject = (struct subject){.applied = FIRST_INDEX};
	memory_storage_init(&subject->memory);
	for (uint64_t id = 1; id <= (options & 64 ? 1u : 3u); id++)
		check(raft_ids_insert(&snapshot.conf_state.voters, id) == 0);
	check(memory_storage_apply_snapshot(&subject->memory, &snapshot) == 0);
	memory_storage_set_hard_state(
		&subject->memory, &(struct raft_hard_state){.term = 1, .commit = FIRST_INDEX});
	check(raw_node_new(&config, &subject->memory.storage, &subject->node, NULL) == 0);
	raft_snapshot_close(&snapshot);
	watch(subject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	uint8_t options = take(&input);
	struct subject subject;

	subject_init(&subject, options);
	while (input.size > 0 && subject.calls++ < CALLS_MAX)
		call(&subject, &input, options & 1);
	raft_ready_close(&subject.ready);
	raw_node_free(subject.node);
	memory_storage_close(&subject.memory);
	return 0;
}
