#include "mount-helpers/cluster_view.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mount-helpers/size_text.h"

#define ADDRESS_WIDTH_MIN 24u
#define KEY_TEXT_SIZE	  64

/* ---- Words ---- */

const char *view_store_state(uint32_t state)
{
	return state == STORE_UP	 ? "up"
	       : state == STORE_DRAINING ? "draining"
	       : state == STORE_LOST	 ? "lost"
	       : state == STORE_REMOVED	 ? "removed"
					 : "?";
}

const char *view_step(uint32_t step)
{
	static const char *const words[] = {
		[PLACEMENT_REST] = "none",
		[PLACEMENT_WAIT] = "wait",
		[PLACEMENT_STUCK] = "stuck",
		[PLACEMENT_ADD] = "add",
		[PLACEMENT_PROMOTE] = "promote",
		[PLACEMENT_REMOVE] = "remove",
		[PLACEMENT_TRANSFER] = "transfer",
	};

	return step < sizeof words / sizeof *words ? words[step] : "?";
}

const char *view_role(uint32_t roles)
{
	return roles == REGION_VOTER	  ? "voter"
	       : roles == REGION_LEARNER  ? "learner"
	       : (roles & REGION_VOTER)	  ? "incoming voter"
	       : (roles & REGION_LEARNER) ? "incoming learner"
					  : "leaving";
}

static const char *key_text(const ProtobufCBinaryData *key, char text[KEY_TEXT_SIZE])
{
	size_t shown = key->len < KEY_TEXT_SIZE / 2 ? key->len : KEY_TEXT_SIZE / 2 - 1;

	text[0] = '\0';
	for (size_t i = 0; i < shown; i++)
		snprintf(text + 2 * i, 3, "%02x", key->data[i]);
	return key->len == 0 ? "-" : text;
}

uint64_t view_leader_store(const Raftkv__OverviewRegion *region)
{
	for (size_t i = 0; i < region->n_members; i++)
		if (region->members[i]->replica->id == region->leader)
			return region->members[i]->replica->store;
	return 0;
}

uint32_t view_count_leaders(const Raftkv__OverviewReply *overview, uint64_t store)
{
	uint32_t count = 0;

	for (size_t i = 0; i < overview->n_regions; i++)
		count += view_leader_store(overview->regions[i]) == store;
	return count;
}

/* ---- Stores ---- */

int view_address_width(const Raftkv__OverviewReply *overview)
{
	size_t width = ADDRESS_WIDTH_MIN;

	for (size_t i = 0; i < overview->n_stores; i++)
		if (strlen(overview->stores[i]->address) > width)
			width = strlen(overview->stores[i]->address);
	return (int)width;
}

static void print_store(const Raftkv__OverviewReply *overview, const Raftkv__OverviewStore *store)
{
	const Raftkv__StoreStats *stats = store->stats;
	char alive[32] = "yes", room[SIZE_TEXT_SIZE];

	if (!store->is_alive && store->silent_ms < STORE_SILENCE_MS)
		strcpy(alive, "not heard");
	else if (!store->is_alive)
		snprintf(alive, sizeof alive, "no, %" PRIu64 " s", store->silent_ms / 1000);
	printf("%5" PRIu64 "  %-*s %-9s %-11s %8u %8u  %-10s %s\n", store->store,
		view_address_width(overview), store->address, view_store_state(store->state), alive,
		store->replicas, view_count_leaders(overview, store->store),
		stats && stats->space_total > 0 ? size_text(stats->space_available, room) : "-",
		*store->version ? store->version : "-");
}

static void print_stores(const Raftkv__OverviewReply *overview)
{
	printf("%5s  %-*s %-9s %-11s %8s %8s  %-10s %s\n", "store", view_address_width(overview), "address",
		"state", "alive", "replicas", "leaders", "disk free", "version");
	for (size_t i = 0; i < overview->n_stores; i++)
		print_store(overview, overview->stores[i]);
}

static void write_stats(struct json *json, const Raftkv__StoreStats *stats)
{
	if (!stats)
		return;
	json_number(json, "space_total_bytes", stats->space_total);
	json_number(json, "space_available_bytes", stats->space_available);
	json_number(json, "data_used_bytes", stats->data_used);
	json_bool(json, "full", stats->is_full);
	json_number(json, "writes_total", stats->writes);
	json_number(json, "reads_lease_total", stats->reads_lease);
	json_number(json, "reads_read_index_total", stats->reads_read_index);
	json_number(json, "reads_follower_total", stats->reads_follower);
	json_number(json, "log_syncs_total", stats->log_syncs);
	json_number(json, "uptime_seconds", stats->uptime_s);
}

