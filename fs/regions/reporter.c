#include "fs/regions/reporter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/regions/region_report_message.h"
#include "fs/transact/transactions.h"
#include "fs/stats/stats_message.h"
#include "proto/container.h"
#include "proto/rpc.h"
#include "proto/units.h"
#include "proto/version.h"

#define TIMEOUT_NS (2 * NS_PER_S)
#define SOON_NS	   (100 * NS_PER_MS) /* until the next report after one that was not taken */

struct known {
	uint64_t store; /* 0: a seed whose id is not known yet */
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

struct reporter {
	struct reporter_options options;
	struct env *env;
	uint64_t started;
	struct env_timer timer;
	uint32_t known_count;
	struct known known[STORE_LIST_COUNT_MAX + STORE_COUNT_MAX];
	uint32_t next; /* index in `known` of the store to ask next, while the leader is unknown */
	char target[RECORD_ADDRESS_SIZE_MAX + 1]; /* of the next report; empty: the next known store */
	struct rpc *rpc; /* NULL: no link */
	char linked[RECORD_ADDRESS_SIZE_MAX + 1]; /* that `rpc` goes to */
	bool is_open;
	bool is_calling;
	struct rpc_call call;
	uint64_t reports; /* that were begun */
	uint64_t term; /* of the last coordinator that took a report; 0: none has */
	bool is_preparing; /* the page of regions */
	bool has_page; /* it is to be ended */
	uint64_t cluster; /* of the store that answered */
	struct status trouble;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

static void on_tick(struct env_timer *timer);

/* `term`: of the coordinator that has taken the report; 0: none has. True: the next one need not wait. */
static bool end_page(struct reporter *reporter, uint64_t term)
{
	struct region_reports_page page = {0};

	if (term > 0)
		reporter->term = term;
	if (reporter->has_page) {
		page = region_reports_page(reporter->options.regions);
		region_reports_end(reporter->options.regions, term == page.term);
	}
	reporter->has_page = false;
	return reporter->options.regions && term > 0 && (page.has_more || term != page.term);
}

static void rest(struct reporter *reporter, uint64_t duration)
{
	if (!reporter->is_stopping)
		env_timer_start(
			&reporter->timer, reporter->options.loop, env_now(reporter->env) + duration, on_tick);
}

/* ---- Known stores ---- */

static void learn(struct reporter *reporter, uint64_t store, const char *address)
{
	struct known *known = NULL;

	if (strlen(address) > RECORD_ADDRESS_SIZE_MAX)
		return;
	for (uint32_t i = 0; i < reporter->known_count && !known; i++)
		if ((store > 0 && reporter->known[i].store == store) ||
			strcmp(reporter->known[i].address, address) == 0)
			known = &reporter->known[i];
	if (!known && reporter->known_count == sizeof reporter->known / sizeof reporter->known[0])
		return;
	if (!known)
		known = &reporter->known[reporter->known_count++];
	known->store = store;
	strcpy(known->address, address);
}

static void choose_target(struct reporter *reporter)
{
	for (uint32_t i = 0; i < reporter->known_count && reporter->target[0] == '\0'; i++) {
		const struct known *known = &reporter->known[reporter->next++ % reporter->known_count];

		if (strcmp(known->address, reporter->options.address) != 0)
			strcpy(reporter->target, known->address);
	}
}

/* ---- An answer ---- */

static void reporter_refuse(struct reporter *reporter, int code, uint64_t other)
{
	const struct reporter_options *options = &reporter->options;
	struct status why = {0};

	if (code == -EEXIST && options->self->store == 0)
		status_set(&why, code,
			"store %" PRIu64 " of the cluster is at %.150s: if its data is lost, 'raftkv store "
			"replace %" PRIu64 "' makes way",
			other, options->address, other);
	else if (code == -EEXIST)
		status_set(&why, code, "another store of the cluster, %" PRIu64 ", is at %.150s", other,
			options->address);
	else if (code == -ESTALE)
		status_set(&why, code,
			"the cluster does not want this store %" PRIu64 " (start %" PRIu64
			"): it was removed or lost, or this is an old copy of its directory or one made "
			"anew; "
			"see 'raftkv store replace %" PRIu64 "': a new, empty directory can join",
			options->self->store, options->self->incarnation, options->self->store);
	else
		status_set(&why, code, "the cluster does not take this store: %s", status_name(code));
	options->refused(options->argument, &why);
}

/* `term`: of the coordinator that answers. */
static void reporter_on_answer(struct reporter *reporter, int code, uint64_t store, uint64_t term)
{
	const struct reporter_options *options = &reporter->options;
	bool is_soon = end_page(reporter, code == 0 ? term : 0);

	if (code == 0)
		reporter->trouble = (struct status){0};
	if (code == 0 && options->entered)
		options->entered(options->argument, store, reporter->cluster);
	else if (code == -ESTALE || code == -EEXIST || code == -ENOSPC)
		reporter_refuse(reporter, code, store);
	rest(reporter, code == 0 && !is_soon ? STORE_REPORT_MS * NS_PER_MS : SOON_NS);
}

static void reporter_take_stores(struct reporter *reporter, const Raftkv__ReportReply *reply)
{
	const struct reporter_options *options = &reporter->options;

	for (size_t i = 0; i < reply->n_stores; i++) {
		const Raftkv__KnownStore *known = reply->stores[i];
		const struct reporter_store store = {.id = known->store,
			.address = known->address,
			.incarnation = known->incarnation,
			.directory_id = known->directory_id,
			.is_out = known->is_out};

		if (known->store == 0 || strlen(known->address) > RECORD_ADDRESS_SIZE_MAX)
			continue;
		if (!known->is_out)
			learn(reporter, known->store, known->address);
		if (options->found)
			options->found(options->argument, &store);
	}
}

static void follow(struct reporter *reporter, const Raftkv__ReportReply *reply)
{
	reporter->target[0] = '\0';
	if (strlen(reply->leader_address) <= RECORD_ADDRESS_SIZE_MAX)
		strcpy(reporter->target, reply->leader_address);
	status_set(&reporter->trouble, STATUS_NOT_LEADER, "nobody coordinates the cluster just now");
	rest(reporter, SOON_NS);
}

static void on_reply(struct reporter *reporter, const struct frame *frame)
{
	Raftkv__ReportReply *reply = raftkv__report_reply__unpack(NULL, frame->head.size, frame->head.data);

	if (!reply) {
		reporter->target[0] = '\0';
		rest(reporter, SOON_NS);
		return;
	}
	reporter_take_stores(reporter, reply);
	if (reply->status == STATUS_NOT_LEADER)
		follow(reporter, reply);
	else
		reporter_on_answer(reporter, reply->status, reply->store, reply->term);
	raftkv__report_reply__free_unpacked(reply, NULL);
}

/* ---- A report ---- */

static void fill_intent(const struct reporter *reporter, struct store_stats *stats)
{
	struct transactions_oldest oldest;

	if (!reporter->options.transactions)
		return;
	transactions_oldest(reporter->options.transactions, &oldest);
	stats->intent_age_ms = oldest.age / NS_PER_MS;
	stats->intent_region = oldest.region;
	stats->intent_awaits = oldest.attempt.region;
}

static void fill_oversize(const struct oversize *oversize, struct store_report *report)
{
	struct oversize_finding stuck = oversize_stuck(oversize);

	report->split_dirid = oversize_wish(oversize).dirid;
	report->stats.stuck_region = stuck.region;
	report->stats.stuck_dirid = stuck.dirid;
	report->stats.stuck_size = stuck.size;
}

/* Of a region that is over its size and one that is too busy, each is told every other time. */
static void fill_loads(const struct reporter *reporter, struct store_report *report)
{
	struct region_load_finding wish = region_loads_wish(reporter->options.loads),
				   stuck = region_loads_stuck(reporter->options.loads);

	if (wish.region > 0 && (report->split_dirid == 0 || reporter->reports % 2 == 0))
		report->split_dirid = wish.dirid;
	report->stats.busy_region = stuck.region;
	report->stats.busy_dirid = stuck.dirid;
	report->stats.busy_cpu_us = stuck.cpu_us;
}

static void fill_regions(const struct reporter *reporter, struct store_report *report)
{
	struct region_reports_page page = region_reports_page(reporter->options.regions);

	report->regions_term = page.term;
	report->regions_begin = page.begins;
	report->regions_end = page.ends;
	report->region_count = page.count;
	report->regions = page.reports;
}

static void fill(const struct reporter *reporter, struct store_report *report)
{
	const struct reporter_options *options = &reporter->options;

	*report = (struct store_report){.store = options->self->store,
		.incarnation = options->self->incarnation,
		.directory_id = options->self->directory_id};
	snprintf(report->address, sizeof report->address, "%s", options->address);
	snprintf(report->version, sizeof report->version, RAFTKV_VERSION);
	snprintf(report->labels, sizeof report->labels, "%s", options->labels ? options->labels : "");
	if (options->raftkv)
		stats_fill(&report->stats, options->raftkv,
			(env_now(reporter->env) - reporter->started) / NS_PER_S);
	if (options->survey)
		survey_fill(options->survey, report);
	fill_intent(reporter, &report->stats);
	if (options->oversize)
		fill_oversize(options->oversize, report);
	if (options->loads)
		fill_loads(reporter, report);
	if (reporter->has_page)
		fill_regions(reporter, report);
}

static void reporter_on_called(struct rpc_call *call, int status, const struct frame *answer)
{
	struct reporter *reporter = container_of(call, struct reporter, call);

	reporter->is_calling = false;
	if (status == 0 && !reporter->is_stopping)
		on_reply(reporter, answer);
	end_page(reporter, 0); /* unless the answer has ended it */
	if (status == 0 || reporter->is_stopping)
		return;
	reporter->target[0] = '\0';
	if (reporter->rpc)
		rpc_close(reporter->rpc);
	rest(reporter, SOON_NS);
}

static void call(struct reporter *reporter, const struct store_report *report)
{
	Raftkv__ReportRequest request = RAFTKV__REPORT_REQUEST__INIT;
	struct region_reports_packed packed;
	Raftkv__StoreStats stats;
	struct buf *nameless = NULL;

	if (region_reports_pack(&request, report->regions, report->region_count, &packed) < 0) {
		rest(reporter, SOON_NS);
		return;
	}
	request.store = report->store;
	request.incarnation = report->incarnation;
	request.directory_id = report->directory_id;
	request.lives = (uint64_t *)(uintptr_t)reporter->options.self->lives;
	request.n_lives = reporter->options.self->life_count;
	request.address = (char *)(uintptr_t)report->address;
	request.version = (char *)(uintptr_t)report->version;
	request.labels = (char *)(uintptr_t)report->labels;
	stats_to_message(&report->stats, &stats);
	request.stats = &stats;
	/* Without memory a later report has them. */
	if (report->nameless && ino_ranges_encode(report->nameless, &nameless) == 0)
		request.nameless = (ProtobufCBinaryData){.len = nameless->size, .data = nameless->data};
	request.split_dirid = report->split_dirid;
	request.regions_term = report->regions_term;
	request.regions_begin = report->regions_begin;
	request.regions_end = report->regions_end;
	reporter->call =
		(struct rpc_call){.type = FRAME_REPORT, .timeout = TIMEOUT_NS, .done = reporter_on_called};
	reporter->is_calling = rpc_call(reporter->rpc, &reporter->call, &request.base, NULL, 0) == 0;
	region_reports_packed_free(&packed);
	buf_unref(nameless);
	if (!reporter->is_calling)
		rest(reporter, SOON_NS);
}

static void report(struct reporter *reporter)
{
	struct store_report filled;

	fill(reporter, &filled);
	call(reporter, &filled);
}

/* ---- The link ---- */

static void reporter_on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	struct reporter *reporter = argument;

