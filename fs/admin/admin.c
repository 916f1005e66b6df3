#include "fs/admin/admin_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/regions/region_report_message.h"
#include "fs/stats/stats_text.h"
#include "fs/stats/stats_message.h"
#include "proto/container.h"
#include "store/transport/lives.h"
#include "store/raftkv.h"

/* ---- The store that coordinates the cluster ---- */

struct leader_search {
	struct admin *admin;
	struct rpc_request *request;
	void (*found)(struct admin *admin, struct rpc_request *request, struct admin_leader leader);
	struct raftkv_region_status region;
	uint64_t store;
};

static void compare_store(void *argument, uint64_t store, const char *address)
{
	struct leader_search *search = argument;

	if (store == search->store)
		snprintf(search->admin->address, sizeof search->admin->address, "%s", address);
}

/* A store without a replica of region 1, or whose replica knows of no leader, knows where its reports go. */
static void find_by_report(struct leader_search *search)
{
	struct admin *admin = search->admin;

	if (admin->options.reporter)
		snprintf(admin->address, sizeof admin->address, "%s",
			reporter_coordinator(admin->options.reporter));
}

static void on_leader(struct raftkv_region_status *region, int status)
{
	struct leader_search *search = container_of(region, struct leader_search, region);
	struct admin *admin = search->admin;

	search->store = status == 0 ? region->leader_store : 0;
	admin->address[0] = '\0';
	if (search->store > 0)
		store_addresses_each(admin->options.addresses, compare_store, search);
	if (admin->address[0] == '\0')
		find_by_report(search);
	search->found(admin, search->request,
		(struct admin_leader){.store = search->store, .address = admin->address});
	free(search);
}

int admin_find_leader(struct admin *admin, struct rpc_request *request,
	void (*found)(struct admin *admin, struct rpc_request *request, struct admin_leader leader))
{
	struct leader_search *search = calloc(1, sizeof *search);

	if (!search)
		return -ENOMEM;
	search->admin = admin;
	search->request = request;
	search->found = found;
	search->region.region = CLUSTER_REGION;
	search->region.loop = admin->options.loop;
	search->region.done = on_leader;
	raftkv_region_status(admin->options.raftkv, &search->region);
	return 0;
}

/* ---- Reports of stores ---- */

static bool take_text(char *text, size_t size, const char *value)
{
	return (size_t)snprintf(text, size, "%s", value) < size;
}

static bool is_stale_life(const struct admin *admin, const Raftkv__ReportRequest *message)
{
	const struct life_claim claim = {.store = message->store,
		.directory_id = message->directory_id,
		.incarnation = message->incarnation,
		.lives = message->lives,
		.life_count = message->n_lives};
	struct status refusal;

	return message->store > 0 && raftkv_judge_life(admin->options.raftkv, &claim, &refusal) < 0;
}

static bool read_texts(const Raftkv__ReportRequest *message, struct store_report *report)
{
	return message->address[0] != '\0' &&
	       take_text(report->address, sizeof report->address, message->address) &&
	       take_text(report->version, sizeof report->version, message->version) &&
	       labels_are_valid(message->labels) &&
	       take_text(report->labels, sizeof report->labels, message->labels);
}

/* `is_stale`: the incarnation or the directory that it reports is refused (raftkv_judge_life). `regions` is to be freed
 * with region_reports_unpacked_free. */
static int read_report(struct admin *admin, const struct frame *frame, struct store_report *report,
	struct region_reports_unpacked *regions, bool *is_stale)
{
	Raftkv__ReportRequest *message =
		raftkv__report_request__unpack(NULL, frame->head.size, frame->head.data);
	int status = STATUS_MALFORMED;

	*report = (struct store_report){0};
	if (!message)
		return status;
	report->store = message->store;
	report->incarnation = message->incarnation;
	report->directory_id = message->directory_id;
	report->split_dirid = message->split_dirid;
	*is_stale = is_stale_life(admin, message);
	stats_from_message(message->stats, &report->stats);
	report->nameless = message->nameless.len > 0 ? &admin->nameless : NULL;
	if (frame->attachment_count == 0 && (report->incarnation > 0) == (report->store > 0) &&
		read_texts(message, report) &&
		(!report->nameless ||
			ino_ranges_decode(slice_of(message->nameless.data, message->nameless.len),
				&admin->nameless) == 0))
		status = region_reports_unpack(message, regions);
	report->regions_term = message->regions_term;
	report->regions_begin = message->regions_begin;
	report->regions_end = message->regions_end;
	report->region_count = regions->count;
	report->regions = regions->reports;
	raftkv__report_request__free_unpacked(message, NULL);
	return status;
}

