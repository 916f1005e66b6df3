#include "mount-helpers/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

enum option_kind {
	SET_FLAG, /* sets bits of the mount's flags */
	CLEAR_FLAG, /* clears bits of the mount's flags */
	SET_BOOL, /* sets the bool at `offset` to true */
	CLEAR_BOOL, /* sets the bool at `offset` to false */
	SET_SECONDS, /* sets the uint32_t at `offset` */
	SET_PATH, /* sets the pointer at `offset` to an absolute path */
	SET_CACHE, /* short name of kv.cache_bytes */
	SET_LANES, /* short name of mount.lanes */
	SET_METRICS, /* short name of mount.metrics */
	SET_READ, /* short name of mount.read */
	SET_TIMEO, /* short name of mount.timeo_s */
	TO_KERNEL, /* passed to the kernel unchanged */
	DROP, /* for mount(8) or fstab(5) only */
};

struct option_rule {
	const char *name; /* a final '=': a value follows; a final '*': any text may follow */
	enum option_kind kind;
	unsigned long flag;
	size_t offset;
};

#define DAY_S	    86400u
#define FIELD(name) offsetof(struct mount_options, name)

static const struct option_rule rules[] = {
	{"ro", SET_FLAG, MS_RDONLY, 0},
	{"rw", CLEAR_FLAG, MS_RDONLY, 0},
	{"nosuid", SET_FLAG, MS_NOSUID, 0},
	{"suid", CLEAR_FLAG, MS_NOSUID, 0},
	{"nodev", SET_FLAG, MS_NODEV, 0},
	{"dev", CLEAR_FLAG, MS_NODEV, 0},
	{"noexec", SET_FLAG, MS_NOEXEC, 0},
	{"exec", CLEAR_FLAG, MS_NOEXEC, 0},
	{"noatime", SET_FLAG, MS_NOATIME, 0},
	{"atime", CLEAR_FLAG, MS_NOATIME, 0},
	{"nodiratime", SET_FLAG, MS_NODIRATIME, 0},
	{"diratime", CLEAR_FLAG, MS_NODIRATIME, 0},
	{"relatime", SET_FLAG, MS_RELATIME, 0},
	{"norelatime", CLEAR_FLAG, MS_RELATIME, 0},
	{"strictatime", SET_FLAG, MS_STRICTATIME, 0},
	{"nosymfollow", SET_FLAG, MS_NOSYMFOLLOW, 0},
	{"symfollow", CLEAR_FLAG, MS_NOSYMFOLLOW, 0},
	{"dirsync", SET_FLAG, MS_DIRSYNC, 0},
	{"sync", SET_FLAG, MS_SYNCHRONOUS, 0},
	{"async", CLEAR_FLAG, MS_SYNCHRONOUS, 0},
	{"remount", SET_BOOL, 0, FIELD(remount)},
	{"foreground", SET_BOOL, 0, FIELD(foreground)},
	{"debug", SET_BOOL, 0, FIELD(debug)},
	{"nosubtype", SET_BOOL, 0, FIELD(no_subtype)},
	{"allow_other", SET_BOOL, 0, FIELD(allow_other)},
	{"noallow_other", SET_BOOL, 0, FIELD(only_me)},
	{"mount_timeout=", SET_SECONDS, 0, FIELD(mount_timeout_s)},
	{"log=", SET_PATH, 0, FIELD(log)},
	{"config=", SET_PATH, 0, FIELD(config)},
	{"lanes=", SET_LANES, 0, 0},
	{"cache_size=", SET_CACHE, 0, 0},
	{"metrics=", SET_METRICS, 0, 0},
	{"read=", SET_READ, 0, 0},
	{"timeo=", SET_TIMEO, 0, 0},
	{"context=", TO_KERNEL, 0, 0},
	{"fscontext=", TO_KERNEL, 0, 0},
	{"defcontext=", TO_KERNEL, 0, 0},
	{"rootcontext=", TO_KERNEL, 0, 0},
	{"defaults", DROP, 0, 0},
	{"auto", DROP, 0, 0},
	{"noauto", DROP, 0, 0},
	{"user", DROP, 0, 0},
	{"user=", DROP, 0, 0},
	{"nouser", DROP, 0, 0},
	{"users", DROP, 0, 0},
	{"nousers", DROP, 0, 0},
	{"owner", DROP, 0, 0},
	{"group", DROP, 0, 0},
	{"noowner", DROP, 0, 0},
	{"nogroup", DROP, 0, 0},
	{"silent", DROP, 0, 0},
	{"loud", DROP, 0, 0},
	{"nofail", DROP, 0, 0},
	{"_netdev", DROP, 0, 0},
	{"default_permissions", DROP, 0, 0},
	{"nostrictatime", DROP, 0, 0},
	{"lazytime", DROP, 0, 0},
	{"nolazytime", DROP, 0, 0},
	{"fsname=", DROP, 0, 0},
	{"subtype=", DROP, 0, 0},
	{"user_id=", DROP, 0, 0},
	{"group_id=", DROP, 0, 0},
	{"max_read=", DROP, 0, 0},
	{"comment=", DROP, 0, 0},
	{"x-*", DROP, 0, 0},
	{"X-*", DROP, 0, 0},
};

