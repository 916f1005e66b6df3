#include "tests/raft_chaos/cluster.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/check.h"
#include "tests/raft_chaos/healing.h"

#define FIRST_INDEX	    10 /* the first voters start from a snapshot here; others have nothing and need one */
#define FIRST_TERM	    1
#define FAST_STORAGE_MAX_US 2000
#define EVENTS_MAX	    1000000 /* of one run; with more, messages cause each other without end */

void event_set(struct cluster *cluster, struct event *event, uint64_t at_us)
{
	check(heap_set(&cluster->queue, &event->link, at_us > cluster->now_us ? at_us : cluster->now_us) ==
		0);
}

void event_cancel(struct cluster *cluster, struct event *event)
{
	heap_remove(&cluster->queue, &event->link);
}

void cluster_fail(struct cluster *cluster, const char *format, ...)
{
	va_list arguments;

	if (cluster->has_failed)
		return;
	cluster->has_failed = true;
	va_start(arguments, format);
	vsnprintf(cluster->failure, sizeof cluster->failure, format, arguments);
	va_end(arguments);
}

uint64_t cluster_storage_max_us(const struct cluster *cluster, const struct node *node)
{
	uint64_t storage_max_us = cluster->profile.storage_max_us;
	bool is_fast = cluster->is_healing || mask_has(cluster->profile.fast_disks, node->id);

	return is_fast && storage_max_us > FAST_STORAGE_MAX_US ? FAST_STORAGE_MAX_US : storage_max_us;
}

struct node *cluster_leader(struct cluster *cluster)
{
	struct node *leader = NULL;

	for (uint64_t id = 1; id <= cluster->profile.nodes; id++) {
		struct node *node = &cluster->nodes[id];

		if (node->raw && node->watch.role == RAFT_LEADER &&
			(!leader || node->watch.term > leader->watch.term))
			leader = node;
	}
	return leader;
}

struct node *cluster_random_node(struct cluster *cluster)
{
	uint64_t first = random_below(&cluster->random, cluster->profile.nodes);

	for (uint64_t i = 0; i < cluster->profile.nodes; i++) {
		struct node *node = &cluster->nodes[1 + (first + i) % cluster->profile.nodes];

		if (node->raw)
			return node;
	}
	return NULL;
}

static void run_until(struct cluster *cluster, uint64_t end_us)
{
	while (!cluster->has_failed && !cluster->has_healed) {
		struct event *event = (struct event *)(void *)heap_first(&cluster->queue);

		if (!event || event->link.key > end_us)
			break;
		heap_remove(&cluster->queue, &event->link);
		cluster->now_us = event->link.key;
		if (++cluster->stats.events > EVENTS_MAX)
			cluster_fail(cluster, "more than %d events", EVENTS_MAX);
		event->fire(cluster, event);
	}
}

static void start(struct cluster *cluster)
{
	const struct profile *profile = &cluster->profile;
	struct machine first = {.applied = FIRST_INDEX, .applied_term = FIRST_TERM, .chain = 1};
	uint32_t members = profile->voters + profile->learners;

	for (uint32_t id = 1; id <= members; id++) {
		uint8_t *mask = id <= profile->voters ? &first.conf.voters : &first.conf.learners;

		*mask = (uint8_t)(*mask | 1u << id);
	}
	model_init(&cluster->model, &first);
	for (uint32_t id = 1; id <= profile->nodes; id++)
		node_init(&cluster->nodes[id], cluster, id, id <= members ? &first : NULL);
	for (uint32_t id = 1; id <= profile->nodes; id++)
		node_start(&cluster->nodes[id]);
	client_start(cluster);
	faults_start(cluster);
}

static void print_profile(const struct cluster *cluster)
{
	const struct profile *p = &cluster->profile;

	printf("%s: %u nodes, %u voters, %u learners;%s%s%s%s%s%s%s%s\n", p->mix, p->nodes, p->voters,
		p->learners, p->async ? " async" : "", p->pre_vote ? " pre-vote" : "",
		p->check_quorum ? " check-quorum" : "",
		p->step_down_on_removal ? " step-down-on-removal" : "", p->lease_reads ? " lease-reads" : "",
		p->by_deadline ? " by-deadline" : "", p->leader_sends_early ? " early-send" : "",
		p->small_limits ? " small-limits" : "");
}

int cluster_run(struct cluster *cluster, const struct cluster_options *options)
{
	*cluster = (struct cluster){
		.random = {mix64(options->seed + 1)},
		.trace = {.verbose = options->verbose},
	};
	profile_choose(&cluster->profile, &cluster->random, &options->request);
	if (options->verbose)
		print_profile(cluster);
	start(cluster);
	run_until(cluster, cluster->profile.duration_us);
	if (!cluster->has_failed) {
		healing_start(cluster);
		run_until(cluster, cluster->now_us + healing_bound_us(cluster));
		healing_check(cluster);
	}
	cluster->stats.runs = 1;
	cluster->stats.virtual_us = cluster->now_us;
	return cluster->has_failed ? -1 : 0;
}

void cluster_close(struct cluster *cluster)
{
	struct event *event;

	while ((event = (struct event *)(void *)heap_first(&cluster->queue))) {
		heap_remove(&cluster->queue, &event->link);
		if (event->discard)
			event->discard(cluster, event);
	}
	for (uint32_t id = 1; id <= cluster->profile.nodes; id++)
		node_close(&cluster->nodes[id]);
	heap_close(&cluster->queue);
	client_close(&cluster->client);
	model_close(&cluster->model);
}
