#include "fs/server/options.h"

#include <errno.h>
#include <string.h>

/* Short names of settings of the section [server]. */
static const struct {
	const char *option;
	const char *name;
	const char *value; /* that the option sets; NULL: the option takes a value */
} names[] = {
	{"--data", "data", NULL},
	{"--listen", "listen", NULL},
	{"--advertise", "advertise", NULL},
	{"--initial-cluster", "initial_cluster", NULL},
	{"--join", "join", NULL},
	{"--insecure", "insecure", "true"},
};

#define NAME_COUNT (sizeof names / sizeof *names)

struct option_line {
	char **next, **end;
	struct config *config;
	struct status *status;
};

/* "--option=value", or "--option" and the next argument. 1: it is this option; 0: another one. */
static int server_options_take(struct option_line *line, const char *option, const char **value)
{
	size_t size = strlen(option);

	if (strncmp(*line->next, option, size) != 0 ||
		((*line->next)[size] != '=' && (*line->next)[size] != '\0'))
		return 0;
	*value = (*line->next)[size] == '=' ? *line->next + size + 1 : NULL;
	if (!*value && line->next + 1 < line->end)
		*value = *++line->next;
	if (!*value)
		return status_set(line->status, -EINVAL, "%s needs a value", option);
	return 1;
}

static int set_named(struct option_line *line, size_t i)
{
	const char *value = names[i].value;
	int code = 1;

	if (!value)
		code = server_options_take(line, names[i].option, &value);
	else if (strcmp(*line->next, names[i].option) != 0)
		code = 0;
	if (code <= 0)
		return code;
	code = config_set(line->config, "server", names[i].name, value, names[i].option, line->status);
	return code < 0 ? code : 1;
}

static int server_options_apply(struct option_line *line)
{
	const char *value, *option = *line->next;
	int code = server_options_take(line, "--config", &value);

	for (size_t i = 0; i < NAME_COUNT && code == 0; i++)
		code = set_named(line, i);
	if (code != 0)
		return code < 0 ? code : 0;
	if (strncmp(option, "--", 2) != 0)
		return status_set(line->status, -EINVAL, "'%.80s' is no option; see raftkvd --help", option);
	return config_set_assignment(line->config, option + 2, "the command line", line->status);
}

/* The file of the last --config, or NULL. */
static const char *find_file(int count, char **arguments)
{
	const char *file = NULL;
	struct option_line line = {.next = arguments + 1, .end = arguments + count};

	for (; line.next < line.end; line.next++) {
		const char *value;

		if (server_options_take(&line, "--config", &value) > 0)
			file = value;
	}
	return file;
}

static enum server_request find_request(int count, char **arguments)
{
	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--help") == 0)
			return SERVER_HELP;
		if (strcmp(arguments[i], "--version") == 0)
			return SERVER_VERSION;
	}
	return SERVER_RUN;
}

int server_options_parse(struct config *config, int count, char **arguments, enum server_request *request,
	struct status *status)
{
	struct option_line line = {
		.next = arguments + 1, .end = arguments + count, .config = config, .status = status};
	const char *file = find_file(count, arguments);
	int code;

	*request = find_request(count, arguments);
	if (*request != SERVER_RUN)
		return 0;
	code = config_read(config, file ? file : CONFIG_PATH, status);
	if (code == -ENOENT && !file)
		code = 0;
	for (; code == 0 && line.next < line.end; line.next++)
		code = server_options_apply(&line);
	return code == 0 ? config_check(config, status) : code;
}
