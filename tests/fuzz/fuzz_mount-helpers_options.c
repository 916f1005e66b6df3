/* Command lines of mount.raftkv and sources, as anybody may write them: parsed or refused with a sentence. */
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/options.h"
#include "mount-helpers/source.h"

#define ARGUMENTS_MAX 8

static void check_parsed(const struct mount_options *options)
{
	if (options->show_help || options->show_version)
		return;
	if (!options->source || !options->directory)
		abort();
	if (options->mount_timeout_s > 86400 || options->setting_count > MOUNT_SETTING_COUNT_MAX)
		abort();
	if (options->log && options->log[0] != '/')
		abort();
	if (source_is_cluster(options->source) && options->source[0] == '/')
		abort();
	source_has_shell_characters(options->source);
}

/* Each line of the input is an argument. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[] = "mount.raftkv";
	char *arguments[ARGUMENTS_MAX + 1] = {name};
	struct mount_options options;
	struct status status = {0};
	char *text = malloc(size + 1);
	char *rest = text, *argument;
	int count = 1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	while (count < ARGUMENTS_MAX && (argument = strsep(&rest, "\n")))
		arguments[count++] = argument;
	if (mount_options_parse(&options, count, arguments, &status) == 0)
		check_parsed(&options);
	else if (status.text[0] == '\0')
		abort();
	mount_options_close(&options);
	free(text);
	return 0;
}
