#include "fs/regions/region_report_message.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/status.h"

struct region_report_draft {
	Raftkv__RegionReport message;
	Raftkv__Epoch epoch;
};

/* ---- Packing ---- */

void region_reports_packed_free(struct region_reports_packed *packed)
{
	free(packed->drafts);
	free(packed->pointers);
	free(packed->replicas);
	free(packed->replica_pointers);
	*packed = (struct region_reports_packed){0};
}

static void fill_replica(Raftkv__Replica *message, const struct region_report_replica *replica)
{
	raftkv__replica__init(message);
	message->id = replica->id;
	message->store = replica->store;
	message->roles = replica->roles;
}

/* `first`: the place of its first replica in `packed`. */
static void fill_report(
	struct region_reports_packed *packed, uint32_t i, size_t first, const struct region_report *report)
{
	struct region_report_draft *draft = &packed->drafts[i];

	raftkv__region_report__init(&draft->message);
	raftkv__epoch__init(&draft->epoch);
	draft->epoch.version = report->epoch.version;
	draft->epoch.conf_version = report->epoch.conf_version;
	draft->message.region = report->region;
	draft->message.epoch = &draft->epoch;
	draft->message.term = report->term;
	draft->message.bytes = report->bytes;
	draft->message.cpu_us = report->cpu_us;
	draft->message.n_replicas = report->replica_count;
	draft->message.replicas = &packed->replica_pointers[first];
	for (uint32_t k = 0; k < report->replica_count; k++) {
		fill_replica(&packed->replicas[first + k], &report->replicas[k]);
		packed->replica_pointers[first + k] = &packed->replicas[first + k];
		if (report->replicas[k].flags & REGION_REPLICA_IS_BEHIND)
			draft->message.behind |= UINT64_C(1) << k;
	}
	packed->pointers[i] = &draft->message;
}

int region_reports_pack(Raftkv__ReportRequest *request, const struct region_report *reports, uint32_t count,
	struct region_reports_packed *packed)
{
	size_t replicas = 0, first = 0;

	for (uint32_t i = 0; i < count; i++)
		replicas += reports[i].replica_count;
	*packed = (struct region_reports_packed){.drafts = calloc(count + 1, sizeof *packed->drafts),
		.pointers = calloc(count + 1, sizeof(*packed->pointers)),
		.replicas = calloc(replicas + 1, sizeof *packed->replicas),
		.replica_pointers = calloc(replicas + 1, sizeof(*packed->replica_pointers))};
	if (!packed->drafts || !packed->pointers || !packed->replicas || !packed->replica_pointers) {
		region_reports_packed_free(packed);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		fill_report(packed, i, first, &reports[i]);
		first += reports[i].replica_count;
	}
	request->n_regions = count;
	request->regions = packed->pointers;
	return 0;
}

/* ---- Unpacking ---- */

void region_reports_unpacked_free(struct region_reports_unpacked *unpacked)
{
	free(unpacked->reports);
	free(unpacked->replicas);
	*unpacked = (struct region_reports_unpacked){0};
}

/* How many replicas they have together. False: a request is malformed. */
static bool count_replicas(const Raftkv__ReportRequest *request, size_t *count)
{
	*count = 0;
	if (request->n_regions > REGION_REPORTS_MAX)
		return false;
	for (size_t i = 0; i < request->n_regions; i++) {
		const Raftkv__RegionReport *report = request->regions[i];

		if (!report->epoch || report->n_replicas > REGION_PEERS_MAX)
			return false;
		*count += report->n_replicas;
	}
	return true;
}

static void read_report(const Raftkv__RegionReport *message, uint64_t leader, struct region_report *report,
	struct region_report_replica *replicas)
{
	*report = (struct region_report){.region = message->region,
		.epoch = {.version = message->epoch->version, .conf_version = message->epoch->conf_version},
		.term = message->term,
		.bytes = message->bytes,
		.cpu_us = message->cpu_us,
		.leader = leader,
		.replica_count = (uint32_t)message->n_replicas,
		.replicas = replicas};
	for (size_t k = 0; k < message->n_replicas; k++)
		replicas[k] = (struct region_report_replica){.id = message->replicas[k]->id,
			.store = message->replicas[k]->store,
			.roles = message->replicas[k]->roles > UINT8_MAX
					 ? 0
					 : (uint8_t)message->replicas[k]->roles,
			.flags = message->behind >> k & 1 ? REGION_REPLICA_IS_BEHIND : 0};
}

int region_reports_unpack(const Raftkv__ReportRequest *request, struct region_reports_unpacked *unpacked)
{
	size_t replicas, first = 0;

	*unpacked = (struct region_reports_unpacked){0};
	if (!count_replicas(request, &replicas))
		return STATUS_MALFORMED;
	if (request->n_regions == 0)
		return 0;
	unpacked->reports = calloc(request->n_regions, sizeof *unpacked->reports);
	unpacked->replicas = calloc(replicas + 1, sizeof *unpacked->replicas);
	if (!unpacked->reports || !unpacked->replicas) {
		region_reports_unpacked_free(unpacked);
		return -ENOMEM;
	}
	unpacked->count = (uint32_t)request->n_regions;
	for (uint32_t i = 0; i < unpacked->count; i++) {
		read_report(request->regions[i], request->store, &unpacked->reports[i],
			&unpacked->replicas[first]);
		first += unpacked->reports[i].replica_count;
	}
	return 0;
}
