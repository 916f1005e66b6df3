#include "tests/raft_chaos/client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

#define BATCH_MAX 5
#define FILL_MAX  40 /* bytes after an entry's id */

/* Makes an entry's data: its id, and fill bytes that follow from the id. */
static struct buf *data_of(uint64_t id)
{
	size_t fill = (size_t)(mix64(id) % FILL_MAX);
	struct buf *buf = buf_new(sizeof id + fill);

	check(buf != NULL);
	memcpy(buf->data, &id, sizeof id);
	memset((char *)buf->data + sizeof id, (int)(id & 0xff), fill);
	return buf;
}

static void propose(struct cluster *cluster, struct node *node, size_t count)
{
	struct raft_entry entries[BATCH_MAX] = {0};
	int status;

	for (size_t i = 0; i < count; i++)
		entries[i].data = data_of(++cluster->client.proposals);
	node_before_input(node);
	if (count == 1)
		status = raw_node_propose(node->raw, entries[0].data);
	else
		status = raw_node_propose_entries(node->raw, entries, count);
	node_watch_status(node, "propose", status);
	for (size_t i = 0; i < count; i++)
		buf_unref(entries[i].data);
	node_after_input(node);
}

void client_propose(struct cluster *cluster, struct node *node)
{
	propose(cluster, node, 1);
}

void client_read(struct cluster *cluster, struct node *node)
{
	struct client *client = &cluster->client;
	uint64_t id = client->read_count;
	struct buf *context = buf_copy(&id, sizeof id);
	int status;

	check(context != NULL);
	if (client->read_count == client->read_capacity) {
		client->read_capacity = client->read_capacity ? client->read_capacity * 2 : 64;
		client->reads = realloc(client->reads, client->read_capacity * sizeof *client->reads);
		check(client->reads != NULL);
	}
	node_before_input(node);
	client->reads[client->read_count++] = (struct client_read){
		.node = node->id,
		.incarnation = node->incarnation,
		.floor = cluster->model.applied_max,
		.is_leaders = node->watch.role == RAFT_LEADER,
	};
	status = raw_node_read_index(node->raw, context);
	node_watch_status(node, "read_index", status);
	trace_add(&cluster->trace, cluster->now_us, node->id, "asks a read", id, client->reads[id].floor,
		(uint64_t)-status);
	if (status != 0)
		client->reads[id].is_done = true;
	buf_unref(context);
	node_after_input(node);
}

static void fire_client(struct cluster *cluster, struct event *event)
{
	struct node *node = cluster_random_node(cluster);
	struct node *leader = cluster_leader(cluster);

	event_set(cluster, event,
		cluster->now_us + random_between(&cluster->random, 1, 2u * cluster->profile.client_every_us));
	if (leader && random_chance(&cluster->random, 500))
		node = leader;
	if (!node || node->paused_until_us > cluster->now_us)
		return;
	if (random_chance(&cluster->random, 350))
		client_read(cluster, node);
	else if (random_chance(&cluster->random, 800))
		propose(cluster, node, 1);
	else
		propose(cluster, node, (size_t)random_between(&cluster->random, 2, BATCH_MAX));
}

void client_start(struct cluster *cluster)
{
	cluster->client.event.fire = fire_client;
	event_set(cluster, &cluster->client.event, cluster->now_us + cluster->profile.client_every_us);
}

void client_start_healing(struct cluster *cluster)
{
	event_cancel(cluster, &cluster->client.event);
	cluster->client.healing_from = cluster->client.proposals + 1;
}

void client_close(struct client *client)
{
	free(client->reads);
}

void client_on_applied(struct cluster *cluster, const struct raft_entry *entry)
{
	struct client *client = &cluster->client;
	struct slice data = buf_slice(entry->data);
	struct buf *expected;
	uint64_t id;

	if (data.size == 0)
		return; /* a new leader's, or one in place of a refused membership change */
	check(data.size >= sizeof id);
	memcpy(&id, data.data, sizeof id);
	expected = data_of(id);
	if (id > client->proposals || slice_compare(data, buf_slice(expected)) != 0)
		cluster_fail(cluster, "entry %" PRIu64 " holds what nobody proposed", entry->index);
	buf_unref(expected);
	if (client->healing_from > 0 && id >= client->healing_from && client->healed_index == 0)
		client->healed_index = entry->index;
}

void client_on_read_state(struct cluster *cluster, struct node *node, const struct raft_read_state *state)
{
	struct client *client = &cluster->client;
	struct client_read *read;
	uint64_t id;

	check(buf_slice(state->context).size == sizeof id);
	memcpy(&id, state->context->data, sizeof id);
	check(id < client->read_count);
	read = &client->reads[id];
	trace_add(&cluster->trace, cluster->now_us, node->id, "read answered", id, state->index,
		(uint64_t)-state->status);
	if (read->is_done && read->is_leaders && read->incarnation == node->incarnation)
		cluster_fail(cluster, "read %" PRIu64 " on node %" PRIu64 " is answered twice", id, node->id);
	if (read->node != node->id)
		cluster_fail(cluster, "read %" PRIu64 " of node %" PRIu64 " is answered on %" PRIu64, id,
			read->node, node->id);
	read->is_done = true;
	if (state->status != 0) {
		if (state->status != STATUS_STALE_COMMAND)
			cluster_fail(cluster, "read %" PRIu64 ": %s", id, status_name(state->status));
		return;
	}
	cluster->stats.reads++;
	if (state->index < read->floor)
		cluster_fail(cluster,
			"stale read: %" PRIu64 " on node %" PRIu64 " got index %" PRIu64 ", but %" PRIu64
			" was applied before it was asked for",
			id, node->id, state->index, read->floor);
	if (state->index > cluster->model.commit_max)
		cluster_fail(cluster, "read %" PRIu64 " got index %" PRIu64 ", which nobody committed", id,
			state->index);
	if (cluster->is_healing)
		client->answered = (uint8_t)(client->answered | 1u << node->id);
}

void client_on_crash(struct cluster *cluster, struct node *node)
{
	struct client *client = &cluster->client;

	for (size_t i = 0; i < client->read_count; i++)
		if (client->reads[i].node == node->id && client->reads[i].incarnation == node->incarnation)
			client->reads[i].is_done = true;
}

const struct client_read *client_lost_read(const struct client *client)
{
	for (size_t i = 0; i < client->read_count; i++)
		if (client->reads[i].is_leaders && !client->reads[i].is_done)
			return &client->reads[i];
	return NULL;
}