void mount_options_each(void (*each)(void *argument, const char *name), void *argument)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		each(argument, rules[i].name);
}

static const struct option_rule *find_rule(const char *option)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		const char *name = rules[i].name;
		size_t length = strlen(name);

		if (name[length - 1] == '=' && strncmp(option, name, length) == 0)
			return &rules[i];
		if (name[length - 1] == '*' && strncmp(option, name, length - 1) == 0)
			return &rules[i];
		if (strcmp(option, name) == 0)
			return &rules[i];
	}
	return NULL;
}

static int set_seconds(uint32_t *field, const char *option, const char *value, struct status *status)
{
	char *end;
	unsigned long seconds = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || seconds > DAY_S)
		return status_set(
			status, -EINVAL, "option '%s' needs a number of seconds, at most %u", option, DAY_S);
	*field = (uint32_t)seconds;
	return 0;
}

static int add_setting(struct mount_options *options, const char *section, const char *key,
	const char *option, struct status *status)
{
	if (options->setting_count == MOUNT_SETTING_COUNT_MAX)
		return status_set(status, -EINVAL, "option '%s': too many settings", option);
	options->settings[options->setting_count++] =
		(struct mount_setting){.section = section, .key = key, .text = option};
	return 0;
}

static int add_kernel_option(struct mount_options *options, const char *option, struct status *status)
{
	size_t before = options->kernel ? strlen(options->kernel) : 0;
	char *joined = realloc(options->kernel, before + strlen(option) + 2);

	if (!joined)
		return status_set(status, -ENOMEM, "out of memory");
	if (before > 0)
		joined[before++] = ',';
	strcpy(joined + before, option);
	options->kernel = joined;
	return 0;
}

static int apply_option(struct mount_options *options, const char *option, struct status *status)
{
	const struct option_rule *rule = find_rule(option);
	const char *value = strchr(option, '=');

	if (!rule && value && memchr(option, '.', (size_t)(value - option)))
		return add_setting(options, NULL, NULL, option, status);
	if (!rule)
		return options->sloppy ? 0
				       : status_set(status, -EINVAL,
						 "unknown option '%s' (see mount.raftkv(8))", option);
	switch (rule->kind) {
	case SET_FLAG:
		options->flags |= rule->flag;
		return 0;
	case CLEAR_FLAG:
		options->flags &= ~rule->flag;
		return 0;
	case SET_BOOL:
	case CLEAR_BOOL:
		*(bool *)((char *)options + rule->offset) = rule->kind == SET_BOOL;
		return 0;
	case SET_SECONDS:
		return set_seconds((void *)((char *)options + rule->offset), option, value + 1, status);
	case SET_PATH:
		if (value[1] != '/')
			return status_set(status, -EINVAL, "option '%s' needs an absolute path", option);
		*(const char **)(void *)((char *)options + rule->offset) = value + 1;
		return 0;
	case SET_CACHE:
		return add_setting(options, "kv", "cache_bytes", option, status);
	case SET_LANES:
		return add_setting(options, "mount", "lanes", option, status);
	case SET_METRICS:
		return add_setting(options, "mount", "metrics", option, status);
	case SET_READ:
		return add_setting(options, "mount", "read", option, status);
	case SET_TIMEO:
		return add_setting(options, "mount", "timeo_s", option, status);
	case TO_KERNEL:
		return add_kernel_option(options, option, status);
	case DROP:
		return 0;
	}
	return 0;
}

