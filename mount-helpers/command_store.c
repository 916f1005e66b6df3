/*
 * command_store.c: raftkv store: lists the stores of a cluster, and adds, drains, removes and replaces them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/command.h"
#include "mount-helpers/command_admin.h"
#include "mount-helpers/progress.h"

#define LOOK_US	       300000 /* between two looks at the overview */
#define STUCK_LOOKS    40 /* looks in a row without a possible move, after which it stops waiting */
#define PROGRESS_LABEL "moving"

int command_store_ls(struct command *command)
{
	char list[PATH_MAX];
	int exit_code = admin_find_cluster(command->arguments[0], list);

	return exit_code == COMMAND_OK ? view_stores(command, list) : exit_code;
}

static int set(struct command *command, uint64_t replacement, enum store_state state, const char *what)
{
	const char *target = command->arguments[command->count - 1];
	struct admin_request request = {.kind = ADMIN_SET_STORE, .state = state, .replacement = replacement};
	char list[PATH_MAX];
	int exit_code;

	if (!admin_read_number(command->arguments[0], &request.store))
		return COMMAND_USAGE;
	exit_code = admin_find_cluster(target, list);
	request.is_forced = command_has(command, "force");
	return exit_code == COMMAND_OK ? admin_make(command, list, &request, what) : exit_code;
}

int command_store_add(struct command *command)
{
	return set(command, 0, STORE_UP, "gets replicas again");
}

int command_store_remove(struct command *command)
{
	return set(command, 0, STORE_REMOVED, "is removed; its directory is of no use any more");
}

/* ---- Waiting until a store has no replicas ---- */

struct emptying {
	uint64_t store;
	uint32_t first; /* replicas at the beginning; 0: not known yet */
	uint32_t left; /* replicas now */
	uint32_t stuck; /* looks in a row with a stuck region */
};

/* A lost store disappears from the records once it has no replicas; until then one counts as left. So it does while the
 * coordinator, which may be new, does not know of all replicas. */
static uint32_t count_left(const Raftkv__OverviewReply *overview, const Raftkv__OverviewStore *store)
{
	bool may_have_more = store->state == STORE_LOST || overview->is_partial;

	return store->replicas == 0 && may_have_more ? 1 : store->replicas;
}

static void look_at(struct emptying *emptying, const Raftkv__OverviewReply *overview)
{
	bool is_stuck = false;

	emptying->left = 0;
	for (size_t i = 0; i < overview->n_stores; i++)
		if (overview->stores[i]->store == emptying->store)
			emptying->left = count_left(overview, overview->stores[i]);
	for (size_t i = 0; i < overview->n_regions; i++)
		is_stuck |= overview->regions[i]->step == PLACEMENT_STUCK;
	emptying->stuck = is_stuck ? emptying->stuck + 1 : 0;
	if (emptying->first < emptying->left)
		emptying->first = emptying->left;
}

static int look(struct cluster *cluster, struct emptying *emptying, struct status *status)
{
	Raftkv__OverviewReply *overview;
	int code = cluster_overview(cluster, &overview, status);

	if (code < 0)
		return code;
	look_at(emptying, overview);
	raftkv__overview_reply__free_unpacked(overview, NULL);
	if (emptying->stuck >= STUCK_LOOKS)
		return status_set(status, -EBUSY,
			"%u replicas are left on store %" PRIu64 ", and no other store can take them: see "
			"'raftkv health'; 'raftkv store add %" PRIu64 "' ends the drain",
			emptying->left, emptying->store, emptying->store);
	return 0;
}

static int wait_until_empty(const char *list, uint64_t store)
{
	struct emptying emptying = {.store = store};
	struct progress_bar progress;
	struct status status = {0};
	struct cluster *cluster;
	int code = cluster_open(list, &cluster, &status);

	progress_start(&progress, false);
	while (code == 0) {
		code = look(cluster, &emptying, &status);
		if (code < 0 || emptying.left == 0)
			break;
		if (!progress_tell(&progress, PROGRESS_LABEL, 1 - (double)emptying.left / emptying.first))
			code = status_set(&status, -EINTR,
				"not waited for: %u replicas are left on store %" PRIu64 ", and go on moving",
				emptying.left, store);
		usleep(LOOK_US);
	}
	progress_stop(&progress);
	cluster_close(cluster);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

static int wait_if_asked(struct command *command, int exit_code)
{
	char list[PATH_MAX];
	uint64_t store;

	if (exit_code != COMMAND_OK || !command_has(command, "wait") || command_has(command, "dry-run"))
		return exit_code;
	if (!admin_read_number(command->arguments[0], &store) ||
		admin_find_cluster(command->arguments[command->count - 1], list) != COMMAND_OK)
		return COMMAND_FAILED;
	return wait_until_empty(list, store);
}

int command_store_drain(struct command *command)
{
	return wait_if_asked(
		command, set(command, 0, STORE_DRAINING, "drains: what it has moves to other stores"));
}

int command_store_replace(struct command *command)
{
	uint64_t replacement = 0;

	if (command->count == 3 && !admin_read_number(command->arguments[1], &replacement))
		return COMMAND_USAGE;
	return wait_if_asked(command, set(command, replacement, STORE_LOST,
					      "is given up: its replicas are made anew on other stores"));
}
