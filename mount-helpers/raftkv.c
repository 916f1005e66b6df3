/* raftkv: the administrator's command. See raftkv(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/command.h"
#include "proto/version.h"

#define NAME		   "raftkv"
#define ARGUMENT_COUNT_MAX 1024
#define ANY_SETTING	   "SECTION.KEY="

static int run_completion(struct command *command);

static const struct verb verbs[] = {
	{"status", "TARGET", "one screen about a store, or a cluster", 1, 1, command_status, NULL},
	{"health", "TARGET", "what is to be done about it", 1, 1, command_health, NULL},
	{"store ls", "TARGET", "the stores of a cluster", 1, 1, command_store_ls, NULL},
	{"store add", "STORE TARGET", "give it replicas again: ends a drain", 2, 2, command_store_add,
		"dry-run"},
	{"store drain", "STORE TARGET", "move what it has to others; --wait, --force", 2, 2,
		command_store_drain, "wait force dry-run"},
	{"store rm", "STORE TARGET", "take a drained store out", 2, 2, command_store_remove, "dry-run"},
	{"store replace", "STORE [NEW] TARGET", "its data is lost: make it anew elsewhere; --wait", 2, 3,
		command_store_replace, "wait dry-run"},
	{"region ls", "TARGET", "its regions; --limit=N, --all", 1, 1, command_region_ls, "limit= all"},
	{"region show", "PLACE [TARGET]", "one of them: an id, dirid:N, or a path's", 1, 2,
		command_region_show, NULL},
	{"region split", "PLACE [TARGET]", "make two of one, at dirid:N or a directory", 1, 2,
		command_region_split, "dry-run"},
	{"region scatter", "TARGET [PLACE...]", "spread them over the stores, or these; --recursive, --wait",
		1, ARGUMENT_COUNT_MAX - 1, command_region_scatter, "recursive wait dry-run"},
	{"region transfer", "ID STORE TARGET", "hand its leadership over", 3, 3, command_region_transfer,
		"dry-run"},
	{"region add-peer", "ID STORE TARGET", "one replica more, on a store", 3, 3, command_region_add_peer,
		"dry-run"},
	{"region rm-peer", "ID STORE TARGET", "one replica less", 3, 3, command_region_remove_peer,
		"dry-run"},
	{"cluster show", "TARGET", "the settings that hold for a whole cluster", 1, 1, command_cluster_show,
		NULL},
	{"cluster set", "NAME=VALUE TARGET", "change one of them, such as replicas=5", 2, 2,
		command_cluster_set, "dry-run"},
	{"du", "PATH...", "what trees take, counted by the store", 1, ARGUMENT_COUNT_MAX - 1, command_du,
		NULL},
	{"sync", "PATH...", "wait until all that was done on its mount is durable", 1, ARGUMENT_COUNT_MAX - 1,
		command_sync, NULL},
	{"top", "TARGET", "what it is doing, every --interval=SECONDS, --count=N times", 1, 1, command_top,
		"interval= count="},
	{"bench", "DIRECTORY", "how fast it is: --seconds=N a test, --jobs=N threads", 1, 1, command_bench,
		"seconds= jobs="},
	{"config", "[TARGET | FILE]", "the settings in force; --SECTION.KEY=VALUE beside FILE", 0, 1,
		command_config, ANY_SETTING},
	{"debug kv", "DIRECTORY", "the keys of all rows", 1, 1, command_debug_kv, NULL},
	{"debug log", "DIRECTORY", "the entries of the raft log", 1, 1, command_debug_log, NULL},
	{"debug inode", "PATH | DIRECTORY INO", "an inode: of a path in a mount, or by its number", 1, 2,
		command_debug_inode, NULL},
	{"completion bash", "", "a script for bash: source <(raftkv completion bash)", 0, 0, run_completion,
		NULL},
};

#define VERB_COUNT (sizeof verbs / sizeof *verbs)

int command_fail(const struct status *status)
{
	fprintf(stderr, NAME ": %s\n", status_sentence(status));
	return COMMAND_FAILED;
}

bool command_has(const struct command *command, const char *name)
{
	for (int i = 0; i < command->option_count; i++)
		if (strcmp(command->options[i], name) == 0)
			return true;
	return false;
}

uint64_t command_number(const struct command *command, const char *name, uint64_t otherwise)
{
	size_t size = strlen(name);

	for (int i = 0; i < command->option_count; i++)
		if (strncmp(command->options[i], name, size) == 0 && command->options[i][size] == '=')
			return strtoull(command->options[i] + size + 1, NULL, 10);
	return otherwise;
}

static void print_help(FILE *file)
{
	fputs("usage: raftkv VERB [--json] ARGUMENT...\n\n", file);
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(file, "  %-16s %-20s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
	fputs("\n"
	      "TARGET is a mount point, a path inside a mount, the directory of a store, the\n"
	      "address where a mount serves its metrics, or one or several stores of a cluster:\n"
	      "host:port,host:port,... (any of them finds the others). An address may be unix:/path.\n"
	      "DIRECTORY is that of a store that is not mounted.\n"
	      "--dry-run says what would be done or refused; --json prints JSON; --version and --help are "
	      "known everywhere.\n"
	      "\n"
	      "exit status: 0 answered, 1 unhealthy, 2 usage, 3 could not answer\n"
	      "examples:\n"
	      "  raftkv status /mnt\n"
	      "  raftkv store drain 3 store1:7420 --wait && raftkv store rm 3 store1:7420\n"
	      "  raftkv health --json /mnt | jq -r '.[].remedy'\n"
	      "  raftkv debug inode /var/lib/raftkv 1\n"
	      "See raftkv(1).\n",
		file);
}

/* ---- Completion ---- */