static void write_stores(struct json *json, const char *key, const Raftkv__OverviewReply *overview)
{
	json_begin(json, key, '[');
	for (size_t i = 0; i < overview->n_stores; i++) {
		const Raftkv__OverviewStore *store = overview->stores[i];

		json_begin(json, NULL, '{');
		json_number(json, "id", store->store);
		json_string(json, "address", store->address);
		json_string(json, "state", view_store_state(store->state));
		json_bool(json, "alive", store->is_alive);
		json_number(json, "silent_ms", store->silent_ms);
		json_number(json, "incarnation", store->incarnation);
		json_number(json, "replacement", store->replacement);
		json_number(json, "replicas", store->replicas);
		json_number(json, "leaders", view_count_leaders(overview, store->store));
		json_string(json, "version", store->version);
		write_stats(json, store->stats);
		json_end(json, '}');
	}
	json_end(json, ']');
}

/* ---- Regions ---- */

static void print_region(const Raftkv__OverviewRegion *region)
{
	char from[KEY_TEXT_SIZE], to[KEY_TEXT_SIZE];

	printf("%8" PRIu64 "  %-20s  %-20s  %7" PRIu64 "  %12" PRIu64 "  %6" PRIu64 " ", region->region,
		key_text(&region->start, from), key_text(&region->end, to), region->epoch->version,
		region->epoch->conf_version, view_leader_store(region));
	for (size_t i = 0; i < region->n_members; i++) {
		const Raftkv__OverviewMember *member = region->members[i];

		printf(" %" PRIu64 "%s%s", member->replica->store,
			member->replica->roles == REGION_VOTER ? "" : " (",
			member->replica->roles == REGION_VOTER ? "" : view_role(member->replica->roles));
		fputs(member->replica->roles == REGION_VOTER ? "" : ")", stdout);
		fputs(member->is_active ? "" : "!", stdout);
	}
	putchar('\n');
}

static void print_regions(const Raftkv__OverviewReply *overview, uint64_t id)
{
	printf("%8s  %-20s  %-20s  %7s  %12s  %6s  %s\n", "region", "from", "to", "version", "conf version",
		"leader", "stores (!: silent)");
	for (size_t i = 0; i < overview->n_regions; i++)
		if (id == 0 || overview->regions[i]->region == id)
			print_region(overview->regions[i]);
}

static void print_members(const Raftkv__OverviewRegion *region)
{
	printf("\n%8s  %6s  %-16s  %12s  %s\n", "replica", "store", "role", "log up to", "state");
	for (size_t i = 0; i < region->n_members; i++) {
		const Raftkv__OverviewMember *member = region->members[i];

		printf("%8" PRIu64 "  %6" PRIu64 "  %-16s  %12" PRIu64 "  %s\n", member->replica->id,
			member->replica->store, view_role(member->replica->roles), member->match,
			member->replica->id == region->leader ? "leads"
			: member->wants_snapshot	      ? "needs a snapshot"
			: member->is_in_snapshot	      ? "gets a snapshot"
			: member->is_active		      ? "follows"
							      : "silent");
	}
	printf("log up to %" PRIu64 "; next step: %s\n", region->last_index, view_step(region->step));
}

static void write_member(struct json *json, const Raftkv__OverviewMember *member)
{
	json_begin(json, NULL, '{');
	json_number(json, "replica", member->replica->id);
	json_number(json, "store", member->replica->store);
	json_string(json, "role", view_role(member->replica->roles));
	json_number(json, "match", member->match);
	json_bool(json, "active", member->is_active);
	json_bool(json, "in_snapshot", member->is_in_snapshot);
	json_bool(json, "wants_snapshot", member->wants_snapshot);
	json_end(json, '}');
}

static void write_region(struct json *json, const Raftkv__OverviewRegion *region)
{
	char text[KEY_TEXT_SIZE];

	json_begin(json, NULL, '{');
	json_number(json, "id", region->region);
	json_string(json, "start", region->start.len > 0 ? key_text(&region->start, text) : NULL);
	json_string(json, "end", region->end.len > 0 ? key_text(&region->end, text) : NULL);
	json_number(json, "version", region->epoch->version);
	json_number(json, "conf_version", region->epoch->conf_version);
	json_number(json, "leader_store", view_leader_store(region));
	json_number(json, "last_index", region->last_index);
	json_string(json, "next_step", view_step(region->step));
	json_begin(json, "members", '[');
	for (size_t i = 0; i < region->n_members; i++)
		write_member(json, region->members[i]);
	json_end(json, ']');
	json_end(json, '}');
}

static void write_regions(
	struct json *json, const char *key, const Raftkv__OverviewReply *overview, uint64_t id)
{
	json_begin(json, key, '[');
	for (size_t i = 0; i < overview->n_regions; i++)
		if (id == 0 || overview->regions[i]->region == id)
			write_region(json, overview->regions[i]);
	json_end(json, ']');
}

/* ---- Sessions ---- */

