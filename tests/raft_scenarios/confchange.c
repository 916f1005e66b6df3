/*
 * Scenarios of membership changes: `simple`, `enter-joint` and `leave-joint` on one configuration. The progress of its
 * members is printed with it. Each command advances the index by one, so that `next` tells when a member joined.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "raft/confchange.h"
#include "raft/describe.h"
#include "raft/progress.h"
#include "tests/raft_scenarios/kinds.h"

struct changes {
	struct tracker tracker;
	uint64_t last_index;
};

static bool parse_step(const char *token, struct raft_conf_change_step *step)
{
	static const char letters[] = "vrul"; /* in the order of enum raft_conf_change_type */
	const char *letter = strchr(letters, token[0]);

	if (!letter || !*letter)
		return false;
	step->type = (enum raft_conf_change_type)(letter - letters);
	return number_parse(token + 1, &step->node);
}

bool parse_conf_change(struct slice text, struct raft_conf_change *change, char *error, size_t error_size)
{
	char copy[1024], *rest = copy, *token;

	snprintf(copy, sizeof copy, "%.*s", (int)text.size, (const char *)text.data);
	while ((token = strsep(&rest, " \n"))) {
		if (*token == '\0')
			continue;
		if (change->step_count == RAFT_CONF_CHANGE_STEPS_MAX ||
			!parse_step(token, &change->steps[change->step_count++])) {
			snprintf(error, error_size, "unknown input: %s", token);
			return false;
		}
	}
	return true;
}

static int change_conf(const struct changes *changes, const struct command *command,
	const struct raft_conf_change *change, struct raft_conf_state *to, struct status *status)
{
	const struct raft_conf_state *from = &changes->tracker.conf;

	if (strcmp(command->name, "simple") == 0)
		return confchange_simple(from, change->steps, change->step_count, to, status);
	if (strcmp(command->name, "enter-joint") == 0)
		return confchange_enter_joint(from, command_flag(command, "autoleave"), change->steps,
			change->step_count, to, status);
	if (change->step_count > 0)
		return status_set(status, STATUS_CONF_CHANGE_INVALID, "this command takes no input");
	return confchange_leave_joint(from, to, status);
}

static void print_members(const struct tracker *tracker, FILE *out)
{
	raft_describe_config(out, &tracker->conf);
	fputc('\n', out);
	for (uint32_t i = 0; i < tracker->count; i++) {
		const struct progress *progress = &tracker->items[i];
		struct raft_progress_status status = {.id = progress->id,
			.state = progress->state,
			.is_learner = progress->is_learner,
			.recent_active = progress->recent_active,
			.match = progress->match,
			.next = progress->next};

		fprintf(out, "%" PRIu64 ": ", progress->id);
		raft_describe_progress(out, &status);
		fputc('\n', out);
	}
}

static void run(void *state, const struct step *step, FILE *out)
{
	struct changes *changes = state;
	struct raft_conf_change change = {0};
	struct raft_conf_state next = {0};
	struct status status = {0};
	char error[128];

	if (!parse_conf_change(step->input, &change, error, sizeof error)) {
		fprintf(out, "%s\n", error);
	} else if (change_conf(changes, &step->command, &change, &next, &status) != 0) {
		fprintf(out, "%s\n", status.text);
	} else {
		uint64_t next_index = changes->last_index > 0 ? changes->last_index : 1;

		check(tracker_set_conf(&changes->tracker, &next, next_index) == 0);
		print_members(&changes->tracker, out);
	}
	raft_conf_state_close(&next);
	changes->last_index++;
}

static bool has_command(const char *name)
{
	return strcmp(name, "simple") == 0 || strcmp(name, "enter-joint") == 0 ||
	       strcmp(name, "leave-joint") == 0;
}

static void *state_new(void)
{
	struct changes *changes = calloc(1, sizeof *changes);

	check(changes != NULL);
	changes->tracker.limits.count_max = 10;
	return changes;
}

static void state_free(void *state)
{
	struct changes *changes = state;

	tracker_close(&changes->tracker);
	free(changes);
}

const struct kind kind_confchange = {"confchange", has_command, state_new, state_free, run};