/* Prints the words that may come first (`first` NULL), or after `first`, each once. */
static void print_words(const char *first)
{
	size_t size = first ? strlen(first) : 0;

	for (size_t i = 0; i < VERB_COUNT; i++) {
		const char *name = verbs[i].name;
		size_t length = strcspn(name, " ");

		if (first && (length != size || strncmp(name, first, size) != 0 || name[length] == '\0'))
			continue;
		if (first)
			printf(" %s", name + length + 1);
		else if (i == 0 || strncmp(verbs[i - 1].name, name, length + 1) != 0)
			printf(" %.*s", (int)length, name);
	}
}

static int run_completion(struct command *command)
{
	(void)command;
	puts("_raftkv() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} words=\n"
	     "\tcase $COMP_CWORD:${COMP_WORDS[1]} in");
	fputs("\t1:*) words=\"--json --help --version", stdout);
	print_words(NULL);
	puts("\" ;;");
	for (size_t i = 0; i < VERB_COUNT; i++) {
		int length = (int)strcspn(verbs[i].name, " ");
		char first[32];

		if (verbs[i].name[length] == '\0' ||
			(i > 0 && strncmp(verbs[i - 1].name, verbs[i].name, (size_t)length + 1) == 0))
			continue;
		printf("\t2:%.*s) words=\"", length, verbs[i].name);
		snprintf(first, sizeof first, "%.*s", length, verbs[i].name);
		print_words(first);
		puts("\" ;;");
	}
	puts("\tesac\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	     "\t[ -n \"$words\" ] || COMPREPLY=($(compgen -d -- \"$word\"))\n"
	     "}\n"
	     "complete -o filenames -F _raftkv raftkv");
	return COMMAND_OK;
}

/* ---- The command line ---- */

/* getopt_long cannot be used: the options depend on the verb, which may come after them, and `config` takes any setting
 * as an option. */

/* How many words of the line are the verb's name; 0: it is another verb. */
static int match(const struct verb *verb, int count, char **words)
{
	const char *space = strchr(verb->name, ' ');

	if (!space)
		return count >= 1 && strcmp(words[0], verb->name) == 0 ? 1 : 0;
	return count >= 2 && strlen(words[0]) == (size_t)(space - verb->name) &&
			       strncmp(words[0], verb->name, strlen(words[0])) == 0 &&
			       strcmp(words[1], space + 1) == 0
		       ? 2
		       : 0;
}

static int usage(const char *text, const char *detail)
{
	fprintf(stderr, NAME ": %s%s; see 'raftkv --help'\n", text, detail);
	return COMMAND_USAGE;
}

static bool is_positive_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text) && strtoull(text, NULL, 10) > 0;
}

/* "name" or "name=" must be one of the verb's options, the latter with a number. Settings are checked by config.h. */
static bool takes_option(const struct verb *verb, const char *option)
{
	size_t size = strcspn(option, "=");
	const char *known = verb->options;

	if (known && strcmp(known, ANY_SETTING) == 0)
		return option[size] == '=' && memchr(option, '.', size) != NULL;
	size += option[size] == '=';
	while (known && (strcspn(known, " ") != size || strncmp(known, option, size) != 0)) {
		known = strchr(known, ' ');
		known = known ? known + 1 : NULL;
	}
	return known && (option[size > 0 ? size - 1 : 0] != '=' || is_positive_number(option + size));
}

static int run(struct command *command, int count, char **words)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		int size = match(&verbs[i], count, words);

		if (size == 0)
			continue;
		command->count = count - size;
		command->arguments = words + size;
		if (command->count < verbs[i].argument_min || command->count > verbs[i].argument_max)
			return usage("this verb is called as: ", verbs[i].name);
		for (int k = 0; k < command->option_count; k++)
			if (!takes_option(&verbs[i], command->options[k]))
				return usage("no such option, or no number in it: --", command->options[k]);
		return verbs[i].run(command);
	}
	return usage(count == 0 ? "a verb is needed" : "no such verb: ", count == 0 ? "" : words[0]);
}

int main(int count, char **arguments)
{
	struct command command = {.json.file = stdout};
	char *words[ARGUMENT_COUNT_MAX];
	int word_count = 0;

	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--json") == 0) {
			command.is_json = true;
		} else if (strcmp(arguments[i], "--help") == 0) {
			print_help(stdout);
			return COMMAND_OK;
		} else if (strcmp(arguments[i], "--version") == 0) {
			puts("raftkv " RAFTKV_VERSION);
			return COMMAND_OK;
		} else if (strncmp(arguments[i], "--", 2) == 0 &&
			   command.option_count < COMMAND_OPTION_COUNT_MAX) {
			command.options[command.option_count++] = arguments[i] + 2;
		} else if (arguments[i][0] == '-' && arguments[i][1] != '\0') {
			return usage("no such option: ", arguments[i]);
		} else if (word_count == ARGUMENT_COUNT_MAX) {
			return usage("too many arguments", "");
		} else {
			words[word_count++] = arguments[i];
		}
	}
	return run(&command, word_count, words);
}
