/*
 * command_scatter.c: raftkv region scatter: has the coordinator spread the replicas and leaders of regions over the stores,
 * and may wait for the end. A coordinator that is new knows nothing of it, and is asked again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/command.h"
#include "mount-helpers/command_admin.h"
#include "mount-helpers/progress.h"
#include "mount-helpers/tree_regions.h"
#include "proto/compare.h"

#define LOOK_US	       300000 /* between two looks at the overview */
#define PROGRESS_LABEL "scattering"

struct scattering {
	struct admin_request request;
	uint64_t *regions; /* ids, in their order, each once; NULL: all */
	uint32_t count, capacity;
	uint64_t term; /* of the coordinator that was asked */
	uint32_t first, left; /* replicas and leaders above an even part */
};

/* ---- The regions that are meant ---- */

static uint32_t keep_once(uint64_t *regions, uint32_t count)
{
	uint32_t kept = 0;

	qsort(regions, count, sizeof *regions, compare_u64);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || regions[kept - 1] != regions[i])
			regions[kept++] = regions[i];
	return kept;
}

static int add_region(void *argument, uint64_t region)
{
	struct scattering *scattering = argument;

	if (scattering->count == scattering->capacity) {
		uint32_t capacity = scattering->capacity == 0 ? 64 : scattering->capacity * 2;
		uint64_t *regions = realloc(scattering->regions, capacity * sizeof *regions);

		if (!regions)
			return -ENOMEM;
		scattering->regions = regions;
		scattering->capacity = capacity;
	}
	scattering->regions[scattering->count++] = region;
	return 0;
}

static int find_place(const Raftkv__OverviewReply *overview, const struct region_place *place,
	struct scattering *scattering, struct status *status)
{
	uint64_t region = view_find_region(overview, place);

	if (region == 0)
		return status_set(status, STATUS_REGION_NOT_FOUND,
			"the cluster has no region %.150s; see 'raftkv region ls'", place->text);
	if (add_region(scattering, region) < 0)
		return status_set(status, -ENOMEM, "out of memory");
	return 0;
}

static int find_places(const struct command *command, const Raftkv__OverviewReply *overview,
	struct scattering *scattering, struct status *status)
{
	for (int i = 1; i < command->count; i++) {
		struct region_place place;
		int code = region_place_read(command->arguments[i], &place, status);

		if (code == 0 && command_has(command, "recursive") && place.is_directory)
			code = tree_regions_find(place.text, overview, add_region, scattering, status);
		else if (code == 0)
			code = find_place(overview, &place, scattering, status);
		if (code < 0)
			return code;
	}
	scattering->count = keep_once(scattering->regions, scattering->count);
	return 0;
}

/* Without places all regions are meant. */
static int choose_regions(const struct command *command, struct cluster *cluster,
	struct scattering *scattering, struct status *status)
{
	Raftkv__OverviewReply *overview = NULL;
	int code;

	if (command->count < 2)
		return 0;
	code = cluster_overview(cluster, &overview, status);
	if (code == 0)
		code = find_places(command, overview, scattering, status);
	if (overview)
		raftkv__overview_reply__free_unpacked(overview, NULL);
	return code;
}

/* ---- Asking ---- */

static int look(struct cluster *cluster, struct scattering *scattering, uint64_t *term, bool *is_scattering,
	struct status *status)
{
	Raftkv__OverviewReply *overview;
	int code = cluster_stores(cluster, &overview, status);

	if (code < 0)
		return code;
	*term = overview->term;
	*is_scattering = overview->is_scattering;
	scattering->left = overview->scatter_left;
	if (scattering->first < scattering->left)
		scattering->first = scattering->left;
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return 0;
}

/* The term is learned before the request: if another store takes over in between, it is asked once more. */
static int ask(struct cluster *cluster, struct scattering *scattering, bool is_dry, struct status *status)
{
	bool is_scattering;
	int code = look(cluster, scattering, &scattering->term, &is_scattering, status);

	scattering->request = (struct admin_request){.kind = ADMIN_SCATTER,
		.regions = scattering->regions,
		.region_count = scattering->count,
		.is_dry = is_dry};
	return code < 0 ? code : cluster_change(cluster, &scattering->request, status);
}

static int wait_for_end(struct cluster *cluster, struct scattering *scattering, struct status *status)
{
	bool is_scattering = true;
	struct progress_bar progress;
	int code = 0;

	progress_start(&progress, false);
	while (code == 0) {
		uint64_t term;

		code = look(cluster, scattering, &term, &is_scattering, status);
		if (code == 0 && term != scattering->term)
			code = ask(cluster, scattering, false, status);
		else if (code < 0 || !is_scattering)
			break;
		if (code == 0 &&
			!progress_tell(&progress, PROGRESS_LABEL,
				scattering->first == 0 ? 0
						       : 1 - (double)scattering->left / scattering->first))
			code = status_set(status, -EINTR, "not waited for: the regions go on moving");
		usleep(LOOK_US);
	}
	progress_stop(&progress);
	return code;
}

/* ---- The command ---- */

static void tell(struct command *command, const struct scattering *scattering)
{
	struct json *json = &command->json;
	bool is_dry = scattering->request.is_dry, has_waited = command_has(command, "wait") && !is_dry;

	if (!command->is_json && scattering->count == 0)
		printf("all regions are %s%s\n",
			has_waited ? "spread over the stores" : "being spread over the stores",
			is_dry ? " (not done)" : "");
	else if (!command->is_json)
		printf("%" PRIu32 " regions are %s%s\n", scattering->count,
			has_waited ? "spread over the stores" : "being spread over the stores",
			is_dry ? " (not done)" : "");
	if (!command->is_json)
		return;
	json_begin(json, NULL, '{');
	json_bool(json, "done", !is_dry);
	json_bool(json, "ended", has_waited);
	json_begin(json, "regions", '[');
	for (uint32_t i = 0; i < scattering->count; i++)
		json_number(json, NULL, scattering->regions[i]);
	json_end(json, ']');
	json_end_line(json, '}');
}

int command_region_scatter(struct command *command)
{
	bool is_dry = command_has(command, "dry-run");
	struct scattering scattering = {0};
	struct status status = {0};
	struct cluster *cluster;
	char list[PATH_MAX];
	int exit_code = admin_find_cluster(command->arguments[0], list), code;

	if (exit_code != COMMAND_OK)
		return exit_code;
	code = cluster_open(list, &cluster, &status);
	if (code == 0)
		code = choose_regions(command, cluster, &scattering, &status);
	if (code == 0)
		code = ask(cluster, &scattering, is_dry, &status);
	if (code == 0 && command_has(command, "wait") && !is_dry)
		code = wait_for_end(cluster, &scattering, &status);
	cluster_close(cluster);
	if (code == 0)
		tell(command, &scattering);
	free(scattering.regions);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}