/* The reply lists every store that the coordinator knows. */
static void answer_reporter(struct admin *admin, struct rpc_request *request, int status, uint64_t store)
{
	Raftkv__ReportReply reply = RAFTKV__REPORT_REPLY__INIT;
	Raftkv__KnownStore stores[STORE_COUNT_MAX], *pointers[STORE_COUNT_MAX];
	struct coordinator_overview overview;

	reply.status = status;
	reply.store = store;
	reply.leader_store = admin->options.self->store;
	if (coordinator_look(admin->options.coordinator, &overview)) {
		reply.n_stores = overview.stores->count;
		reply.term = overview.term;
	}
	for (size_t i = 0; i < reply.n_stores; i++) {
		const struct store_entry *entry = &overview.stores->entries[i];

		raftkv__known_store__init(&stores[i]);
		stores[i].store = entry->id;
		stores[i].address = (char *)(uintptr_t)entry->address;
		stores[i].incarnation = entry->incarnation;
		stores[i].directory_id = entry->directory_id;
		stores[i].is_out = !store_state_is_in(entry->state);
		pointers[i] = &stores[i];
	}
	reply.stores = pointers;
	rpc_answer(request, &reply.base, NULL, 0);
}

static void send_reporter_on(struct admin *admin, struct rpc_request *request, struct admin_leader leader)
{
	Raftkv__ReportReply reply = RAFTKV__REPORT_REPLY__INIT;

	(void)admin;
	reply.status = STATUS_NOT_LEADER;
	reply.leader_store = leader.store;
	reply.leader_address = leader.address;
	rpc_answer(request, &reply.base, NULL, 0);
}

int admin_on_report(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct admin *admin = argument;
	struct region_reports_unpacked regions = {0};
	struct store_report report;
	uint64_t store = 0;
	bool is_stale = false;
	int status = read_report(admin, frame, &report, &regions, &is_stale);

	if (status < 0)
		return status;
	status = is_stale ? -ESTALE : coordinator_report(admin->options.coordinator, &report, &store);
	region_reports_unpacked_free(&regions);
	if (status == STATUS_NOT_LEADER)
		return admin_find_leader(admin, request, send_reporter_on);
	answer_reporter(admin, request, status, store);
	return 0;
}

/* ---- This store's stats ---- */

bool admin_is_bare(const struct frame *frame)
{
	Raftkv__StatsRequest *message =
		raftkv__stats_request__unpack(NULL, frame->head.size, frame->head.data);

	raftkv__stats_request__free_unpacked(message, NULL);
	return message != NULL && frame->attachment_count == 0;
}

int admin_on_stats(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct admin *admin = argument;
	const struct stats_source source = {.env = admin->env,
		.raftkv = admin->options.raftkv,
		.config = admin->options.config,
		.path = admin->options.config->server.data,
		.mount_point = "",
		.started = admin->started};
	Raftkv__StatsReply reply = RAFTKV__STATS_REPLY__INIT;
	char *text = NULL;
	FILE *file;

	if (!admin_is_bare(frame))
		return STATUS_MALFORMED;
	file = open_memstream(&text, &reply.text.len);
	if (!file)
		return -ENOMEM;
	stats_text_print(&source, file);
	if (fclose(file) != 0) {
		free(text);
		return -ENOMEM;
	}
	reply.text.data = (uint8_t *)text;
	rpc_answer(request, &reply.base, NULL, 0);
	free(text);
	return 0;
}

/* ---- Life ---- */

struct admin *admin_new(const struct admin_options *options, struct rpc_server *server)
{
	struct admin *admin = calloc(1, sizeof *admin);

	if (!admin)
		return NULL;
	admin->options = *options;
	admin->env = env_loop_env(options->loop);
	admin->started = env_now(admin->env);
	rpc_server_handle(server, FRAME_REPORT, admin_on_report, admin);
	rpc_server_handle(server, FRAME_STATS, admin_on_stats, admin);
	rpc_server_handle(server, FRAME_OVERVIEW, admin_on_overview, admin);
	rpc_server_handle(server, FRAME_ADMIN, admin_on_change, admin);
	rpc_server_handle(server, FRAME_REGIONS, admin_on_regions, admin);
	rpc_server_handle(server, FRAME_SPLIT, admin_on_split, admin);
	rpc_server_handle(server, FRAME_REGION_STEP, admin_on_region_step, admin);
	return admin;
}

void admin_free(struct admin *admin)
{
	free(admin);
}
