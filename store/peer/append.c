#include "store/peer/append.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/peer/append_internal.h"

/* Bytes of entries in one log record, or a single larger entry: several records must fit into a segment. */
#define RECORD_SIZE_MAX (512u << 10)

/* ---- Payloads ---- */

static struct payload *find_payload(const struct append_queue *queue, uint64_t index)
{
	return payload_list_find(&queue->payloads, index, false);
}

/* A follower takes the extents here; a leader took them before it proposed. */
static int place_payload(struct append *append, const struct raft_entry *entry, struct payload **payload)
{
	struct append_queue *queue = &append->peer->appends;
	int status;

	*payload = find_payload(queue, entry->index);
	if (*payload)
		return 0;
	status = payload_new(peer_engines(append->peer)->blocks, BLOCKS_ADMITTED,
		entry->payload_size / BLOCK_UNIT_SIZE, payload);
	if (status == 0)
		payload_list_add(&queue->payloads, *payload, entry->term, entry->index);
	return status;
}

/* Reserves the extents for an entry's small payloads, so that applying an acknowledged entry always finds them. */
static int place_small(struct append *append, const struct raft_entry *entry)
{
	struct peer *peer = append->peer;
	bool is_own = peer->role == RAFT_LEADER && entry->term == peer->term;
	uint32_t units = is_own ? 0 : mutations_small_units(entry);
	struct payload *reserve;
	int status;

	PLANT("room:small_data_unplaced", units = 0);
	if (units == 0 || payload_list_find(&peer->appends.payloads, entry->index, true))
		return 0;
	status = payload_reserve(peer_engines(peer)->blocks, BLOCKS_ADMITTED, units, &reserve);
	if (status == 0)
		payload_list_add(&peer->appends.payloads, reserve, entry->term, entry->index);
	return status;
}

static void cut(struct append *append)
{
	struct append_queue *queue = &append->peer->appends;

	append->has_cut = true;
	if (append->message.snapshot)
		append->replaced = payload_list_take(&queue->payloads, UINT64_MAX);
	else if (append->message.entries.count > 0)
		append->replaced = payload_list_cut(&queue->payloads, &append->message.entries);
}

/* In order. May be called again after -ENOSPC: payloads with extents keep them. */
static int place_payloads(struct append *append)
{
	const struct raft_entries *entries = &append->message.entries;

	if (!append->has_cut)
		cut(append);
	append->payloads_pending = 0;
	for (size_t i = 0; i < entries->count; i++) {
		struct payload *payload;
		int status = place_small(append, &entries->items[i]);

		if (status < 0)
			return status;
		if (entries->items[i].payload_size == 0)
			continue;
		if (!append->beside)
			append->beside = calloc(entries->count, sizeof *append->beside);
		if (!append->beside)
			return -ENOMEM;
		status = place_payload(append, &entries->items[i], &payload);
		if (status < 0)
			return status;
		append->beside[i] = buf_slice(payload->beside);
		append->payloads_pending += !payload->is_written;
	}
	append->is_placed = true;
	return 0;
}

/* ---- The log ---- */

static void append_advance(struct peer *peer);

static void append_free(struct append *append)
{
	raft_message_close(&append->message);
	free(append->beside);
	free(append->beside_copy);
	free(append);
}

static void append_pop(struct append_queue *queue)
{
	queue->first = queue->first->next;
	if (!queue->first)
		queue->last = NULL;
}

/* Releases the responses of durable appends, in order. */
static void finish_done(struct peer *peer)
{
	struct append_queue *queue = &peer->appends;

	while (queue->first && queue->first->state == APPEND_DONE) {
		struct append *append = queue->first;

		append_pop(queue);
		if (append->replaced)
			payload_list_release(&append->replaced, peer_engines(peer)->blocks,
				kv_flush_mark(&peer_store(peer)->flush));
		peer_respond(peer, append->message.responses + append->responded,
			append->message.response_count - append->responded);
		append_free(append);
	}
}

static void note_full(struct peer *peer)
{
	if (peer->appends.full_since == 0)
		peer->appends.full_since = env_now(peer_engines(peer)->env);
}

static void on_logged(struct log_write *write, int status)
{
	struct append *append = container_of(write, struct append, write);
	struct peer *peer = append->peer;
	struct append_queue *queue = &peer->appends;

	queue->in_flight--;
	queue->late -= append->tail_number == 0;
	if (status == 0) {
		append->state = APPEND_DONE;
		append_settle_early(append);
	} else if (status == -ENOSPC || (status == STATUS_UNAVAILABLE && queue->is_held)) {
		append->state = APPEND_WAITING;
		queue->is_held = true;
		note_full(peer);
		kv_flush_request(&peer_store(peer)->flush);
	} else {
		engines_fail(peer_engines(peer), status, "the log refused a record");
		return;
	}
	if (queue->is_held)
		return;
	finish_done(peer);
	peer_process(peer);
	shard_check_stopped(peer->shard);
}

