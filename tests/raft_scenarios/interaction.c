#include "tests/raft_scenarios/interaction.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/check.h"
#include "tests/raft_scenarios/kinds.h"

/* ---- Output ---- */

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"};

FILE *cluster_out(struct cluster *cluster)
{
	return cluster->level == LEVEL_NONE ? cluster->nowhere : cluster->out;
}

static void write_log(void *argument, enum log_level level, const char *line)
{
	struct cluster *cluster = argument;

	fprintf(cluster_out(cluster), "%s %s\n", level_names[level], line);
}

void cluster_use_level(struct cluster *cluster, enum level level)
{
	cluster->level = level;
	cluster->logger.level = level < LEVEL_FATAL ? (enum log_level)level : LOG_NONE;
}

void cluster_set_level(struct cluster *cluster, const char *name)
{
	for (enum level level = LEVEL_DEBUG; level <= LEVEL_NONE; level++) {
		if (strcasecmp(level_names[level], name) == 0) {
			cluster_use_level(cluster, level);
			return;
		}
	}
	cluster_fail(cluster, "log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]");
}

void cluster_fail(struct cluster *cluster, const char *format, ...)
{
	va_list arguments;

	if (cluster_has_failed(cluster))
		return;
	va_start(arguments, format);
	vsnprintf(cluster->error, sizeof cluster->error, format, arguments);
	va_end(arguments);
}

bool cluster_has_failed(const struct cluster *cluster)
{
	return cluster->error[0] != '\0';
}

const char *cluster_status_text(int status)
{
	switch (status) {
	case STATUS_COMPACTED:
		return "requested index is unavailable due to compaction";
	case STATUS_UNAVAILABLE:
		return "requested entry at index is unavailable";
	case STATUS_SNAPSHOT_UNAVAILABLE:
		return "snapshot is temporarily unavailable";
	case STATUS_SNAPSHOT_OUT_OF_DATE:
		return "requested index is older than the existing snapshot";
	case STATUS_PROPOSAL_DROPPED:
		return "raft proposal dropped";
	case STATUS_STEP_LOCAL:
		return "raft: cannot step raft local message";
	case STATUS_STEP_UNKNOWN_PEER:
		return "raft: cannot step as peer not found";
	default:
		return status_name(status);
	}
}

void cluster_fail_status(struct cluster *cluster, int status)
{
	if (status != 0)
		cluster_fail(cluster, "%s", cluster_status_text(status));
}

void cluster_indent(struct cluster *cluster, struct indent *indent)
{
	indent->outer = cluster->out;
	cluster->out = open_memstream(&indent->text, &indent->size);
	check(cluster->out != NULL);
}

void cluster_outdent(struct cluster *cluster, struct indent *indent)
{
	char *rest, *line;

	fclose(cluster->out);
	cluster->out = indent->outer;
	rest = indent->text;
	while ((line = strsep(&rest, "\n")))
		if (*line != '\0' || rest)
			fprintf(cluster->out, "  %s\n", line);
	free(indent->text);
}

/* ---- Arguments ---- */

size_t cluster_nodes(struct cluster *cluster, const struct command *command, struct node *nodes[NODES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < command->argument_count; i++) {
		const struct argument *argument = &command->arguments[i];
		uint64_t id;

		if (argument->value_count > 0)
			continue;
		if (!number_parse(argument->key, &id) || id == 0 || id > cluster->node_count ||
			count == NODES_MAX) {
			cluster_fail(cluster, "no such node: %s", argument->key);
			return 0;
		}
		nodes[count++] = cluster->nodes[id - 1];
	}
	return count;
}

struct node *cluster_node(struct cluster *cluster, const struct command *command, size_t position)
{
	for (size_t i = 0; i < command->argument_count; i++) {
		const struct argument *argument = &command->arguments[i];
		uint64_t id;

		if (argument->value_count > 0 || position-- > 0)
			continue;
		if (!number_parse(argument->key, &id) || id == 0 || id > cluster->node_count)
			break;
		if (!cluster->nodes[id - 1]->raw)
			break;
		return cluster->nodes[id - 1];
	}
	cluster_fail(cluster, "no such node");
	return NULL;
}

/* ---- Commands ---- */

static const struct interaction_command *find_command(const char *name)
{
	static const struct interaction_command *const families[] = {
		node_commands, message_commands, ready_commands, request_commands};

	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct interaction_command *command = families[i]; command->name; command++)
			if (strcmp(command->name, name) == 0)
				return command;
	return NULL;
}

static bool has_command(const char *name)
{
	return find_command(name) != NULL;
}

static void run_one(struct cluster *cluster, const struct command *command, struct slice input)
{
	const struct interaction_command *found = find_command(command->name);

	if (found)
		found->run(cluster, command, input);
	else
		cluster_fail(cluster, "unknown command");
}

static void print_error(struct cluster *cluster)
{
	fputs(cluster->error, cluster->out);
	cluster->error[0] = '\0';
}

/* Input lines of any command but propose-conf-change are further commands; their errors do not end the step. */
static void run_lines(struct cluster *cluster, struct slice input)
{
	char *copy = strndup(input.data, input.size), *rest = copy, *line;

	check(copy != NULL);
	while (!cluster_has_failed(cluster) && (line = strsep(&rest, "\n"))) {
		struct command command;

		if (!command_parse(&command, slice_of(line, strlen(line))))
			cluster_fail(cluster, "could not parse the command line %s", line);
		else
			run_one(cluster, &command, (struct slice){0});
		if (cluster_has_failed(cluster) && cluster->level != LEVEL_NONE)
			print_error(cluster);
	}
	free(copy);
}

static void run(void *state, const struct step *step, FILE *out)
{
	struct cluster *cluster = state;
	bool takes_input = strcmp(step->command.name, "propose-conf-change") == 0;

	cluster->out = out;
	run_one(cluster, &step->command, step->input);
	if (!takes_input && !cluster_has_failed(cluster) && step->input.size > 0)
		run_lines(cluster, step->input);
	print_error(cluster);
	cluster->out = NULL;
}

/* ---- Life ---- */

static void *state_new(void)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);

	check(cluster != NULL);
	cluster->logger = (struct logger){.level = LOG_DEBUG, .write = write_log, .argument = cluster};
	cluster->nowhere = fopen("/dev/null", "w");
	check(cluster->nowhere != NULL);
	return cluster;
}

static void state_free(void *state)
{
	struct cluster *cluster = state;

	cluster->out = cluster->nowhere;
	for (size_t i = 0; i < cluster->node_count; i++)
		node_free(cluster->nodes[i]);
	queue_close(&cluster->messages);
	queue_close(&cluster->held);
	fclose(cluster->nowhere);
	free(cluster);
}

const struct kind kind_interaction = {"interaction", has_command, state_new, state_free, run};