static void print_sessions(const Raftkv__OverviewReply *overview)
{
	char since[32];

	printf("%8s  %-20s  %-24s  %7s  %s\n", "session", "host", "mounted on", "process", "since");
	for (size_t i = 0; i < overview->n_sessions; i++) {
		const Raftkv__OverviewSession *session = overview->sessions[i];
		time_t opened = (time_t)session->opened_s;
		struct tm time;

		since[strftime(since, sizeof since - 1, "%F %T", localtime_r(&opened, &time))] = '\0';
		printf("%8" PRIu64 "  %-20s  %-24s  %7u  %s%s\n", session->session, session->host,
			session->mount_point, session->pid, since, session->is_dying ? ", ending" : "");
	}
}

static void write_sessions(struct json *json, const Raftkv__OverviewReply *overview)
{
	json_begin(json, "sessions", '[');
	for (size_t i = 0; i < overview->n_sessions; i++) {
		const Raftkv__OverviewSession *session = overview->sessions[i];

		json_begin(json, NULL, '{');
		json_number(json, "id", session->session);
		json_string(json, "host", session->host);
		json_string(json, "mount", session->mount_point);
		json_number(json, "process_id", session->pid);
		json_number(json, "opened_seconds", session->opened_s);
		json_bool(json, "ending", session->is_dying);
		json_end(json, '}');
	}
	json_end(json, ']');
}

/* ---- All of it ---- */

static void print_all(const Raftkv__OverviewReply *overview)
{
	uint64_t lease = 0, round = 0, follower = 0, writes = 0;

	for (size_t i = 0; i < overview->n_stores; i++) {
		const Raftkv__StoreStats *stats = overview->stores[i]->stats;

		lease += stats ? stats->reads_lease : 0;
		round += stats ? stats->reads_read_index : 0;
		follower += stats ? stats->reads_follower : 0;
		writes += stats ? stats->writes : 0;
	}
	printf("cluster %016" PRIx64 ", coordinated by store %" PRIu64 ", term %" PRIu64 "\n\n",
		overview->cluster, overview->coordinator, overview->term);
	print_stores(overview);
	putchar('\n');
	print_regions(overview, 0);
	putchar('\n');
	print_sessions(overview);
	printf("\nsince they began: %" PRIu64 " changes; %" PRIu64 " reads under the lease, %" PRIu64
	       " by a round, %" PRIu64 " of these on followers\n",
		writes, lease, round, follower);
}

static void write_parts(struct json *json, const Raftkv__OverviewReply *overview)
{
	json_number(json, "coordinator", overview->coordinator);
	json_number(json, "term", overview->term);
	write_stores(json, "stores", overview);
	write_regions(json, "regions", overview, 0);
	write_sessions(json, overview);
}

static void write_all(struct json *json, const Raftkv__OverviewReply *overview)
{
	char cluster[17];

	snprintf(cluster, sizeof cluster, "%016" PRIx64, overview->cluster);
	json_begin(json, NULL, '{');
	json_string(json, "cluster", cluster);
	write_parts(json, overview);
	json_end(json, '}');
}

/* NULL: failed, and the reason has been printed. */
static Raftkv__OverviewReply *load(const char *list)
{
	Raftkv__OverviewReply *overview = NULL;
	struct status status = {0};
	struct cluster *cluster;
	int code = cluster_open(list, &cluster, &status);

	if (code == 0)
		code = cluster_overview(cluster, &overview, &status);
	cluster_close(cluster);
	if (code < 0)
		command_fail(&status);
	return overview;
}

int view_status(struct command *command, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);

	if (!overview)
		return COMMAND_FAILED;
	if (command->is_json) {
		write_all(&command->json, overview);
		putc('\n', command->json.file);
	} else {
		print_all(overview);
	}
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

int view_write_parts(struct json *json, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);

	if (!overview)
		return COMMAND_FAILED;
	write_parts(json, overview);
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

int view_stores(struct command *command, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);

	if (!overview)
		return COMMAND_FAILED;
	if (command->is_json) {
		write_stores(&command->json, NULL, overview);
		putc('\n', command->json.file);
	} else {
		print_stores(overview);
	}
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

static const Raftkv__OverviewRegion *find_region(const Raftkv__OverviewReply *overview, uint64_t id)
{
	for (size_t i = 0; i < overview->n_regions; i++)
		if (overview->regions[i]->region == id)
			return overview->regions[i];
	return NULL;
}

int view_regions(struct command *command, const char *list, uint64_t id)
{
	Raftkv__OverviewReply *overview = load(list);
	const Raftkv__OverviewRegion *region = overview ? find_region(overview, id) : NULL;
	struct status status = {0};
	int exit_code = COMMAND_OK;

	if (!overview)
		return COMMAND_FAILED;
	if (id > 0 && !region) {
		status_set(&status, STATUS_REGION_NOT_FOUND, "the cluster has no region %" PRIu64, id);
		exit_code = command_fail(&status);
	} else if (command->is_json) {
		write_regions(&command->json, NULL, overview, id);
		putc('\n', command->json.file);
	} else {
		print_regions(overview, id);
		if (region)
			print_members(region);
	}
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return exit_code;
}