	(void)rpc;
	reporter->is_open = true;
	reporter->cluster = reply->cluster;
	env_timer_stop(&reporter->timer);
	if (!reporter->is_stopping)
		on_tick(&reporter->timer);
}

static void reporter_on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	struct reporter *reporter = argument;

	(void)rpc;
	reporter->rpc = NULL;
	reporter->is_open = false;
	if (why->code < 0)
		status_set(&reporter->trouble, why->code, "%.120s: %.120s", reporter->linked, why->text);
	if (strcmp(reporter->target, reporter->linked) == 0)
		reporter->target[0] = '\0';
	if (!reporter->is_stopping)
		rest(reporter, SOON_NS);
	else if (!reporter->is_preparing)
		reporter->stopped(reporter->stopped_argument);
}

static void connect_to_target(struct reporter *reporter)
{
	const struct rpc_options options = {.self = reporter->options.self,
		.loop = reporter->options.loop,
		.address = reporter->target,
		.opened = reporter_on_opened,
		.closed = reporter_on_closed,
		.argument = reporter};

	strcpy(reporter->linked, reporter->target);
	if (rpc_connect(&options, &reporter->rpc, &reporter->trouble) < 0) {
		reporter->target[0] = '\0';
		rest(reporter, SOON_NS);
	}
}

