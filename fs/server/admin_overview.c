/* Answers with the overview of the cluster, from the store that coordinates it. */
#include <errno.h>
#include <stdlib.h>

#include "fs/server/admin_internal.h"
#include "fs/stats/stats_message.h"
#include "proto/units.h"

struct store_draft {
	Raftkv__OverviewStore message;
	Raftkv__StoreStats stats;
};

struct region_draft {
	Raftkv__OverviewRegion message;
	Raftkv__Epoch epoch;
	struct buf *start, *end;
	struct {
		Raftkv__OverviewMember message;
		Raftkv__Replica replica;
	} members[REGION_PEERS_MAX];
	Raftkv__OverviewMember *pointers[REGION_PEERS_MAX];
};

struct overview_draft {
	struct coordinator_overview overview;
	Raftkv__OverviewReply reply;
	struct store_draft *stores;
	struct region_draft *regions;
	Raftkv__OverviewSession *sessions;
	Raftkv__OverviewStore **store_pointers;
	Raftkv__OverviewRegion **region_pointers;
	Raftkv__OverviewSession **session_pointers;
};

/* ---- Stores and sessions ---- */

static void fill_store(struct admin *admin, struct overview_draft *draft, uint32_t i)
{
	const struct store_entry *entry = &draft->overview.stores->entries[i];
	uint64_t now = env_now(admin->env);
	Raftkv__OverviewStore *message = &draft->stores[i].message;

	raftkv__overview_store__init(message);
	message->store = entry->id;
	message->state = entry->state;
	message->incarnation = entry->incarnation;
	message->replacement = entry->replacement;
	message->address = (char *)(uintptr_t)entry->address;
	message->is_alive = store_entry_is_alive(entry, now);
	message->silent_ms = (now - (entry->heard > 0 ? entry->heard : draft->overview.since)) / NS_PER_MS;
	message->replicas = entry->replicas;
	message->version = (char *)(uintptr_t)entry->version;
	stats_to_message(&entry->stats, &draft->stores[i].stats);
	message->stats = &draft->stores[i].stats;
	draft->store_pointers[i] = message;
}

static void fill_session(struct overview_draft *draft, uint32_t i)
{
	const struct coordinator_session *session = &draft->overview.sessions[i];
	Raftkv__OverviewSession *message = &draft->sessions[i];

	raftkv__overview_session__init(message);
	message->session = session->id;
	message->is_dying = session->state == SESSION_DYING;
	message->pid = session->pid;
	message->host = (char *)(uintptr_t)session->host;
	message->mount_point = (char *)(uintptr_t)session->mount_point;
	message->opened_s = session->opened_s;
	draft->session_pointers[i] = message;
}

/* ---- Regions ---- */

static void fill_member(struct region_draft *region, uint32_t i, const struct region_member *member)
{
	Raftkv__OverviewMember *message = &region->members[i].message;
	Raftkv__Replica *replica = &region->members[i].replica;

	raftkv__overview_member__init(message);
	raftkv__replica__init(replica);
	replica->id = member->peer.id;
	replica->store = member->peer.store;
	replica->roles = member->peer.roles;
	message->replica = replica;
	message->match = member->match;
	message->is_active = member->is_active;
	message->is_in_snapshot = member->is_in_snapshot;
	message->wants_snapshot = member->wants_snapshot;
	region->pointers[i] = message;
}

static void fill_region(struct overview_draft *draft, uint32_t i)
{
	const struct coordinator_region *seen = &draft->overview.regions[i];
	struct region_draft *region = &draft->regions[i];
	Raftkv__OverviewRegion *message = &region->message;

	raftkv__overview_region__init(message);
	raftkv__epoch__init(&region->epoch);
	region->epoch.version = seen->epoch.version;
	region->epoch.conf_version = seen->epoch.conf_version;
	message->region = seen->id;
	message->epoch = &region->epoch;
	message->leader = seen->leader;
	message->last_index = seen->last_index;
	message->step = seen->step.kind;
	for (uint32_t k = 0; k < seen->member_count; k++)
		fill_member(region, k, &seen->members[k]);
	message->n_members = seen->member_count;
	message->members = region->pointers;
	draft->region_pointers[i] = message;
}

