/* Answers with the overview of the cluster, from the store that coordinates it. */
#include <errno.h>
#include <stdlib.h>

#include "fs/admin/admin_internal.h"
#include "fs/admin/region_draft.h"
#include "fs/stats/stats_message.h"
#include "proto/units.h"

#define OVERVIEW_REGIONS_MAX 4096u
#define OVERVIEW_STEPS_MAX   4096u

struct store_draft {
	Raftkv__OverviewStore message;
	Raftkv__StoreStats stats;
};

struct overview_draft {
	struct coordinator_overview overview;
	uint32_t region_count; /* that are told */
	Raftkv__OverviewReply reply;
	struct store_draft *stores;
	struct region_draft *regions;
	Raftkv__OverviewSession *sessions;
	Raftkv__PlannedStep *steps;
	Raftkv__OverviewStore **store_pointers;
	Raftkv__OverviewRegion **region_pointers;
	Raftkv__OverviewSession **session_pointers;
	Raftkv__PlannedStep **step_pointers;
	Raftkv__OverviewSetting settings[SETTING_END];
	Raftkv__OverviewSetting *setting_pointers[SETTING_END];
};

/* ---- Stores and sessions ---- */

static void fill_store(struct admin *admin, struct overview_draft *draft, uint32_t i)
{
	const struct store_entry *entry = &draft->overview.stores->entries[i];
	uint64_t now = env_now(admin->env);
	const struct region_table_store *sums = region_table_find_store(draft->overview.regions, entry->id);
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
	message->region_bytes = sums ? sums->bytes : 0;
	message->version = (char *)(uintptr_t)entry->version;
	message->labels = (char *)(uintptr_t)entry->labels;
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

static uint32_t list_members(struct admin *admin, const struct overview_draft *draft,
	const struct region_entry *entry, struct region_member *members)
{
	const struct region_replica *replicas = region_entry_replicas(entry);
	uint64_t now = env_now(admin->env);

	for (uint32_t i = 0; i < entry->replica_count; i++) {
		uint64_t id = draft->overview.regions->stores[replicas[i].store].id;

		members[i] = (struct region_member){
			.peer = {.id = replicas[i].id, .store = id, .roles = replicas[i].roles}};
		for (uint32_t k = 0; k < draft->overview.stores->count; k++) {
			const struct store_entry *store = &draft->overview.stores->entries[k];

			members[i].is_active |= store->id == id && store_entry_is_alive(store, now);
		}
	}
	return entry->replica_count;
}

static uint64_t leader_of(const struct region_entry *entry)
{
	for (uint32_t i = 0; i < entry->replica_count; i++)
		if (region_entry_replicas(entry)[i].store == entry->leader)
			return region_entry_replicas(entry)[i].id;
	return 0;
}

static int fill_region(struct admin *admin, struct overview_draft *draft, uint32_t i)
{
	const struct region_entry *entry = region_table_at(draft->overview.regions, i);
	struct region_member members[REGION_PEERS_MAX];
	struct region_draft *region = &draft->regions[i];
	struct region range = {0};

	region_draft_init(region, entry->id);
	if (raftkv_region_range(admin->options.raftkv, entry->id, &range) == 0)
		region_draft_take_range(region, &range);
	region->message.leader = leader_of(entry);
	region->message.cpu_us = entry->cpu_us;
	draft->region_pointers[i] = &region->message;
	return region_draft_set_members(
		region, entry->epoch, members, list_members(admin, draft, entry, members));
}

static void add_step(void *argument, uint64_t region, enum placement_kind step)
{
	struct overview_draft *draft = argument;
	size_t i = draft->reply.n_steps++;

	raftkv__planned_step__init(&draft->steps[i]);
	draft->steps[i].region = region;
	draft->steps[i].step = step;
	draft->step_pointers[i] = &draft->steps[i];
}

/* ---- The answer ---- */

static bool draft_init(struct overview_draft *draft)
{
	const struct coordinator_overview *overview = &draft->overview;
	uint32_t stores = overview->stores->count + 1, regions = draft->region_count + 1,
		 sessions = overview->session_count + 1;

	raftkv__overview_reply__init(&draft->reply);
	draft->stores = calloc(stores, sizeof *draft->stores);
	draft->regions = calloc(regions, sizeof *draft->regions);
	draft->sessions = calloc(sessions, sizeof *draft->sessions);
	draft->steps = calloc(OVERVIEW_STEPS_MAX, sizeof *draft->steps);
	draft->step_pointers = calloc(OVERVIEW_STEPS_MAX, sizeof(*draft->step_pointers));
	draft->store_pointers = calloc(stores, sizeof(*draft->store_pointers));
	draft->region_pointers = calloc(regions, sizeof(*draft->region_pointers));
	draft->session_pointers = calloc(sessions, sizeof(*draft->session_pointers));
	return draft->stores && draft->regions && draft->sessions && draft->store_pointers &&
	       draft->region_pointers && draft->session_pointers && draft->steps && draft->step_pointers;
}

static void draft_close(struct overview_draft *draft)
{
	for (uint32_t i = 0; draft->regions && i < draft->region_count; i++)
		region_draft_close(&draft->regions[i]);
	free(draft->stores);
	free(draft->regions);
	free(draft->sessions);
	free(draft->store_pointers);
	free(draft->region_pointers);
	free(draft->session_pointers);
	free(draft->steps);
	free(draft->step_pointers);
}

static void fill_settings(struct overview_draft *draft)
{
	for (unsigned i = 1; i < SETTING_END; i++) {
		Raftkv__OverviewSetting *message = &draft->settings[i];

		raftkv__overview_setting__init(message);
		message->setting = i;
		message->value = draft->overview.settings.values[i];
		message->is_set = draft->overview.settings.is_set[i];
		draft->setting_pointers[i - 1] = message;
	}
	draft->reply.n_settings = SETTING_END - 1;
	draft->reply.settings = draft->setting_pointers;
}

static int fill(struct admin *admin, struct overview_draft *draft)
{
	Raftkv__OverviewReply *reply = &draft->reply;
	const struct coordinator_overview *overview = &draft->overview;

	for (uint32_t i = 0; i < overview->stores->count; i++)
		fill_store(admin, draft, i);
	for (uint32_t i = 0; i < overview->session_count; i++)
		fill_session(draft, i);
	for (uint32_t i = 0; i < draft->region_count; i++)
		if (fill_region(admin, draft, i) < 0)
			return -ENOMEM;
	fill_settings(draft);
	reply->cluster = admin->options.self->cluster;
	reply->coordinator = admin->options.self->store;
	reply->term = overview->term;
	reply->is_partial = overview->is_partial;
	reply->excess_store = overview->excess.store;
	reply->excess_bytes = overview->excess.bytes;
	reply->excess_s = overview->excess_age / NS_PER_S;
	reply->is_scattering = overview->is_scattering;
	reply->scatter_left = overview->scatter_left;
	reply->n_stores = overview->stores->count;
	reply->stores = draft->store_pointers;
	reply->n_regions = draft->region_count;
	reply->regions = draft->region_pointers;
	coordinator_each_step(admin->options.coordinator, OVERVIEW_STEPS_MAX, add_step, draft);
	reply->steps = draft->step_pointers;
	reply->n_sessions = overview->session_count;
	reply->sessions = draft->session_pointers;
	return 0;
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

/* -ENOMEM, and the request is not answered. */
static int answer(struct admin *admin, struct rpc_request *request, struct overview_draft *draft)
{
	int status = draft_init(draft) ? fill(admin, draft) : -ENOMEM;

	if (status == 0)
		rpc_answer(request, &draft->reply.base, NULL, 0);
	draft_close(draft);
	return status;
}

/* Those who ask without regions have them from each store. For others, programs of earlier versions, an answer has as
 * many as have room in a frame. */
int admin_on_overview(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__OverviewRequest *message =
		raftkv__overview_request__unpack(NULL, frame->head.size, frame->head.data);
	bool is_good = message && frame->attachment_count == 0;
	bool has_regions = message && !message->without_regions;
	struct admin *admin = argument;
	struct overview_draft draft = {0};

	raftkv__overview_request__free_unpacked(message, NULL);
	if (!is_good)
		return STATUS_MALFORMED;
	if (!coordinator_look(admin->options.coordinator, &draft.overview))
		return admin_find_leader(admin, request, send_on);
	if (has_regions)
		draft.region_count = draft.overview.regions->count;
	if (draft.region_count > OVERVIEW_REGIONS_MAX)
		draft.region_count = OVERVIEW_REGIONS_MAX;
	return answer(admin, request, &draft);
}
