/*
 * command.h: the verbs of raftkv(1), one function each, and what they share.
 */
#ifndef RAFTKV_MOUNT_HELPERS_COMMAND_H
#define RAFTKV_MOUNT_HELPERS_COMMAND_H

#include <stdbool.h>

#include "mount-helpers/json.h"
#include "mount-helpers/target.h"

/* Exit codes of raftkv(1). */
enum {
	COMMAND_OK = 0,
	COMMAND_UNHEALTHY = 1, /* health: there is something to do */
	COMMAND_USAGE = 2,
	COMMAND_FAILED = 3, /* the question could not be answered */
};

#define COMMAND_OPTION_COUNT_MAX 64

struct command {
	bool is_json;
	struct json json;
	int count; /* of arguments after the verb, without options */
	char **arguments;
	int option_count;
	const char *options[COMMAND_OPTION_COUNT_MAX]; /* "name=value", without the dashes */
};

struct verb {
	const char *name; /* one word or two */
	const char *arguments;
	const char *summary;
	int argument_min, argument_max;
	int (*run)(struct command *command);
	/* The verb's own options, separated by blanks ("interval= wait"), with a positive number after each '='.
	 * "SECTION.KEY=": any setting. NULL: none. */
	const char *options;
};

int command_status(struct command *command); /* command_status.c */
int command_health(struct command *command);
int command_region_ls(struct command *command); /* command_region.c */
int command_region_show(struct command *command);
int command_debug_kv(struct command *command); /* command_debug.c */
int command_debug_log(struct command *command);
int command_debug_inode(struct command *command);

int command_du(struct command *command); /* command_du.c */
int command_debug_inode_path(struct command *command);
int command_sync(struct command *command);
int command_bench(struct command *command); /* command_bench.c */
int command_top(struct command *command); /* command_top.c */
int command_config(struct command *command); /* command_config.c */

int command_region_split(struct command *command);
int command_region_transfer(struct command *command);
int command_region_add_peer(struct command *command);
int command_region_remove_peer(struct command *command);
int command_cluster_show(struct command *command); /* command_cluster.c */
int command_cluster_set(struct command *command);
int command_region_scatter(struct command *command); /* command_scatter.c */
int command_store_ls(struct command *command); /* command_store.c */
int command_store_add(struct command *command);
int command_store_drain(struct command *command);
int command_store_remove(struct command *command);
int command_store_replace(struct command *command);

/* Whether the option --NAME was given. */
bool command_has(const struct command *command, const char *name);
/* The value of the option --NAME=, which has been checked; `otherwise` if it was not given. */
uint64_t command_number(const struct command *command, const char *name, uint64_t otherwise);
/* Prints the status's sentence on stderr. Returns COMMAND_FAILED. */
int command_fail(const struct status *status);

#endif