static void append_submit(struct append *append)
{
	struct peer *peer = append->peer;
	struct raftkv *raftkv = peer_store(peer);

	append->state = APPEND_SUBMITTED;
	append->write = (struct log_write){
		.region = peer->region.id,
		.entries = append->message.entries.items,
		.beside = append->beside,
		.entry_count = append->message.entries.count,
		.hard_state = append->hard_state.term > 0 ? &append->hard_state : NULL,
		.loop = peer->shard->loop,
		.done = on_logged,
	};
	PLANT("store:hard_state_not_written", append->write.hard_state = NULL);
	peer->appends.in_flight++;
	PLANT("store:acknowledge_before_durable",
		peer_respond(peer, append->message.responses, append->message.response_count));
	append_take_early(append);
	raftkv->engines.log->ops->write(raftkv->engines.log, &append->write);
	append_respond_early(append);
}

void append_raise_commit(struct peer *peer, uint64_t commit)
{
	struct append_queue *queue = &peer->appends;

	if (queue->hard_state.commit < commit)
		queue->hard_state.commit = commit;
	for (struct append *append = queue->first; append; append = append->next)
		if (append->state != APPEND_SUBMITTED && append->hard_state.commit < commit)
			append->hard_state.commit = commit;
}

static void install(struct append *append)
{
	struct peer *peer = append->peer;

	if (append->state == APPEND_WAITING && append == peer->appends.first &&
		peer_install_start(peer, append->message.snapshot, &append->hard_state))
		append->state = APPEND_SUBMITTED;
}

/* Submits to the log the appends that are ready, in order. */
static void append_advance(struct peer *peer)
{
	struct append_queue *queue = &peer->appends;

	for (struct append *append = queue->first; append && !queue->is_held; append = append->next) {
		if (!append->is_placed)
			break;
		if (append->message.snapshot && !append->is_installed) {
			install(append);
			break;
		}
		if (append->state != APPEND_WAITING)
			continue;
		if (append->payloads_pending > 0)
			break;
		if (append->needs_write)
			append_submit(append);
		else
			append->state = APPEND_DONE;
	}
}

void append_hurry(struct peer *peer)
{
	struct log_engine *log = peer_engines(peer)->log;

	peer->appends.hurry_at = 0;
	log->ops->hurry(log);
}

void append_go_on(struct peer *peer)
{
	uint64_t due = peer->appends.hurry_at;

	if (due > 0 && env_now(peer_engines(peer)->env) >= due)
		append_hurry(peer);
	if (peer->appends.first && peer->appends.first->message.snapshot)
		append_advance(peer);
}

/* The install has reset the log and written the hard state. */
void append_on_installed(struct peer *peer)
{
	struct append_queue *queue = &peer->appends;
	struct append *append = queue->first;

	queue->in_flight--;
	append->is_installed = true;
	append->state = APPEND_WAITING;
	append->needs_write = append->message.entries.count > 0;
	append_advance(peer);
	finish_done(peer);
	peer_process(peer);
	shard_check_stopped(peer->shard);
}

static void on_payload_written(struct payload *payload)
{
	struct append *append = payload->owner;
	struct peer *peer = append->peer;

	peer->appends.in_flight--;
	append->payloads_pending--;
	append_advance(peer);
	shard_mark(peer->shard, peer); /* it may have been answered early */
	shard_check_stopped(peer->shard);
}

static void write_payloads(struct append *append)
{
	const struct raft_entries *entries = &append->message.entries;
	struct peer *peer = append->peer;

	for (size_t i = 0; i < entries->count && append->payloads_pending > 0; i++) {
		const struct raft_entry *entry = &entries->items[i];
		struct payload *payload;

		if (entry->payload_size == 0)
			continue;
		payload = find_payload(&peer->appends, entry->index);
		if (payload->is_written)
			continue;
		peer->appends.in_flight++;
		payload_write(payload, peer_engines(peer)->blocks, entry->payload, peer->shard->loop,
			on_payload_written, append);
	}
}

/* A newer commit index alone is not written: after a restart the applied index stands in for it. */
static bool needs_write(const struct append_queue *queue, const struct raft_message *message)
{
	const struct raft_hard_state *last = &queue->hard_state;

	return message->entries.count > 0 || message->snapshot ||
	       (message->term > 0 && (message->term != last->term || message->vote != last->vote));
}

static struct append *append_new(struct peer *peer, struct raft_message *message)
{
	struct append_queue *queue = &peer->appends;
	struct append *append = calloc(1, sizeof *append);

