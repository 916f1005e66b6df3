#include "tests/raft_chaos/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

#define ROUND_MAX 4 /* messages */

static void fire_append(struct cluster *cluster, struct event *event);
static void fire_apply(struct cluster *cluster, struct event *event);
static void fire_mail(struct cluster *cluster, struct event *event);

void node_threads_init(struct node *node)
{
	node->append.event.fire = fire_append;
	node->apply.event.fire = fire_apply;
	node->mail.event.fire = fire_mail;
}

static void thread_close(struct node *node, struct node_thread *thread)
{
	event_cancel(node->cluster, &thread->event);
	for (size_t i = 0; i < thread->queue.count; i++)
		raft_message_close(&thread->queue.items[i]);
	free(thread->queue.items);
	thread->queue = (struct raft_messages){0};
}

void node_threads_close(struct node *node)
{
	thread_close(node, &node->append);
	thread_close(node, &node->apply);
	thread_close(node, &node->mail);
}

/* Writes the messages of the round; they are durable only when the round ends. */
static void write_append(struct node *node, const struct raft_message *message)
{
	struct disk_record record = {
		.has_hard = message->term != 0,
		.hard = {.term = message->term, .vote = message->vote, .commit = message->commit},
	};

	if (message->snapshot)
		node_restore_snapshot(node, message->snapshot, &record);
	model_on_append(node->cluster, node, &message->entries);
	check(raft_entries_append(&record.entries, message->entries.items, message->entries.count) == 0);
	disk_write(&node->disk, &record);
}

static void start_round(struct node *node, struct node_thread *thread)
{
	struct cluster *cluster = node->cluster;

	if (heap_has(&thread->event.link) || thread->queue.count == 0)
		return;
	thread->taken = 1;
	if (random_chance(&cluster->random, 500))
		thread->taken = (size_t)random_between(&cluster->random, 2, ROUND_MAX);
	if (thread->taken > thread->queue.count)
		thread->taken = thread->queue.count;
	if (thread == &node->append) {
		for (size_t i = 0; i < thread->taken; i++)
			write_append(node, &thread->queue.items[i]);
		thread->written = node->disk.count;
	}
	event_set(cluster, &thread->event,
		cluster->now_us +
			random_between(&cluster->random, 50, cluster_storage_max_us(cluster, node)));
}

static void enqueue(struct raft_messages *queue, struct raft_message *message)
{
	if (queue->count == queue->capacity) {
		queue->capacity = queue->capacity ? queue->capacity * 2 : 8;
		queue->items = realloc(queue->items, queue->capacity * sizeof *queue->items);
		check(queue->items != NULL);
	}
	queue->items[queue->count++] = *message;
	*message = (struct raft_message){0};
}

void node_threads_post(struct node *node, struct raft_message *message)
{
	struct node_thread *thread = message->to == RAFT_LOCAL_APPEND_THREAD ? &node->append : &node->apply;

	enqueue(&thread->queue, message);
	start_round(node, thread);
}

/* The append thread's responses to its own node may arrive later than those to others, but in order. */
static bool is_mailed(struct node *node, struct raft_message *response)
{
	struct cluster *cluster = node->cluster;

	if (response->type != RAFT_MSG_STORAGE_APPEND_RESP ||
		(!heap_has(&node->mail.event.link) && random_chance(&cluster->random, 600)))
		return false;
	enqueue(&node->mail.queue, response);
	if (!heap_has(&node->mail.event.link))
		event_set(cluster, &node->mail.event,
			cluster->now_us +
				random_below(&cluster->random, cluster_storage_max_us(cluster, node)));
	return true;
}

static void step_response(struct node *node, const struct raft_message *response)
{
	int status;

	do { /* a failed call is repeated: this message must not be lost */
		status = raw_node_step(node->raw, response);
		node_watch_status(node, "local response", status);
	} while (status == -EIO && !node->cluster->has_failed);
	node_watch_calls(node);
}

static void deliver_response(struct node *node, struct raft_message *response)
{
	if (response->to != node->id) {
		network_send(node->cluster, node, response);
		return;
	}
	if (is_mailed(node, response))
		return;
	step_response(node, response);
}
static void deliver_responses(struct node *node, struct raft_message *messages, size_t count)
{
	for (size_t i = 0; i < count && node->raw; i++) {
		for (size_t j = 0; j < messages[i].response_count; j++)
			deliver_response(node, &messages[i].responses[j]);
		node_crash_point(node);
	}
}

/* Takes the round's messages out of the queue. */
static size_t end_round(struct node_thread *thread, struct raft_message *messages)
{
	size_t count = thread->taken;

	memcpy(messages, thread->queue.items, count * sizeof *messages);
	thread->queue.count -= count;
	memmove(thread->queue.items, thread->queue.items + count, thread->queue.count * sizeof *messages);
	return count;
}

static void close_messages(struct raft_message *messages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		raft_message_close(&messages[i]);
}

static bool is_paused(struct node *node, struct event *event)
{
	if (node->paused_until_us <= node->cluster->now_us)
		return false;
	event_set(node->cluster, event, node->paused_until_us);
	return true;
}

static void fire_append(struct cluster *cluster, struct event *event)
{
	struct node *node = event_owner(event, struct node, append.event);
	struct raft_message messages[ROUND_MAX];
	size_t count;

	(void)cluster;
	if (is_paused(node, event))
		return;
	count = end_round(&node->append, messages);
	disk_sync(&node->disk, node->append.written);
	node_before_input(node);
	deliver_responses(node, messages, count);
	close_messages(messages, count);
	if (!node->raw)
		return;
	start_round(node, &node->append);
	node_after_input(node);
}

static void fire_apply(struct cluster *cluster, struct event *event)
{
	struct node *node = event_owner(event, struct node, apply.event);
	struct raft_message messages[ROUND_MAX];
	size_t count;

	(void)cluster;
	if (is_paused(node, event))
		return;
	count = end_round(&node->apply, messages);
	node_before_input(node);
	for (size_t i = 0; i < count; i++)
		node_apply_entries(node, &messages[i].entries);
	deliver_responses(node, messages, count);
	close_messages(messages, count);
	if (!node->raw)
		return;
	start_round(node, &node->apply);
	node_after_input(node);
}

static void fire_mail(struct cluster *cluster, struct event *event)
{
	struct node *node = event_owner(event, struct node, mail.event);
	struct raft_messages mail = node->mail.queue;

	(void)cluster;
	if (is_paused(node, event))
		return;
	node->mail.queue = (struct raft_messages){0};
	node_before_input(node);
	for (size_t i = 0; i < mail.count; i++) {
		step_response(node, &mail.items[i]);
		raft_message_close(&mail.items[i]);
	}
	free(mail.items);
	node_after_input(node);
}