/* Adds a region's range. A region that the coordinator has not seen yet is left out. */
static void add_range(void *argument, const struct region *region, uint64_t term)
{
	struct overview_draft *draft = argument;

	(void)term;
	for (uint32_t i = 0; i < draft->overview.region_count; i++) {
		struct region_draft *found = &draft->regions[i];

		if (found->message.region != region->id || found->start || found->end)
			continue;
		found->start = buf_ref(region->start);
		found->end = buf_ref(region->end);
		return;
	}
}

static ProtobufCBinaryData bytes_of(const struct buf *key)
{
	struct slice bytes = buf_slice(key);

	return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

/* ---- The answer ---- */

static bool draft_init(struct overview_draft *draft)
{
	const struct coordinator_overview *overview = &draft->overview;
	uint32_t stores = overview->stores->count + 1, regions = overview->region_count + 1,
		 sessions = overview->session_count + 1;

	raftkv__overview_reply__init(&draft->reply);
	draft->stores = calloc(stores, sizeof *draft->stores);
	draft->regions = calloc(regions, sizeof *draft->regions);
	draft->sessions = calloc(sessions, sizeof *draft->sessions);
	draft->store_pointers = calloc(stores, sizeof(*draft->store_pointers));
	draft->region_pointers = calloc(regions, sizeof(*draft->region_pointers));
	draft->session_pointers = calloc(sessions, sizeof(*draft->session_pointers));
	return draft->stores && draft->regions && draft->sessions && draft->store_pointers &&
	       draft->region_pointers && draft->session_pointers;
}

static void draft_close(struct overview_draft *draft)
{
	for (uint32_t i = 0; draft->regions && i < draft->overview.region_count; i++) {
		buf_unref(draft->regions[i].start);
		buf_unref(draft->regions[i].end);
	}
	free(draft->stores);
	free(draft->regions);
	free(draft->sessions);
	free(draft->store_pointers);
	free(draft->region_pointers);
	free(draft->session_pointers);
}

static void fill(struct admin *admin, struct overview_draft *draft)
{
	Raftkv__OverviewReply *reply = &draft->reply;
	const struct coordinator_overview *overview = &draft->overview;

	for (uint32_t i = 0; i < overview->stores->count; i++)
		fill_store(admin, draft, i);
	for (uint32_t i = 0; i < overview->session_count; i++)
		fill_session(draft, i);
	for (uint32_t i = 0; i < overview->region_count; i++)
		fill_region(draft, i);
	raftkv_each_region(admin->options.raftkv, add_range, draft);
	for (uint32_t i = 0; i < overview->region_count; i++) {
		draft->regions[i].message.start = bytes_of(draft->regions[i].start);
		draft->regions[i].message.end = bytes_of(draft->regions[i].end);
	}
	reply->cluster = admin->options.self->cluster;
	reply->coordinator = admin->options.self->store;
	reply->term = overview->term;
	reply->n_stores = overview->stores->count;
	reply->stores = draft->store_pointers;
	reply->n_regions = overview->region_count;
	reply->regions = draft->region_pointers;
	reply->n_sessions = overview->session_count;
	reply->sessions = draft->session_pointers;
}

static void send_on(struct admin *admin, struct rpc_request *request, struct admin_leader leader)
{
	Raftkv__OverviewReply reply = RAFTKV__OVERVIEW_REPLY__INIT;

	reply.status = STATUS_NOT_LEADER;
	reply.leader_store = leader.store;
	reply.leader_address = leader.address;
	reply.cluster = admin->options.self->cluster;
	rpc_answer(request, &reply.base, NULL, 0);
}

int admin_on_overview(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct admin *admin = argument;
	struct overview_draft draft = {0};

	if (!admin_is_bare(frame))
		return STATUS_MALFORMED;
	if (!coordinator_look(admin->options.coordinator, &draft.overview))
		return admin_find_leader(admin, request, send_on);
	if (!draft_init(&draft)) {
		draft_close(&draft);
		return -ENOMEM;
	}
	fill(admin, &draft);
	rpc_answer(request, &draft.reply.base, NULL, 0);
	draft_close(&draft);
	return 0;
}