	if (!append)
		return NULL;
	append->peer = peer;
	append->message = *message;
	append->needs_write = needs_write(queue, message);
	if (message->term > 0)
		queue->hard_state = (struct raft_hard_state){message->term, message->vote, message->commit};
	append->hard_state = queue->hard_state;
	if (message->entries.count > 0 && !message->snapshot)
		peer_storage_replaced(&peer->storage, message->entries.items[0].index);
	*message = (struct raft_message){0};
	if (queue->last)
		queue->last->next = append;
	else
		queue->first = append;
	queue->last = append;
	if (!queue->unplaced)
		queue->unplaced = append;
	return append;
}

/* Gives extents to the waiting appends' payloads, as far as there is room. A follower without room waits and
 * acknowledges nothing meanwhile. Either the others are a majority, or no majority of the region could store the
 * data. */
static int place_waiting(struct peer *peer)
{
	struct append_queue *queue = &peer->appends;
	int status = 0;

	for (; queue->unplaced && status == 0; queue->unplaced = queue->unplaced->next) {
		status = place_payloads(queue->unplaced);
		if (status < 0)
			break;
		write_payloads(queue->unplaced);
	}
	PLANT("members:full_disk_stops", return status);
	if (status != -ENOSPC)
		return status;
	note_full(peer);
	kv_flush_request(&peer_store(peer)->flush);
	return 0;
}

/* The number of leading entries that fit into one record. */
static size_t count_for_record(const struct raft_entries *entries)
{
	size_t size = 0, count = 0;

	while (count < entries->count) {
		size += buf_slice(entries->items[count].data).size;
		if (count > 0 && size > RECORD_SIZE_MAX)
			break;
		count++;
	}
	return count;
}

/* Moves the message's first entries, with its hard state, into a message of their own. The responses stay with the
 * rest. */
static int take_part(struct raft_message *message, size_t count, struct raft_message *part)
{
	struct raft_entries *entries = &message->entries;
	struct raft_message first = {.type = message->type,
		.to = message->to,
		.from = message->from,
		.term = message->term,
		.vote = message->vote,
		.commit = message->commit};
	int status = raft_entries_append(&first.entries, entries->items, count);

	if (status < 0) {
		raft_entries_close(&first.entries);
		return status;
	}
	for (size_t i = 0; i < count; i++) {
		buf_unref(entries->items[i].data);
		buf_unref(entries->items[i].payload);
	}
	entries->count -= count;
	memmove(entries->items, entries->items + count, entries->count * sizeof *entries->items);
	*part = first;
	return 0;
}

/* A follower that is behind may get more entries at once than a segment holds. */
static int add_parts(struct peer *peer, struct raft_message *message)
{
	size_t count = message->snapshot ? message->entries.count : count_for_record(&message->entries);

	PLANT("members:record_unlimited", count = message->entries.count);
	while (count < message->entries.count) {
		struct raft_message part;
		int status = take_part(message, count, &part);

		if (status < 0)
			return status;
		if (!append_new(peer, &part)) {
			raft_message_close(&part);
			return -ENOMEM;
		}
		count = count_for_record(&message->entries);
	}
	return append_new(peer, message) ? 0 : -ENOMEM;
}

void append_start(struct peer *peer, struct raft_message *message)
{
	int status = add_parts(peer, message);

	if (status == 0)
		status = place_waiting(peer);
	if (status < 0) {
		engines_fail(peer_engines(peer), status, "an append to the log finds no memory");
		return;
	}
	append_advance(peer);
	finish_done(peer);
}

void append_resume(struct peer *peer)
{
	struct append_queue *queue = &peer->appends;
	int status;

	if (!queue->unplaced && !queue->is_held)
		return;
	status = place_waiting(peer);
	if (status < 0) {
		engines_fail(peer_engines(peer), status, "an append to the log finds no memory");
		return;
	}
	if (queue->is_held && queue->in_flight > 0)
		return;
	queue->is_held = false;
	if (!queue->unplaced)
		queue->full_since = 0;
	append_advance(peer);
	finish_done(peer);
	shard_mark(peer->shard, peer);
}

void append_queue_release(struct append_queue *queue, struct blocks *blocks, uint64_t mark)
{
	for (struct append *append = queue->first; append; append = append->next)
		payload_list_release(&append->replaced, blocks, mark);
	payload_list_release(&queue->payloads.first, blocks, mark);
	queue->payloads.last = NULL;
}

void append_queue_close(struct append_queue *queue)
{
	while (queue->first) {
		struct append *append = queue->first;

		append_pop(queue);
		payload_list_free(&append->replaced);
		append_free(append);
	}
	payload_list_free(&queue->payloads.first);
	*queue = (struct append_queue){0};
}