/* Reports to another store, as this one does not coordinate the cluster. */
static void report_afar(struct reporter *reporter)
{
	choose_target(reporter);
	if (reporter->target[0] == '\0') {
		rest(reporter, STORE_REPORT_MS * NS_PER_MS);
	} else if (!reporter->rpc) {
		connect_to_target(reporter);
	} else if (strcmp(reporter->linked, reporter->target) != 0) {
		rpc_close(reporter->rpc);
		rest(reporter, SOON_NS);
	} else if (reporter->is_open && !reporter->is_calling) {
		report(reporter);
	}
}

static void reporter_finish_stop(struct reporter *reporter)
{
	if (reporter->rpc)
		rpc_close(reporter->rpc);
	else
		reporter->stopped(reporter->stopped_argument);
}

static uint64_t own_term(const struct reporter *reporter)
{
	struct coordinator_overview overview;

	return coordinator_look(reporter->options.coordinator, &overview) ? overview.term : 0;
}

static void report_here_or_afar(struct reporter *reporter)
{
	struct coordinator *coordinator = reporter->options.coordinator;
	struct store_report filled;
	uint64_t id = 0;
	int status = STATUS_NOT_LEADER;

	if (coordinator) {
		fill(reporter, &filled);
		status = coordinator_report(coordinator, &filled, &id);
	}
	if (status == STATUS_NOT_LEADER) {
		report_afar(reporter);
		return;
	}
	reporter->cluster = reporter->options.self->cluster;
	reporter_on_answer(reporter, status, id, own_term(reporter));
}