/* Splits at commas outside of double quotes (a context= value may contain commas). */
static int apply_list(struct mount_options *options, char *list, struct status *status)
{
	bool quoted = false;
	char *option = list;

	for (char *c = list;; c++) {
		bool is_end = *c == '\0';

		if (*c == '"')
			quoted = !quoted;
		if (!is_end && (*c != ',' || quoted))
			continue;
		*c = '\0';
		if (*option != '\0') {
			int code = apply_option(options, option, status);

			if (code < 0)
				return code;
		}
		if (is_end)
			return 0;
		option = c + 1;
	}
}

static int join_lists(struct mount_options *options, const char *list, struct status *status)
{
	size_t before = options->text ? strlen(options->text) : 0;
	char *text = realloc(options->text, before + strlen(list) + 2);

	if (!text)
		return status_set(status, -ENOMEM, "out of memory");
	if (before > 0)
		text[before++] = ',';
	strcpy(text + before, list);
	options->text = text;
	return 0;
}

/* `argument`: the last one that getopt_long looked at. */
static int refuse_switch(const char *argument, struct status *status)
{
	if (optopt == 0)
		return status_set(status, -EINVAL, "unknown switch '%.80s' (try --help)", argument);
	return status_set(status, -EINVAL, "unknown switch '-%c' (try --help)", optopt);
}

/* mount(8) passes only short switches; --help and --version are for users. */
static int parse_switches(struct mount_options *options, int count, char **arguments, struct status *status)
{
	static const struct option names[] = {
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	int letter, code;

	optind = 0; /* glibc: starts a new scan */
	opterr = 0;
	while ((letter = getopt_long(count, arguments, ":sfnvNVho:t:", names, NULL)) != -1) {
		switch (letter) {
		case 's':
			options->sloppy = true;
			break;
		case 'f':
			options->fake = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'n':
		case 'N':
		case 't':
			break;
		case 'h':
			options->show_help = true;
			return 0;
		case 'V':
			options->show_version = true;
			return 0;
		case 'o':
			code = join_lists(options, optarg, status);
			if (code < 0)
				return code;
			break;
		case ':':
			return status_set(status, -EINVAL, "-%c needs a value", optopt);
		default:
			return refuse_switch(arguments[optind - 1], status);
		}
	}
	return 0;
}

int mount_options_parse(struct mount_options *options, int count, char **arguments, struct status *status)
{
	int code;

	*options = (struct mount_options){.mount_timeout_s = 30};
	code = parse_switches(options, count, arguments, status);
	if (code < 0 || options->show_help || options->show_version)
		return code;
	if (count - optind != 2)
		return status_set(status, -EINVAL,
			"expected a source and a mount point, got %d argument%s (try --help)", count - optind,
			count - optind == 1 ? "" : "s");
	options->source = arguments[optind];
	options->directory = arguments[optind + 1];
	return options->text ? apply_list(options, options->text, status) : 0;
}

void mount_options_close(struct mount_options *options)
{
	free(options->kernel);
	free(options->text);
	options->kernel = NULL;
	options->text = NULL;
}

/* ---- The settings ---- */

static int apply_setting(struct config *config, const struct mount_setting *setting, struct status *status)
{
	struct status reason = {0};
	char origin[120];
	int code;

	snprintf(origin, sizeof origin, "-o %.110s", setting->text);
	if (setting->section)
		code = config_set(config, setting->section, setting->key, strchr(setting->text, '=') + 1,
			origin, &reason);
	else
		code = config_set_assignment(config, setting->text, origin, &reason);
	return code < 0 ? status_set(status, code, "option '%.110s': %s", setting->text, reason.text) : 0;
}

int mount_options_configure(const struct mount_options *options, struct config *config, struct status *status)
{
	int code = config_init(config);

	if (code < 0)
		return status_set(status, code, "out of memory");
	code = config_read(config, options->config ? options->config : CONFIG_PATH, status);
	if (code == -ENOENT && !options->config)
		code = 0;
	for (uint32_t i = 0; i < options->setting_count && code == 0; i++)
		code = apply_setting(config, &options->settings[i], status);
	return code == 0 ? config_check(config, status) : code;
}
