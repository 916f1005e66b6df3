#include "store/rows/region_change.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "raft/confchange.h"

#define CONTEXT_VERSION 1

/* ---- What travels with a change --------------------------------------------------------------------------------- */

struct region_change_context {
	uint64_t conf_version;
	uint64_t stores[RAFT_CONF_CHANGE_STEPS_MAX]; /* of each step */
};

static struct slice encode_context(
	const struct region_change *change, uint64_t conf_version, uint8_t bytes[REGION_CHANGE_CONTEXT_MAX])
{
	struct writer writer = writer_fixed(bytes, REGION_CHANGE_CONTEXT_MAX);

	writer_u8(&writer, CONTEXT_VERSION);
	writer_varint(&writer, conf_version);
	for (uint32_t i = 0; i < change->step_count; i++)
		writer_varint(&writer, change->steps[i].store);
	return writer_written(&writer);
}

static int decode_context(const struct raft_conf_change *change, struct region_change_context *context)
{
	struct reader reader = reader_of(change->context);

	if (reader_u8(&reader) != CONTEXT_VERSION)
		return STATUS_CONF_CHANGE_INVALID;
	context->conf_version = reader_varint(&reader);
	for (uint32_t i = 0; i < change->step_count; i++)
		context->stores[i] = reader_varint(&reader);
	return reader_finish(&reader) == 0 ? 0 : STATUS_CONF_CHANGE_INVALID;
}

/* ---- Replicas and stores ---------------------------------------------------------------------------------------- */

/* A replica stays on its store, and a store has at most one replica of a region. */
static int check_steps(
	const struct region *region, const struct raft_conf_change *change, const uint64_t *stores)
{
	for (uint32_t i = 0; i < change->step_count; i++) {
		const struct raft_conf_change_step *step = &change->steps[i];
		const struct region_peer *there = region_peer_of_store(region, stores[i]);
		const struct region_peer *same = region_peer_of_id(region, step->node);

		if (step->type == RAFT_REMOVE_NODE ? !same : stores[i] == 0 || there != same)
			return STATUS_CONF_CHANGE_INVALID;
		for (uint32_t j = 0; j < i; j++)
			if (change->steps[j].node == step->node ||
				(step->type != RAFT_REMOVE_NODE && stores[j] == stores[i]))
				return STATUS_CONF_CHANGE_INVALID;
	}
	return 0;
}

static uint64_t store_of(const struct region *region, uint64_t replica, const struct raft_conf_change *change,
	const uint64_t *stores)
{
	const struct region_peer *peer = region_peer_of_id(region, replica);

	for (uint32_t i = 0; i < change->step_count && !peer; i++)
		if (change->steps[i].node == replica)
			return stores[i];
	return peer ? peer->store : 0;
}

/* ---- The next membership ---------------------------------------------------------------------------------------- */

static uint8_t roles_in(const struct raft_conf_state *conf, uint64_t replica)
{
	return (uint8_t)((raft_ids_has(&conf->voters, replica) ? REGION_VOTER : 0) |
			 (raft_ids_has(&conf->voters_outgoing, replica) ? REGION_VOTER_OUTGOING : 0) |
			 (raft_ids_has(&conf->learners, replica) ? REGION_LEARNER : 0) |
			 (raft_ids_has(&conf->learners_next, replica) ? REGION_LEARNER_NEXT : 0));
}

/* Lists every replica of the configuration, by id. */
static int list_members(const struct raft_conf_state *conf, struct raft_ids *members)
{
	const struct raft_ids *sets[] = {
		&conf->voters, &conf->voters_outgoing, &conf->learners, &conf->learners_next};
	int status = 0;

	for (size_t set = 0; set < sizeof sets / sizeof *sets; set++)
		for (uint32_t i = 0; i < sets[set]->count && status == 0; i++)
			status = raft_ids_insert(members, sets[set]->items[i]);
	return status == 0 && members->count > REGION_PEERS_MAX ? STATUS_CONF_CHANGE_INVALID : status;
}

static int take_over(struct region *region, const struct raft_conf_state *conf,
	const struct raft_conf_change *change, const uint64_t *stores)
{
	struct raft_ids members = {0};
	struct region_peer *peers = NULL;
	int status = list_members(conf, &members);

	if (status == 0)
		peers = calloc(members.count, sizeof *peers);
	if (status == 0 && !peers)
		status = -ENOMEM;
	for (uint32_t i = 0; i < members.count && status == 0; i++)
		peers[i] = (struct region_peer){.id = members.items[i],
			.store = store_of(region, members.items[i], change, stores),
			.roles = roles_in(conf, members.items[i])};
	if (status == 0) {
		free(region->peers);
		region->peers = peers;
		region->peer_count = members.count;
		region->auto_leave = conf->auto_leave;
		region->epoch.conf_version++;
	}
	raft_ids_close(&members);
	return status;
}

/* Computes the region's configuration after the change. */
static int next_conf(const struct region *region, const struct raft_conf_change *change,
	const struct region_change_context *context, struct raft_conf_state *next)
{
	struct raft_conf_state conf = {0};
	bool is_leave = confchange_is_leave(change);
	int status = 0;

	if (!is_leave && context->conf_version != region->epoch.conf_version)
		return STATUS_EPOCH_NOT_MATCH;
	if (!is_leave)
		status = check_steps(region, change, context->stores);
	if (status == 0)
		status = region_conf_state(region, &conf);
	if (status == 0)
		status = confchange_apply(&conf, change, next, NULL);
	raft_conf_state_close(&conf);
	return status;
}

int region_change_apply(struct region *region, const struct raft_entry *entry, struct raft_conf_change *out)
{
	struct raft_conf_change change;
	struct raft_conf_state next = {0};
	struct region_change_context context = {0};
	int status = raft_conf_change_decode(entry, &change) < 0 ? STATUS_CONF_CHANGE_INVALID : 0;

	if (status == 0 && !confchange_is_leave(&change))
		status = decode_context(&change, &context);
	if (status == 0)
		status = next_conf(region, &change, &context, &next);
	if (status == 0)
		status = take_over(region, &next, &change, context.stores);
	raft_conf_state_close(&next);
	if (status == 0 && out)
		*out = change;
	return status;
}

int region_change_encode(const struct region *region, const struct region_change *change,
	struct raft_conf_change *raft, uint8_t bytes[REGION_CHANGE_CONTEXT_MAX])
{
	struct region_change_context context = {.conf_version = region->epoch.conf_version};
	struct raft_conf_state next = {0};
	int status;

	if (change->conf_version > 0 && change->conf_version != region->epoch.conf_version)
		return STATUS_EPOCH_NOT_MATCH;
	if (change->step_count > REGION_CHANGE_STEPS_MAX)
		return STATUS_CONF_CHANGE_INVALID;
	*raft = (struct raft_conf_change){.transition = change->transition, .step_count = change->step_count};
	for (uint32_t i = 0; i < change->step_count; i++) {
		raft->steps[i] = (struct raft_conf_change_step){
			.type = change->steps[i].type, .node = change->steps[i].replica};
		context.stores[i] = change->steps[i].store;
	}
	if (!confchange_is_leave(raft))
		raft->context = encode_context(change, context.conf_version, bytes);
	status = next_conf(region, raft, &context, &next);
	raft_conf_state_close(&next);
	return status;
}