static void on_page(void *argument)
{
	struct reporter *reporter = argument;

	reporter->is_preparing = false;
	if (!reporter->is_stopping)
		report_here_or_afar(reporter);
	if (!reporter->is_calling)
		end_page(reporter, 0);
	if (reporter->is_stopping)
		reporter_finish_stop(reporter);
}

/* A report that is under way sets the timer when it ends. */
static void on_tick(struct env_timer *timer)
{
	struct reporter *reporter = container_of(timer, struct reporter, timer);

	if (reporter->is_preparing || reporter->is_calling)
		return;
	reporter->is_preparing = true;
	reporter->reports++;
	reporter->has_page = reporter->options.regions && reporter->term > 0;
	if (reporter->has_page)
		region_reports_prepare(reporter->options.regions, reporter->term, on_page, reporter);
	else
		on_page(reporter);
}

/* ---- Life ---- */

struct reporter *reporter_new(const struct reporter_options *options)
{
	struct reporter *reporter = calloc(1, sizeof *reporter);

	if (!reporter)
		return NULL;
	reporter->options = *options;
	reporter->env = env_loop_env(options->loop);
	reporter->started = env_now(reporter->env);
	for (uint32_t i = 0; i < options->seeds->count; i++)
		learn(reporter, 0, options->seeds->addresses[i]);
	return reporter;
}

void reporter_start(struct reporter *reporter)
{
	on_tick(&reporter->timer);
}

void reporter_stop(struct reporter *reporter, void (*stopped)(void *argument), void *argument)
{
	reporter->is_stopping = true;
	reporter->stopped = stopped;
	reporter->stopped_argument = argument;
	env_timer_stop(&reporter->timer);
	if (!reporter->is_preparing)
		reporter_finish_stop(reporter);
}

void reporter_free(struct reporter *reporter)
{
	free(reporter);
}

const char *reporter_coordinator(const struct reporter *reporter)
{
	return reporter->term > 0 && reporter->trouble.code == 0 ? reporter->target : "";
}

const char *reporter_trouble(const struct reporter *reporter)
{
	return reporter->trouble.text;
}
